import { environmentWith, listen } from './environment.js';
import { Timers } from './timers.js';

/** Events of one frame are handled together. */
const FRAME_MS = 16;

/** The tables that the gateway's triggers stand on; what "any resource" means. */
const RESOURCES = ['projects', 'sprints', 'tasks', 'project_members'];

/**
 * The default mapping: the seed's `[resource, project_id]`, and the row's `[resource, id]`. Where any row
 * may have changed, that is every query of the resource, except the lists of other projects of ours.
 *
 * @param {import('./index.d.ts').InvalidateEvent} event with one resource
 * @param {import('./index.d.ts').Gateway} gateway
 * @returns {import('./react-query.d.ts').Target[]}
 */
export function defaultTargets(event, gateway) {
  const { resource, project_id, data } = event;
  if (data.id !== '*') return [[resource, project_id], [resource, data.id]];
  return [{
    queryKey: [resource],
    predicate: ({ queryKey }) => queryKey[1] === project_id || !gateway.projects.includes(queryKey[1]),
  }];
}

/**
 * Keeps the queries of a TanStack Query v5 client fresh. Returns a function that ends it.
 *
 * @param {import('./index.d.ts').Gateway} gateway
 * @param {import('./react-query.d.ts').QueryClientLike} queryClient
 * @param {import('./react-query.d.ts').BindingOptions} [options]
 */
export function bindQueryClient(gateway, queryClient, options = {}) {
  const binding = new Binding(gateway, queryClient, options);
  return () => binding.end();
}

class Binding {
  #gateway;
  #client;
  #environment;
  #timers;
  #targetsOf;
  #resources;
  #isFocused;
  #ends;
  /** What the events of this frame concern: `{ filters, spreadMs }` by its text. */
  #frame = new Map();
  /** What was marked stale while nobody looked, and is to be fetched when somebody does. */
  #unseen = new Map();
  /** Queries that were being fetched when an event came: what they bring may be older than it. */
  #overtaken = new Set();

  constructor(gateway, queryClient, { targets = defaultTargets, resources = RESOURCES, isFocused, environment }) {
    this.#gateway = gateway;
    this.#client = queryClient;
    this.#environment = environmentWith(environment);
    this.#timers = new Timers(this.#environment);
    this.#targetsOf = targets;
    this.#resources = resources;
    const { document } = this.#environment;
    this.#isFocused = isFocused ?? (() => document?.hasFocus());
    this.#ends = [
      gateway.on('event', (event) => this.#hear(event)),
      gateway.on('state', ({ state }) => state === 'closed' && this.end()),
      queryClient.getQueryCache().subscribe((notice) => this.#cacheChanged(notice)),
      listen(document, 'visibilitychange', () => this.#lookAgain()),
    ];
  }

  end() {
    for (const end of this.#ends) end();
    this.#ends = [];
    this.#timers.clearAll();
  }

  #hear(event) {
    // Its tab knows already: it made the change.
    if (this.#gateway.isOwn(event)) return;
    const resources = event.resource === '*' ? this.#resources : [event.resource];
    for (const resource of resources) {
      for (const target of this.#targetsOf({ ...event, resource }, this.#gateway)) {
        this.#collect(Array.isArray(target) ? { queryKey: target } : target, event);
      }
    }
  }

  #collect(filters, { project_id, spread_ms = 0 }) {
    // Two predicates can't be compared; of one project's events they say the same.
    const name = JSON.stringify([filters, filters.predicate && project_id]);
    const spreadMs = Math.min(spread_ms, this.#frame.get(name)?.spreadMs ?? spread_ms);
    if (!this.#frame.size) this.#timers.set('frame', FRAME_MS, () => this.#flush());
    this.#frame.set(name, { filters, spreadMs });
  }

  #flush() {
    const frame = this.#frame;
    this.#frame = new Map();
    for (const [name, { filters, spreadMs }] of frame) {
      const isSpread = spreadMs > 0 && !this.#isFocused();
      this.#invalidate(filters, this.#isHidden || isSpread ? 'none' : 'active');
      const key = `fetch ${name}`;
      if (this.#isHidden) {
        this.#unseen.set(name, filters);
      } else if (isSpread && !this.#timers.has(key)) {
        // The first one's time holds: more events must not put it off again and again.
        this.#timers.set(key, this.#environment.random() * spreadMs, () => this.#refetchStale(name, filters));
      }
    }
  }

  get #isHidden() {
    return this.#environment.document?.visibilityState === 'hidden';
  }

  #invalidate(filters, refetchType) {
    // With cancelRefetch: false a fetch that is under way counts as the new one, although it may have read
    // the row before it changed. So it is followed by another one.
    for (const query of this.#client.getQueryCache().findAll({ ...filters, fetchStatus: 'fetching' })) {
      this.#overtaken.add(query);
    }
    void this.#client.invalidateQueries({ ...filters, refetchType }, { cancelRefetch: false });
  }

  /** Fetches what is still marked; what was fetched meanwhile is fresh. */
  #refetchStale(name, filters) {
    if (this.#isHidden) this.#unseen.set(name, filters);
    else void this.#client.refetchQueries({ ...filters, type: 'active', stale: true }, { cancelRefetch: false });
  }

  #cacheChanged({ type, query, action }) {
    if (type === 'removed') this.#overtaken.delete(query);
    if (type !== 'updated' || query.state.fetchStatus !== 'idle' || !this.#overtaken.delete(query)) return;
    // Its end has taken the mark away again: success does, and cancelling goes back to the state before the
    // fetch. What was cancelled isn't begun anew, only known to be stale.
    const filters = { queryKey: query.queryKey, exact: true };
    if (action.type === 'success') this.#collect(filters, {});
    else this.#invalidate(filters, 'none');
  }

  #lookAgain() {
    if (this.#isHidden) return;
    const unseen = this.#unseen;
    this.#unseen = new Map();
    for (const [name, filters] of unseen) this.#refetchStale(name, filters);
  }
}

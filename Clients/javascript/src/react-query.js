import { Backoff } from './backoff.js';
import { environmentWith, listen } from './environment.js';
import { Timers } from './timers.js';

/** Events of one frame are handled together. */
const FRAME_MS = 16;
/** What failed, or was cancelled, is fetched again after this and a random part of a back-off. */
const AGAIN_MS = 1_000;
const AGAIN_MOST_MS = 300_000;

/** The tables that the gateway's triggers stand on; what "any resource" means. */
const RESOURCES = ['projects', 'sprints', 'tasks', 'project_members'];

/**
 * The default mapping: the seed's `[resource, project_id]`, and the row's `[resource, id]`, in upper or lower
 * case. Where any row may have changed, that is every query of the resource, except the lists of other
 * projects of ours.
 *
 * @param {import('./index.d.ts').InvalidateEvent} event with one resource
 * @param {import('./index.d.ts').Gateway} gateway
 * @returns {import('./react-query.d.ts').Target[]}
 */
export function defaultTargets({ resource, project_id, data }, gateway) {
  const isMeant = data.id === '*'
    ? (id) => id === project_id || !gateway.projects.includes(id)
    : (id) => id === project_id || id === data.id.toLowerCase();
  return [{ queryKey: [resource], predicate: ({ queryKey }) => isMeant(String(queryKey[1]).toLowerCase()) }];
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

/**
 * TanStack Query's own mark, `isInvalidated`, says too little: whatever puts data into a query takes it away, a
 * fetch that had read the row before it changed as well as an optimistic update. So the binding keeps books.
 * Its clock counts what was heard; a query owes a fetch while something that concerns it was heard after the
 * beginning of the last fetch whose data it has.
 */
class Binding {
  #gateway;
  #client;
  #environment;
  #timers;
  #targetsOf;
  #resources;
  #isFocused;
  #ends;
  #clock = 0;
  /** Of each query, by the clock: see `#bookOf`. */
  #books = new WeakMap();
  /** What the events of this frame concern: `{ filters, isOwn, heard, spreadMs }` by its text. */
  #frame = new Map();
  /** Queries whose data came from elsewhere, and may be older than what was heard before. */
  #arrived = new Set();
  /** To be fetched at the end of the frame. */
  #due = new Set();

  constructor(gateway, queryClient, { targets = defaultTargets, resources = RESOURCES, isFocused, environment }) {
    this.#gateway = gateway;
    this.#client = queryClient;
    this.#environment = environmentWith(environment);
    this.#timers = new Timers(this.#environment);
    this.#targetsOf = targets;
    this.#resources = resources;
    const { document } = this.#environment;
    this.#isFocused = isFocused ?? (() => document?.hasFocus());
    for (const query of this.#queries()) {
      // Nobody knows when it was read, and what was heard since.
      this.#bookOf(query).isForeign = true;
      this.#arrives(query);
    }
    this.#ends = [
      gateway.on('event', (event) => this.#hear(event)),
      gateway.on('project', ({ joined }) => joined && this.#arrived.size && this.#flushSoon()),
      // One that was closed with an error may be connected again.
      gateway.on('state', ({ state, error }) => state === 'closed' && !error && this.end()),
      queryClient.getQueryCache().subscribe((notice) => this.#cacheChanged(notice)),
      listen(document, 'visibilitychange', () => this.#fetch()),
    ];
  }

  end() {
    for (const end of this.#ends) end();
    this.#ends = [];
    this.#timers.clearAll();
  }

  // What is heard

  #hear(event) {
    this.#clock++;
    for (const { name, filters } of this.#targets(event)) {
      const isOwn = this.#gateway.isOwn(event);
      const key = `${isOwn} ${name}`;
      const { spread_ms: spreadMs = 0 } = event;
      this.#frame.set(key, {
        filters, isOwn, heard: this.#clock, spreadMs: Math.min(spreadMs, this.#frame.get(key)?.spreadMs ?? spreadMs) });
      this.#flushSoon();
    }
  }

  /** The filters of what an event concerns, each with a text by which the same ones are found. */
  #targets(event) {
    const { resource, action, project_id, data } = event;
    return (resource === '*' ? this.#resources : [resource]).flatMap((one) =>
      this.#targetsOf({ ...event, resource: one }, this.#gateway).map((target) => {
        const given = Array.isArray(target) ? { queryKey: target } : target;
        const filters = data.id === '*' ? widened(given) : given;
        // Two predicates can't be compared; those of like events say the same.
        return { filters, name: JSON.stringify([filters, filters.predicate && [one, action, project_id, data.id]]) };
      }));
  }

  #flushSoon() {
    if (!this.#timers.has('frame')) this.#timers.set('frame', FRAME_MS, () => this.#flush());
  }

  #flush() {
    const frame = this.#frame;
    this.#frame = new Map();
    for (const entry of frame.values()) {
      for (const query of this.#queries(entry.filters)) this.#charge(query, entry);
    }
    this.#chargeArrived();
    this.#mark((query) => this.#owes(query));
    const due = this.#due;
    this.#due = new Set();
    this.#fetch(due);
  }

  #charge(query, { isOwn, heard, spreadMs }) {
    const book = this.#bookOf(query);
    // Its tab knows of it already: it made the change. But a fetch that had begun before may bring back what
    // was there before.
    const isOvertaken = query.state.fetchStatus === 'idle'
      ? book.read < heard && book.ended >= heard : book.begun < heard;
    if (isOwn && !isOvertaken) return;
    book.owed = Math.max(book.owed, heard);
    if (!this.#owes(query)) return;
    if (!spreadMs || this.#isFocused()) {
      this.#timers.clear(query);
      this.#due.add(query);
    } else if (!this.#timers.has(query)) {
      // The first one's time holds: more events must not put it off again and again.
      this.#timers.set(query, this.#environment.random() * spreadMs, () => this.#fetch(new Set([query])));
    }
  }

  /** Data from elsewhere are taken for older than all that was heard of the projects of the query. */
  #chargeArrived() {
    if (!this.#arrived.size) return;
    const { projects } = this.#gateway;
    // The others may yet be joined with a cursor, and so without a resync.
    const joined = projects.filter((id) => this.#gateway.isJoined(id));
    for (const project_id of joined) {
      const any = {
        type: 'cache_invalidate', resource: '*', action: 'RESYNC', project_id, data: { id: '*', timestamp: '' } };
      for (const { filters } of this.#targets(any)) {
        for (const query of this.#queries(filters)) {
          if (!this.#arrived.delete(query)) continue;
          this.#bookOf(query).read = -1;
          this.#due.add(query);
        }
      }
    }
    if (joined.length === projects.length) this.#arrived.clear();
  }

  // The books

  #queries(filters) {
    return this.#client.getQueryCache().findAll(filters);
  }

  #bookOf(query) {
    let book = this.#books.get(query);
    if (!book) {
      // `owed`: what it has to be as new as. `read`: how new its data are. `begun`: how new those will be that
      // are being fetched. `ended`: when a fetch brought the last ones.
      book = { owed: 0, read: 0, begun: 0, ended: -1, isForeign: false, backoff: undefined };
      this.#books.set(query, Object.assign(book, dataOf(query)));
    }
    return book;
  }

  #owes(query) {
    const book = this.#bookOf(query);
    return book.owed > book.read;
  }

  #arrives(query) {
    if (query.state.data === undefined) return;
    this.#arrived.add(query);
    this.#flushSoon();
  }

  #cacheChanged({ type, query, action }) {
    if (type === 'added') {
      this.#bookOf(query);
      this.#arrives(query);
    } else if (type === 'removed') {
      for (const queries of [this.#arrived, this.#due]) queries.delete(query);
      this.#timers.clear(query, this.#bookOf(query));
    } else if (type === 'observerAdded' && this.#owes(query)) {
      this.#fetchSoon(query);
    } else if (type === 'updated') {
      this.#updated(query, action);
    }
  }

  #updated(query, { type, manual, meta }) {
    const book = this.#bookOf(query);
    const { state } = query;
    const isEnd = type === 'success' && !manual;
    const { data, dataUpdatedAt } = book;
    Object.assign(book, dataOf(query));
    if (type === 'fetch') {
      // One page more leaves the others as old as they are.
      book.begun = meta?.fetchMore && state.data !== undefined ? book.read : this.#clock;
      // Without a function it is what a server began, and the page takes over.
      book.isForeign = !query.options?.queryFn;
    } else if (isEnd) {
      book.read = book.begun;
      book.ended = this.#clock;
      if (book.begun >= 0) this.#arrived.delete(query);
      if (book.isForeign) this.#arrives(query);
      book.isForeign = false;
    } else if (type === 'setState' && (state.data !== data || state.dataUpdatedAt !== dataUpdatedAt)) {
      this.#arrives(query);
    }
    if (!this.#owes(query)) {
      book.backoff = undefined;
      this.#timers.clear(query, book);
      return;
    }
    // Whatever has taken the mark away: whoever looks at it next must see that it is stale.
    if (!state.isInvalidated) this.#mark((other) => other === query);
    if (state.fetchStatus !== 'idle') return;
    if (isEnd) this.#fetchSoon(query);
    else if (type === 'error' || type === 'setState') this.#fetchAgain(query, book);
  }

  // Marking and fetching

  #mark(predicate) {
    void this.#client.invalidateQueries({ predicate, refetchType: 'none' });
  }

  /** At the end of the frame, unless it waits for the time that it was given. */
  #fetchSoon(query) {
    if (this.#timers.has(query)) return;
    this.#due.add(query);
    this.#flushSoon();
  }

  /** After a while: the back end is in trouble, or the application is about to change something itself. */
  #fetchAgain(query, book) {
    if (this.#timers.has(query)) return;
    book.backoff ??= new Backoff(this.#environment.random, AGAIN_MS, AGAIN_MOST_MS);
    this.#timers.set(book, AGAIN_MS + book.backoff.next(), () => this.#fetch(new Set([query])));
  }

  /** Fetches what is looked at and owes it, of these or of all; on a hidden page nothing, until it is shown. */
  #fetch(queries) {
    if (queries?.size === 0 || this.#environment.document?.visibilityState === 'hidden') return;
    // What is being fetched is left alone, and looked at again when that ends.
    const predicate = (query) =>
      (queries?.has(query) ?? true) && query.state.fetchStatus === 'idle' && this.#owes(query);
    void this.#client.refetchQueries({ type: 'active', predicate }, { cancelRefetch: false });
  }
}

function dataOf({ state: { data, dataUpdatedAt } }) {
  return { data, dataUpdatedAt };
}

/** Where any row may have changed, a key that was made with its id stands for the keys of all rows. */
function widened({ queryKey, exact, ...filters }) {
  const position = queryKey?.findIndex((part) => JSON.stringify(part)?.includes('"*"')) ?? -1;
  return { ...filters, ...(position < 0 ? { queryKey, exact } : { queryKey: queryKey.slice(0, position) }) };
}

// A stand-in for TanStack Query v5, which Debian doesn't have: its QueryClient as far as the binding uses
// it, written after its documentation. What matters is the same:
// - a key matches every query whose key begins with it, or with `exact` only itself;
// - invalidateQueries marks, then refetches what `refetchType` says: `active` (the default) or `none`;
// - with `cancelRefetch: false` a fetch that is under way is left alone and counts as the new one;
// - success takes the mark away, whenever its fetch began;
// - a fetch that is cancelled with `revert` leaves the state from before it, mark included; v5 told that by
//   an `error` action at first, and tells it by `setState` now;
// - becoming visible refetches active stale queries, unless that is turned off.

class FakeQuery {
  observers = 0;
  state = { data: undefined, isInvalidated: false, fetchStatus: 'idle', dataUpdateCount: 0 };
  fetches = 0;
  #settle;
  /** What a cancelled fetch goes back to. */
  #before;

  constructor(cache, queryKey) {
    this.cache = cache;
    this.queryKey = queryKey;
  }

  isActive() {
    return this.observers > 0;
  }

  isStale() {
    return this.state.isInvalidated || this.state.data === undefined;
  }

  fetch({ cancelRefetch = true } = {}) {
    if (this.state.fetchStatus === 'fetching' && !(cancelRefetch && this.state.data !== undefined)) {
      return this.promise;
    }
    this.fetches++;
    this.#before = this.state;
    this.state = { ...this.state, fetchStatus: 'fetching' };
    this.promise = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.cache.notify({ type: 'updated', query: this, action: { type: 'fetch' } });
    return this.promise;
  }

  /** The back end answers. */
  succeed(data = 'data') {
    this.state = { ...this.state, data, isInvalidated: false, fetchStatus: 'idle' };
    this.cache.notify({ type: 'updated', query: this, action: { type: 'success', data } });
    this.#settle?.();
  }

  fail() {
    this.state = { ...this.state, fetchStatus: 'idle' };
    this.cache.notify({ type: 'updated', query: this, action: { type: 'error' } });
    this.#settle?.();
  }

  /** Its last observer has gone, or the application called cancelQueries. */
  cancel(type) {
    this.state = { ...this.#before, fetchStatus: 'idle' };
    this.cache.notify({ type: 'updated', query: this, action: { type } });
    this.#settle?.();
  }

  setData(data) {
    this.state = { ...this.state, data, isInvalidated: false };
    this.cache.notify({ type: 'updated', query: this, action: { type: 'success', data, manual: true } });
  }

  invalidate() {
    if (this.state.isInvalidated) return;
    this.state = { ...this.state, isInvalidated: true };
    this.cache.notify({ type: 'updated', query: this, action: { type: 'invalidate' } });
  }
}

class FakeQueryCache {
  queries = [];
  listeners = new Set();

  notify(event) {
    for (const listener of [...this.listeners]) listener(event);
  }

  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  findAll({ queryKey, exact = false, type = 'all', stale, fetchStatus, predicate } = {}) {
    return this.queries.filter((query) => {
      if (queryKey) {
        const known = exact ? query.queryKey : query.queryKey.slice(0, queryKey.length);
        if (JSON.stringify(known) !== JSON.stringify(queryKey)) return false;
      }
      if (type !== 'all' && query.isActive() !== (type === 'active')) return false;
      if (typeof stale === 'boolean' && query.isStale() !== stale) return false;
      if (fetchStatus && query.state.fetchStatus !== fetchStatus) return false;
      return predicate ? predicate(query) : true;
    });
  }
}

export class FakeQueryClient {
  cache = new FakeQueryCache();
  /** The filters and options of each call of invalidateQueries. */
  invalidations = [];

  getQueryCache() {
    return this.cache;
  }

  /** A query with data, looked at by somebody unless `observers` is 0. */
  add(queryKey, { observers = 1 } = {}) {
    const query = new FakeQuery(this.cache, queryKey);
    query.observers = observers;
    query.state.data = 'first';
    this.cache.queries.push(query);
    return query;
  }

  async invalidateQueries(filters = {}, options = {}) {
    this.invalidations.push({ filters, options });
    for (const query of this.cache.findAll(filters)) query.invalidate();
    if (filters.refetchType === 'none') return;
    await this.refetchQueries({ ...filters, type: filters.refetchType ?? filters.type ?? 'active' }, options);
  }

  async refetchQueries(filters = {}, options = {}) {
    await Promise.all(this.cache.findAll(filters).map((query) => query.fetch(options)));
  }

  /** What TanStack Query does by default when the page is shown. */
  pageIsShown() {
    void this.refetchQueries({ type: 'active', stale: true }, { cancelRefetch: false });
  }
}

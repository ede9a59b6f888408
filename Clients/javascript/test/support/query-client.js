// A stand-in for TanStack Query v5, which Debian doesn't have: its QueryClient as far as the binding uses
// it. react-query-stale.test.js holds the real one to the same. What matters:
// - a key matches every query whose key begins with it, or with `exact` only itself;
// - invalidateQueries marks, then refetches what `refetchType` says: `active` (the default) or `none`;
// - with `cancelRefetch: false` a fetch that is under way is left alone and counts as the new one; without,
//   it is replaced by another, silently: there is no end of it, only a second beginning;
// - success takes the mark away, whenever its fetch began; so does setQueryData, and so does one page more
//   (fetchNextPage), which fetches no other page again;
// - a failure marks what data there are;
// - a fetch that is cancelled with `revert` leaves the state from before it, or the one that setQueryData
//   made since; v5 told that by an `error` action at first, and tells it by `setState` now;
// - what is hydrated enters by `added` when there was no such query, and by `setState` when there was;
// - becoming visible refetches active stale queries, unless that is turned off.

class FakeQuery {
  observers = 0;
  options = { queryFn() {} };
  fetches = 0;
  #settle;
  /** What a cancelled fetch goes back to. */
  #before;

  constructor(cache, queryKey, state) {
    this.cache = cache;
    this.queryKey = queryKey;
    this.state = { data: undefined, dataUpdatedAt: 0, isInvalidated: false, fetchStatus: 'idle', ...state };
  }

  isActive() {
    return this.observers > 0;
  }

  isStale() {
    return this.state.isInvalidated || this.state.data === undefined;
  }

  #dispatch(state, action) {
    this.state = { ...this.state, ...state };
    this.cache.notify({ type: 'updated', query: this, action });
  }

  fetch({ cancelRefetch = true, meta } = {}) {
    if (this.state.fetchStatus === 'fetching' && !(cancelRefetch && this.state.data !== undefined)) {
      return this.promise;
    }
    this.fetches++;
    this.read = this.cache.backEnd?.();
    this.#before = this.state;
    this.promise = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#dispatch({ fetchStatus: 'fetching' }, { type: 'fetch', meta });
    return this.promise;
  }

  fetchNextPage() {
    return this.fetch({ meta: { fetchMore: { direction: 'forward' } } });
  }

  /** The back end answers. */
  succeed(data = 'data') {
    this.#dispatch(
      { data, dataUpdatedAt: Date.now(), isInvalidated: false, fetchStatus: 'idle' }, { type: 'success', data });
    this.#settle?.();
  }

  fail() {
    this.#dispatch({ fetchStatus: 'idle', isInvalidated: true }, { type: 'error' });
    this.#settle?.();
  }

  /** Its last observer has gone, or the application called cancelQueries. */
  cancel(type = 'setState') {
    this.#dispatch({ ...this.#before, fetchStatus: 'idle' }, { type });
    this.#settle?.();
  }

  setData(data) {
    this.#dispatch({ data, dataUpdatedAt: Date.now(), isInvalidated: false }, { type: 'success', data, manual: true });
    this.#before = this.state;
  }

  setState(state) {
    this.#dispatch(state, { type: 'setState', state });
  }

  invalidate() {
    if (!this.state.isInvalidated) this.#dispatch({ isInvalidated: true }, { type: 'invalidate' });
  }

  /** Somebody looks at it: what is stale is fetched. */
  observe() {
    this.observers++;
    this.cache.notify({ type: 'observerAdded', query: this });
    if (this.isStale()) void this.fetch({ cancelRefetch: false });
  }

  unobserve() {
    this.observers--;
    this.cache.notify({ type: 'observerRemoved', query: this });
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

  /** What a fetch reads as it begins: `read` of its query. */
  set backEnd(read) {
    this.cache.backEnd = read;
  }

  /** The filters and options of each call of refetchQueries. */
  refetches = [];

  getQueryCache() {
    return this.cache;
  }

  /** A query with data, looked at by somebody unless `observers` is 0. */
  add(queryKey, { observers = 1, ...options } = {}) {
    const { data } = { data: 'first', ...options };
    const query = this.#build(queryKey, {});
    query.observers = observers;
    if (data !== undefined) query.setData(data);
    return query;
  }

  #build(queryKey, state) {
    const query = new FakeQuery(this.cache, queryKey, state);
    this.cache.queries.push(query);
    this.cache.notify({ type: 'added', query });
    return query;
  }

  /** Data that somebody fetched elsewhere, at some time: of a server that made the page, or of a former visit. */
  hydrate(queryKey, data, dataUpdatedAt = Date.now()) {
    const known = this.cache.queries.find((query) => JSON.stringify(query.queryKey) === JSON.stringify(queryKey));
    if (known) {
      known.setState({ data, dataUpdatedAt, isInvalidated: false });
      return known;
    }
    return this.#build(queryKey, { data, dataUpdatedAt });
  }

  remove(query) {
    this.cache.queries = this.cache.queries.filter((other) => other !== query);
    this.cache.notify({ type: 'removed', query });
  }

  async invalidateQueries(filters = {}, options = {}) {
    for (const query of this.cache.findAll(filters)) query.invalidate();
    if (filters.refetchType === 'none') return;
    await this.refetchQueries({ ...filters, type: filters.refetchType ?? filters.type ?? 'active' }, options);
  }

  async refetchQueries(filters = {}, options = {}) {
    this.refetches.push({ filters, options });
    await Promise.all(this.cache.findAll(filters).map((query) => query.fetch(options)));
  }

  /** What TanStack Query does by default when the page is shown. */
  pageIsShown() {
    for (const query of this.cache.findAll({ type: 'active', stale: true })) void query.fetch({ cancelRefetch: false });
  }
}

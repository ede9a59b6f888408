// TanStack Query itself, with the face of the stand-in (query-client.js): a test answers its fetches.

class Handle {
  #core;
  #client;
  #waiting = [];
  #observers = [];
  fetches = 0;

  constructor({ core, client, backEnd }, queryKey, { isInfinite = false } = {}) {
    this.#core = core;
    this.#client = client;
    this.queryKey = queryKey;
    this.Observer = isInfinite ? core.InfiniteQueryObserver : core.QueryObserver;
    this.options = {
      queryKey, staleTime: Infinity, gcTime: Infinity, retry: false,
      queryFn: () => {
        this.fetches++;
        this.read = backEnd();
        return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
      },
      ...(isInfinite && { initialPageParam: 0, getNextPageParam: (page, pages) => pages.length }),
    };
  }

  get query() {
    return this.#client.getQueryCache().find({ queryKey: this.queryKey });
  }

  get state() {
    return this.query.state;
  }

  observe(options) {
    const observer = new this.Observer(this.#client, { ...this.options, ...options });
    this.#observers.push({ observer, end: observer.subscribe(() => {}) });
  }

  unobserve() {
    this.#observers.pop().end();
  }

  fetch(options) {
    return this.#observers[0]?.observer.refetch(options) ?? this.query.fetch(this.options, options);
  }

  fetchNextPage() {
    return this.#observers[0].observer.fetchNextPage();
  }

  // Those that were cancelled still wait, so the last one is meant.
  succeed(data = 'data') {
    this.#waiting.pop()?.resolve(data);
  }

  fail() {
    this.#waiting.pop()?.reject(new Error('the back end'));
  }

  cancel() {
    return this.#client.cancelQueries({ queryKey: this.queryKey });
  }

  setData(data) {
    this.#client.setQueryData(this.queryKey, data);
  }
}

export class RealQueryClient {
  /** What a fetch reads as it begins: `read` of its query. */
  backEnd = undefined;

  constructor(core) {
    this.core = core;
    this.client = new core.QueryClient({ defaultOptions: { queries: { refetchOnWindowFocus: false } } });
  }

  getQueryCache() {
    return this.client.getQueryCache();
  }

  invalidateQueries(...parameters) {
    return this.client.invalidateQueries(...parameters);
  }

  refetchQueries(...parameters) {
    return this.client.refetchQueries(...parameters);
  }

  add(queryKey, { observers = 1, ...options } = {}) {
    const { data } = { data: 'first', ...options };
    const handle = this.#handle(queryKey, options);
    if (data === undefined) this.client.getQueryCache().build(this.client, handle.options);
    else this.client.setQueryData(queryKey, data);
    for (let count = 0; count < observers; count++) handle.observe();
    return handle;
  }

  hydrate(queryKey, data, dataUpdatedAt = Date.now()) {
    this.core.hydrate(this.client, { queries: [{
      queryKey, queryHash: JSON.stringify(queryKey), state: {
        data, dataUpdatedAt, dataUpdateCount: 1, error: null, errorUpdateCount: 0, errorUpdatedAt: 0,
        fetchFailureCount: 0, fetchFailureReason: null, fetchMeta: null, isInvalidated: false, status: 'success',
        fetchStatus: 'idle' } }] });
    return this.#handle(queryKey);
  }

  #handle(queryKey, options) {
    return new Handle({ core: this.core, client: this.client, backEnd: () => this.backEnd?.() }, queryKey, options);
  }

  remove({ queryKey }) {
    this.client.removeQueries({ queryKey });
  }
}

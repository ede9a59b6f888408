// A world for the client in which nothing happens by itself: its clock, its dice, its sockets, its page.

/** Lets everything that was promised happen. No time passes. */
export async function settle() {
  for (let round = 0; round < 3; round++) await new Promise((resolve) => setImmediate(resolve));
}

class FakeTarget {
  listeners = [];

  addEventListener(type, listener) {
    this.listeners.push({ type, listener });
  }

  removeEventListener(type, listener) {
    this.listeners = this.listeners.filter((entry) => entry.type !== type || entry.listener !== listener);
  }

  dispatch(type, event = {}) {
    for (const entry of [...this.listeners]) if (entry.type === type) entry.listener(event);
  }
}

class FakeSocket extends FakeTarget {
  readyState = 0;
  sent = [];
  closedWith = undefined;

  constructor(url) {
    super();
    this.url = url;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code, reason) {
    this.closedWith ??= { code, reason };
    this.readyState = 2;
  }

  // The gateway's side.

  open() {
    this.readyState = 1;
    this.dispatch('open');
  }

  receive(message) {
    this.dispatch('message', { data: typeof message === 'string' ? message : JSON.stringify(message) });
  }

  end(code, reason = '') {
    this.readyState = 3;
    this.dispatch('error');
    this.dispatch('close', { code, reason });
  }

  /** The messages since the last call. */
  take() {
    return this.sent.splice(0);
  }
}

export class World {
  /** What `random` says. */
  dice = 0.5;
  time = Date.parse('2026-01-02T03:04:05Z');
  timers = new Map();
  sockets = [];
  window = new FakeTarget();
  document = Object.assign(new FakeTarget(), {
    visibilityState: 'visible', isFocused: true, hasFocus() {
      return this.isFocused;
    },
  });
  navigator = { onLine: true };
  #numbers = 0;

  environment() {
    const world = this;
    return {
      WebSocket: class {
        constructor(url) {
          const socket = new FakeSocket(url);
          world.sockets.push(socket);
          return socket;
        }
      },
      now: () => this.time,
      random: () => this.dice,
      setTimeout: (action, milliseconds) => {
        this.timers.set(++this.#numbers, { at: this.time + milliseconds, action });
        return this.#numbers;
      },
      clearTimeout: (number) => this.timers.delete(number),
      window: this.window,
      document: this.document,
      navigator: this.navigator,
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get listenerCount() {
    const targets = [this.window, this.document, ...this.sockets];
    // What remains on a socket is the empty listener that keeps its last error from being thrown.
    return targets.flatMap(({ listeners }) => listeners).filter(({ type }) => type !== 'error').length;
  }

  /** Milliseconds until the next timer; undefined when there is none. */
  get nextTimerMs() {
    const next = Math.min(...[...this.timers.values()].map(({ at }) => at));
    return Number.isFinite(next) ? next - this.time : undefined;
  }

  /** Lets time pass; what is due in it happens in order. */
  async pass(milliseconds) {
    if (!(milliseconds >= 0)) throw new Error(`time can't pass by ${milliseconds}`);
    const end = this.time + milliseconds;
    await settle();
    for (;;) {
      const [number, timer] = [...this.timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!timer || timer.at > end) break;
      this.timers.delete(number);
      this.time = Math.max(this.time, timer.at);
      timer.action();
      await settle();
    }
    this.time = end;
  }

  /** The machine sleeps: time passes, and nothing happens in it. */
  sleep(milliseconds) {
    this.time += milliseconds;
  }

  setOnline(isOnline) {
    this.navigator.onLine = isOnline;
    this.window.dispatch(isOnline ? 'online' : 'offline');
  }

  setVisible(isVisible) {
    this.document.visibilityState = isVisible ? 'visible' : 'hidden';
    this.document.dispatch('visibilitychange');
  }
}

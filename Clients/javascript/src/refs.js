import { GatewayError, errorOf } from './errors.js';

/** Questions that wait for the `ok` or the `error` with their `ref`. */
export class Refs {
  #timers;
  #next = 1;
  #waiting = new Map();

  /** @param {import('./timers.js').Timers} timers */
  constructor(timers) {
    this.#timers = timers;
  }

  /**
   * Sends the message with a new `ref`. The promise is resolved with the answer.
   *
   * @param {(message: object) => void} send
   * @param {object} message
   * @param {number} timeoutMs
   */
  ask(send, message, timeoutMs) {
    const ref = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(ref, { resolve, reject });
      this.#timers.set(ref, timeoutMs, () => this.#fail(ref, new GatewayError(
        'timeout', `no answer to ${message.type} within ${timeoutMs} ms`, { temporary: true })));
      send({ ...message, ref });
    });
  }

  /** Whether the message answers a question. A late answer is one, and goes nowhere. */
  settle(message) {
    if (message.ref === undefined) return false;
    if (message.type === 'ok') {
      this.#take(message.ref)?.resolve(message);
    } else {
      this.#fail(message.ref, errorOf(message));
    }
    return true;
  }

  /** The connection is gone, and with it the answers. */
  rejectAll(code) {
    for (const ref of [...this.#waiting.keys()]) {
      this.#fail(ref, new GatewayError(code, 'the connection ended first', { temporary: true }));
    }
  }

  #fail(ref, error) {
    this.#take(ref)?.reject(error);
  }

  #take(ref) {
    const waiting = this.#waiting.get(ref);
    this.#waiting.delete(ref);
    this.#timers.clear(ref);
    return waiting;
  }
}

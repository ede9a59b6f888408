import { passing } from './errors.js';

/** Promises that wait for an answer, each by its `ref`, and each for a bounded time. */
export class Refs {
  #timers;
  #next = 1;
  #waiting = new Map();

  /** @param {import('./timers.js').Timers} timers */
  constructor(timers) {
    this.#timers = timers;
  }

  /**
   * @param {number} timeoutMs
   * @param {(ref: number) => void} [ask] asks for what is waited for
   */
  wait(timeoutMs, ask) {
    const ref = this.#next++;
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject };
      this.#waiting.set(ref, waiting);
      this.#timers.set(waiting, timeoutMs, () => this.settle(
        ref, 'reject', passing('timeout', `no answer within ${timeoutMs} ms`)));
      ask?.(ref);
    });
  }

  /**
   * A late answer goes nowhere.
   *
   * @param {number} ref
   * @param {'resolve' | 'reject'} how
   * @param {unknown} [value]
   */
  settle(ref, how, value) {
    const waiting = this.#waiting.get(ref);
    this.#waiting.delete(ref);
    this.#timers.clear(waiting);
    waiting?.[how](value);
  }

  settleAll(how, value) {
    for (const ref of [...this.#waiting.keys()]) this.settle(ref, how, value);
  }
}

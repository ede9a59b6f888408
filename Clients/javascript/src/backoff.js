/** The bound after many failures, unless another one is given. */
const MOST_MS = 20_000;

/**
 * How long to wait before the next attempt: "full jitter", a random time between nothing and a bound
 * that doubles with each failure. Whatever made many clients lose their connection in one moment, they
 * don't come back in one moment.
 */
export class Backoff {
  #random;
  #firstMs;
  #mostMs;
  #failures = 0;

  /**
   * @param {() => number} random from 0 up to but not including 1
   * @param {number} firstMs the bound after the first failure
   * @param {number} [mostMs] the bound after many
   */
  constructor(random, firstMs, mostMs = MOST_MS) {
    this.#random = random;
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
  }

  /** Milliseconds to wait after one more failure. */
  next() {
    return this.#random() * Math.min(this.#mostMs, this.#firstMs * 2 ** this.#failures++);
  }

  /** A connection has proved to be stable. */
  reset() {
    this.#failures = 0;
  }
}

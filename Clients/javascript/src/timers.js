/** setTimeout takes 32 bits; what is longer would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Timers by name, at most one of each: whoever clears them all has left none behind. */
export class Timers {
  #environment;
  #pending = new Map();

  constructor(environment) {
    this.#environment = environment;
  }

  set(name, milliseconds, action) {
    this.clear(name);
    if (milliseconds === Infinity) return;
    const timer = this.#environment.setTimeout(() => {
      this.#pending.delete(name);
      action();
    }, Math.min(milliseconds, LONGEST_MS));
    this.#pending.set(name, timer);
  }

  has(name) {
    return this.#pending.has(name);
  }

  clear(...names) {
    for (const name of names) {
      this.#environment.clearTimeout(this.#pending.get(name));
      this.#pending.delete(name);
    }
  }

  clearAll() {
    this.clear(...this.#pending.keys());
  }
}

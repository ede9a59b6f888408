/** Listeners by the name of what they listen to. */
export class Emitter {
  #listeners = new Map();

  /** Returns a function that ends it. */
  on(name, listener) {
    // An object of its own, so that a function that is given twice is called twice.
    const entry = { listener };
    const entries = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, entries.add(entry));
    return () => entries.delete(entry);
  }

  emit(name, value) {
    for (const { listener } of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        // An application's mistake must not stop the connection, nor be silent.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  clear() {
    for (const entries of this.#listeners.values()) entries.clear();
  }
}

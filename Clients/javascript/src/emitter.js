/** Listeners by the name of what they listen to. */
export class Emitter {
  // Each an object of its own, so that a function that is given twice is called twice.
  #entries = new Set();

  /** Returns a function that ends it. */
  on(name, listener) {
    const entry = { name, listener };
    this.#entries.add(entry);
    return () => this.#entries.delete(entry);
  }

  emit(name, value) {
    for (const entry of [...this.#entries]) {
      try {
        if (entry.name === name) entry.listener(value);
      } catch (error) {
        // An application's mistake must not stop the connection, nor be silent.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  clear() {
    this.#entries.clear();
  }
}

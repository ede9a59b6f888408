import { environmentWith } from './environment.js';
import { Timers } from './timers.js';

/** A view that is replaced by one of the same must not end what both share. */
const LINGER_MS = 1_000;

/**
 * What views of one client share by a name: made for the first of them, ended a second after the last has let go.
 * A part has `snapshot`, is told by `held()` that who holds it has changed, and by `end()` that it is over.
 */
export class Shared {
  #make;
  #all = new WeakMap();

  /** @param {(gateway: object, what: object, holders: Set<object>, changed: () => void) => object} make */
  constructor(make) {
    this.#make = make;
  }

  find(gateway, name) {
    return this.#all.get(gateway)?.get(name)?.part;
  }

  /** @param {{ changed?: () => void }} holder */
  hold(gateway, name, what, holder) {
    const entries = this.#all.get(gateway) ?? new Map();
    this.#all.set(gateway, entries);
    const entry = entries.get(name) ?? this.#add(entries, gateway, name, what);
    entry.timers.clear('end');
    entry.holders.add(holder);
    entry.part.held();
    return () => {
      if (!entry.holders.delete(holder)) return;
      entry.part.held();
      if (entry.holders.size) return;
      entry.timers.set('end', LINGER_MS, () => {
        entries.delete(name);
        entry.part.end();
      });
    };
  }

  #add(entries, gateway, name, what) {
    const holders = new Set();
    const entry = { holders, timers: new Timers(environmentWith(gateway.environment)) };
    entries.set(name, entry);
    entry.part = this.#make(gateway, what, holders, () => {
      for (const { changed } of [...holders]) changed?.();
    });
    return entry;
  }
}

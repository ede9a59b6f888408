/** An answer to a ping of ours takes no longer, unless the socket is dead. */
const PROBE_MS = 5_000;

/**
 * Notices a socket that looks open and isn't: nobody says when a network has gone. The gateway pings
 * once in an interval; after one and a quarter without a sign of life we ask for one (a gateway with
 * `--text-ping off` is silent for scripts), and after two intervals the socket is dead.
 *
 * One timer, set again only when it fires: a message costs a look at the clock.
 */
export class Heartbeat {
  #environment;
  #timers;
  #onSilence;
  #send;
  #intervalMs;
  #heardAt;
  /** When the socket is given up, if nothing is heard; 0 while nothing was asked. */
  #deadAt = 0;

  /**
   * @param {object} environment
   * @param {import('./timers.js').Timers} timers
   * @param {{ probe: () => void, dead: () => void }} on
   */
  constructor(environment, timers, { probe, dead }) {
    this.#environment = environment;
    this.#timers = timers;
    this.#send = probe;
    this.#onSilence = dead;
  }

  start(intervalMs) {
    this.#intervalMs = intervalMs;
    this.heard();
    this.#look();
  }

  stop() {
    this.#timers.clear('heartbeat');
  }

  heard() {
    this.#heardAt = this.#environment.now();
    this.#deadAt = 0;
  }

  /** Asks for a sign of life, now: the machine slept, or the network changed. */
  probe(patienceMs = PROBE_MS) {
    const deadAt = this.#environment.now() + patienceMs;
    if (this.#deadAt && this.#deadAt <= deadAt) return;
    this.#deadAt = deadAt;
    this.#timers.set('heartbeat', patienceMs, () => this.#look());
    this.#send();
  }

  #look() {
    if (this.#deadAt) return this.#onSilence();
    const silenceMs = Math.max(0, this.#environment.now() - this.#heardAt);
    const quietMs = this.#intervalMs * 1.25;
    if (silenceMs < quietMs) {
      this.#timers.set('heartbeat', quietMs - silenceMs, () => this.#look());
    } else {
      // Late, because the machine slept, it is still asked before it is given up.
      this.probe(Math.max(this.#intervalMs * 2 - silenceMs, Math.min(PROBE_MS, this.#intervalMs)));
    }
    return undefined;
  }
}

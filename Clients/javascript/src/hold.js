import { Backoff } from './backoff.js';
import { environmentWith } from './environment.js';
import { ENDS } from './errors.js';
import { Timers } from './timers.js';

/** A view that is replaced by one of the same project must not leave and join again. */
const LINGER_MS = 1_000;
/** Who was refused may be a member by now, and nobody says so: asked again after this and a part of a back-off. */
const AGAIN_MS = 5_000;
const AGAIN_FIRST_MS = 10_000;
const AGAIN_MOST_MS = 300_000;

/** Who holds each project: a `Hold` by its id, by client. */
const holds = new WeakMap();

class Hold {
  #gateway;
  #id;
  #forget;
  #random;
  #timers;
  #backoff;
  #ends;
  /** Those who want to be told of errors. */
  #holders = new Set();
  #isOurs = false;
  #isAsking = false;
  #error;

  constructor(gateway, id, forget) {
    this.#gateway = gateway;
    this.#id = id;
    this.#forget = forget;
    const environment = environmentWith(gateway.environment);
    this.#random = environment.random;
    this.#timers = new Timers(environment);
    this.#ends = [
      gateway.on('state', (change) => this.#stateChanged(change)),
      gateway.on('project', ({ project_id, joined }) => project_id === id && joined && this.#tell(undefined)),
      gateway.on('error', (error) => error.project_id === id && ENDS.includes(error.code) && this.#refused(error)),
    ];
  }

  take(holder) {
    this.#isOurs ||= !this.#gateway.projects.includes(this.#id);
    this.#holders.add(holder);
    this.#timers.clear('leave');
    if (this.#error) holder.tell?.(this.#error);
    this.#ask();
  }

  letGo(holder) {
    if (!this.#holders.delete(holder) || this.#holders.size) return;
    this.#timers.set('leave', LINGER_MS, () => {
      for (const end of this.#ends) end();
      this.#timers.clearAll();
      this.#forget();
      if (this.#isOurs) this.#gateway.leave(this.#id).catch(() => {});
    });
  }

  #ask() {
    this.#timers.clear('ask');
    if (this.#isAsking) return;
    this.#isAsking = true;
    // Those who listen to errors have been told once.
    const silent = this.#error !== undefined;
    this.#gateway.join(this.#id, { timeoutMs: Infinity, silent }).then(
      () => {
        this.#isAsking = false;
      },
      (error) => {
        this.#isAsking = false;
        if (error.project_id) this.#refused(error);
        else if (!error.temporary && error.code !== 'left') this.#tell(error);
      });
  }

  #refused(error) {
    this.#backoff ??= new Backoff(this.#random, AGAIN_FIRST_MS, AGAIN_MOST_MS);
    this.#timers.set('ask', AGAIN_MS + this.#backoff.next(), () => this.#ask());
    this.#tell(error);
  }

  #stateChanged({ state, error }) {
    if (state === 'open' && this.#holders.size) this.#ask();
    if (state === 'closed') this.#timers.clear('ask');
    if (state === 'closed' && error) this.#tell(error);
    // It was the client's, which has begun anew.
    else if (!this.#error?.project_id) this.#tell(undefined);
  }

  #tell(error) {
    if (!error) this.#backoff = undefined;
    if (error === this.#error) return;
    this.#error = error;
    for (const { tell } of [...this.#holders]) tell?.(error);
  }
}

/**
 * Joins a project for as long as somebody holds it: for views that come and go, several of them with the
 * same project. Returns a function that lets go; the last one to do so leaves the project, a second later,
 * unless the application had asked for it before.
 *
 * Who is refused or removed is told, and joins again when that is possible: it is tried when there is a new
 * connection, and from time to time.
 *
 * @param {import('./index.d.ts').Gateway} gateway
 * @param {string} project
 * @param {(error: import('./index.d.ts').GatewayError | undefined) => void} [tell]
 */
export function holdProject(gateway, project, tell) {
  const id = project.toLowerCase();
  const held = holds.get(gateway) ?? new Map();
  holds.set(gateway, held);
  const hold = held.get(id) ?? new Hold(gateway, id, () => held.delete(id));
  held.set(id, hold);
  const holder = { tell };
  hold.take(holder);
  return () => hold.letGo(holder);
}

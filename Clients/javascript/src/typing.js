import { environmentWith } from './environment.js';
import { Shared } from './shared.js';
import { Timers } from './timers.js';

/** The gateway needs no more signs than one in this time. */
const SIGN_MS = 3_000;

/** Nobody types, or nobody is known to. */
export const SILENCE = Object.freeze({ user_ids: Object.freeze([]), more: false });

/** Who types in a topic of a project, and that we do. */
class Typists {
  snapshot = SILENCE;
  #gateway;
  #what;
  #holders;
  #changed;
  #environment;
  #timers;
  #ends;
  #signedAt = -Infinity;

  constructor(gateway, what, holders, changed) {
    this.#gateway = gateway;
    this.#what = what;
    this.#holders = holders;
    this.#changed = changed;
    this.#environment = environmentWith(gateway.environment);
    this.#timers = new Timers(this.#environment);
    const { id, topic } = what;
    this.#ends = [
      gateway.on('message', (message) =>
        message.type === 'typing' && message.project_id === id && message.topic === topic && this.#hear(message)),
      gateway.on('project', ({ project_id, joined }) => {
        if (project_id !== id || joined) return;
        this.#signedAt = -Infinity;
        this.#show(SILENCE);
      }),
    ];
  }

  held() {
    if (!this.#holders.size) this.stop();
  }

  end() {
    for (const end of this.#ends) end();
    this.#timers.clearAll();
  }

  type() {
    const now = this.#environment.now();
    if (!this.#holders.size || now - this.#signedAt < SIGN_MS || !this.#gateway.isJoined(this.#what.id)) return;
    this.#signedAt = now;
    this.#gateway.typing(this.#what.id, this.#what.topic);
  }

  stop() {
    if (this.#signedAt === -Infinity) return;
    this.#signedAt = -Infinity;
    this.#gateway.typing(this.#what.id, this.#what.topic, true);
  }

  #hear({ user_ids, more = false, ttl_ms }) {
    this.#show(user_ids.length ? { user_ids, more } : SILENCE);
    // The gateway says the end; should that be lost, it is over all the same.
    if (user_ids.length) this.#timers.set('end', ttl_ms, () => this.#show(SILENCE));
  }

  #show(snapshot) {
    this.#timers.clear('end');
    if (snapshot === this.snapshot) return;
    this.snapshot = Object.freeze(snapshot);
    this.#changed();
  }
}

const topics = new Shared((...parts) => new Typists(...parts));

const nameOf = (project, topic) => `${project.toLowerCase()} ${topic}`;

/** What there is of a topic that somebody holds. */
export const typistsOf = (gateway, project, topic) =>
  (project && topic ? topics.find(gateway, nameOf(project, topic)) : undefined);

/**
 * Hears of who types in a topic for as long as somebody holds it. Returns a function that lets go.
 *
 * @param {import('./index.d.ts').Gateway} gateway
 * @param {string} project
 * @param {string} topic
 * @param {() => void} [changed]
 */
export function holdTyping(gateway, project, topic, changed) {
  return topics.hold(gateway, nameOf(project, topic), { id: project.toLowerCase(), topic }, { changed });
}

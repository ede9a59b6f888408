import { holdProject } from './hold.js';
import { Shared } from './shared.js';

/** What is known before the gateway has told anything. */
export const NOBODY = Object.freeze({
  users: Object.freeze([]), count: 0, truncated: false, partial: false, isCurrent: false });

/** What all together ask for: the most that one of them wants to know, the most active state, and no name if one wants none. */
function together(holders) {
  const wishes = [...holders].map(({ wish }) => wish);
  const first = (key, ...values) => values.find((value) => wishes.some((wish) => wish[key] === value));
  return {
    mode: first('mode', 'users', 'count', 'off'),
    state: first('state', 'active', 'away'),
    invisible: first('invisible', true),
  };
}

/** Who is present in a project, for as long as somebody wants to know. */
class PresentUsers {
  snapshot = NOBODY;
  #gateway;
  #id;
  #holders;
  #changed;
  #release;
  #ends;
  #isDue = false;
  /** What the client goes on asking for; undefined when it doesn't know the project. */
  #asked;
  /** The number of the last message that everything before is known of. */
  #seq;

  constructor(gateway, id, holders, changed) {
    this.#gateway = gateway;
    this.#id = id;
    this.#holders = holders;
    this.#changed = changed;
    this.#release = holdProject(gateway, id);
    this.#ends = [
      gateway.on('message', (message) => message.project_id === id && this.#hear(message)),
      gateway.on('project', ({ project_id, joined }) => project_id === id && this.#joined(joined)),
    ];
  }

  /** Not at once: who comes with others and wants to be invisible must not be seen before. */
  held() {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      if (this.#holders.size) this.#ask(together(this.#holders));
    });
  }

  end() {
    for (const end of this.#ends) end();
    if (this.#asked) this.#gateway.presence(this.#id, { mode: 'off' });
    this.#release();
  }

  #ask(wish) {
    if (JSON.stringify(wish) === JSON.stringify(this.#asked)) return;
    this.#asked = this.#gateway.projects.includes(this.#id) ? wish : undefined;
    this.#gateway.presence(this.#id, wish);
  }

  #joined(isJoined) {
    this.#seq = undefined;
    const isKept = this.#gateway.projects.includes(this.#id);
    if (!isKept) this.#asked = undefined;
    if (isJoined) this.held();
    // Lost, it shows who was there until it is heard again; removed, nobody.
    else this.#show(isKept ? { ...this.snapshot, isCurrent: false } : NOBODY);
  }

  #hear({ type, seq, ...told }) {
    if (type === 'presence_state') {
      this.#seq = seq;
      const { users, count, truncated, partial } = told;
      this.#show({ users, count, truncated, partial, isCurrent: true });
    } else if (type === 'presence_diff' && this.#seq !== undefined) {
      if (seq === this.#seq + 1) {
        this.#seq = seq;
        this.#show({ ...this.snapshot, ...changedBy(this.snapshot.users, told) });
      } else {
        // Something is missing: the whole is told anew.
        this.#seq = undefined;
        this.#gateway.presence(this.#id, this.#asked);
      }
    }
  }

  #show(snapshot) {
    this.snapshot = Object.freeze(snapshot);
    this.#changed();
  }
}

function changedBy(users, { count, joined, left, changed }) {
  const all = new Map(users.map((user) => [user.user_id, user]));
  for (const id of left) all.delete(id);
  for (const user of [...joined, ...changed]) all.set(user.user_id, user);
  return { count, users: [...all.values()] };
}

const rooms = new Shared((...parts) => new PresentUsers(...parts));

/** What is known at present of who is there. */
export function presenceOf(gateway, project) {
  return (project && rooms.find(gateway, project.toLowerCase())?.snapshot) || NOBODY;
}

/**
 * Joins a project and takes part in who is present there for as long as somebody holds it. Several who do are one: see
 * `together`. Returns a function that lets go.
 *
 * @param {import('./index.d.ts').Gateway} gateway
 * @param {string} project
 * @param {import('./index.d.ts').PresenceWish} [wish]
 * @param {(presence: import('./react-people.d.ts').Presence) => void} [tell]
 */
export function holdPresence(gateway, project, wish = {}, tell) {
  const id = project.toLowerCase();
  const changed = () => tell?.(presenceOf(gateway, id));
  return rooms.hold(gateway, id, id, { wish: { mode: 'users', ...wish }, changed });
}

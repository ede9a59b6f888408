import { Refs } from './refs.js';

/** A project that the application wants to hear of. */
class Project {
  /** Whether the gateway has confirmed it, in this connection. */
  isJoined = false;
  /** How far its events have been heard; given as `since` when joining again. */
  cursor = undefined;
  /** The last cursor that came before the gateway confirmed. What comes before that is in no order, so it
   * counts only when all of it has come. */
  replayed = undefined;

  /** Who asked for it wants to be told of a refusal by the promise alone. */
  isSilent = false;
  /** Between joins that are refused for now; none before the first. */
  backoff = undefined;

  constructor(timers) {
    /** Those who wait for the confirmation. */
    this.waiting = new Refs(timers);
  }

  /** Takes note of a cursor, if the message has one. */
  heard({ action, reason, cursor }) {
    // It was of no use, and would be of none again.
    if (action === 'RESYNC' && reason?.startsWith('cursor')) this.cursor = undefined;
    if (!cursor) return;
    if (this.isJoined) this.cursor = cursor;
    else this.replayed = cursor;
  }

  joined(cursor) {
    this.isJoined = true;
    this.cursor = cursor ?? this.replayed ?? this.cursor;
    this.replayed = undefined;
    this.backoff = undefined;
    this.waiting.settleAll('resolve');
  }
}

/** The projects of a client, which outlive its connections. */
export class Projects extends Map {
  #timers;

  constructor(timers) {
    super();
    this.#timers = timers;
  }

  /** The project of this id, a new one if there is none. */
  add(id) {
    const project = this.get(id) ?? new Project(this.#timers);
    this.set(id, project);
    return project;
  }

  /** The connection is gone. */
  disconnected() {
    for (const project of this.values()) {
      project.isJoined = false;
      project.replayed = undefined;
    }
  }
}

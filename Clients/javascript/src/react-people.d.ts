import type { DirectMessage, DirectMessages } from './direct.js';
import type { Gateway, GatewayError, PresenceWish } from './index.js';
import type { ReactLike } from './react.js';

export interface PresentUser {
  user_id: string;
  state: 'active' | 'away';
}

export interface Presence {
  /** Empty when there are too many to be named (`truncated`), and with `mode: 'count'`. */
  readonly users: readonly PresentUser[];
  readonly count: number;
  readonly truncated: boolean;
  /** Other processes of the gateway have clients, of whom it doesn't tell. */
  readonly partial: boolean;
  /** Whether the gateway tells of changes. While there is no connection, those who were there last are shown. */
  readonly isCurrent: boolean;
}

/**
 * Joins a project and takes part in who is present there while the component is mounted. No project: in none. Of several
 * wishes in a page the one for most counts, an active one before one that is away, and invisible before all.
 */
export type UsePresence = (
  gateway: Gateway, project: string | null | undefined, wish?: PresenceWish,
) => Presence;

export function createUsePresence(React: ReactLike): UsePresence;

/** The same without React: returns a function that lets go. `tell` hears of each change. */
export function holdPresence(
  gateway: Gateway, project: string, wish?: PresenceWish, tell?: (presence: Presence) => void,
): () => void;

/**
 * Who types in a topic of a project, and two functions: call `type` at each key and `stop` when it is sent or emptied, which
 * the end of the component does too. They stay the same. Only pages that take part in presence with `mode: 'users'` are told of others.
 */
export type UseTyping = (
  gateway: Gateway, project: string | null | undefined, topic: string | null | undefined,
) => {
  user_ids: readonly string[];
  /** More type than are named. */
  more: boolean;
  type: () => void;
  stop: () => void;
};

export function createUseTyping(React: ReactLike): UseTyping;

export interface Inbox {
  get(): { readonly messages: readonly DirectMessage[]; readonly error: GatewayError | undefined };
  /** Returns a function that ends it. */
  subscribe(changed: () => void): () => void;
  /** Shown no more. */
  remove(id: string): void;
  close(): void;
}

/**
 * Keeps the last `max` (200) direct messages for whoever shows them. Make it together with `directMessages`: each message is
 * told once.
 */
export function collectInbox(direct: DirectMessages, options?: { max?: number }): Inbox;

/** The messages of an inbox, in the order in which they came, and why there are none, if so. */
export type UseInbox = (inbox: Inbox) => ReturnType<Inbox['get']>;

export function createUseInbox(React: ReactLike): UseInbox;

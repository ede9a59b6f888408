/** What the gateway says of one row; `data.id` is `*` when any row may have changed. */
export interface InvalidateEvent {
  type: 'cache_invalidate';
  /** `projects`, `sprints`, `tasks`, `project_members`; `*` for all of them, in a resync of the client's own. */
  resource: string;
  action: 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE' | 'RESYNC' | (string & {});
  project_id: string;
  data: { id: string; timestamp: string };
  cursor?: string;
  /** The connection that asked for the change. */
  origin?: string;
  /** Wait a random part of it before fetching again. */
  spread_ms?: number;
  /** Why there is a resync. */
  reason?: string;
}

export type State = 'waiting' | 'connecting' | 'open' | 'paused' | 'closed';

export interface StateChange {
  state: State;
  /** `waiting`: when the next attempt is due. */
  retryInMs?: number;
  /** `paused`: why. `no_websocket`: there is none here, as on a server that makes pages. */
  reason?: 'offline' | 'hidden' | 'disconnected' | 'no_websocket';
  /** With which the last connection ended. */
  closeCode?: number;
  /** `closed`: why, and that `connect()` may begin anew; nothing after `close()`, which is final. */
  error?: GatewayError;
}

/**
 * `code` is the gateway's own (`membership_revoked`, `bad_token`, …) or one of `closed`, `disconnected`,
 * `timeout`, `connect_timeout`, `dead_socket`, `token_unavailable`, `token_refused`, `no_token`, `bad_url`,
 * `bad_message`, `no_websocket`, `stopped`, `left`; of a direct message also `too_large`, `id_in_use`.
 */
export class GatewayError extends Error {
  readonly code: string;
  /** Trying again may help; where the client can do that itself, it does. */
  readonly temporary: boolean;
  readonly project_id?: string;
  /** `stopped` and `token_refused`: the close code that said so. */
  readonly closeCode?: number;
  readonly cause?: unknown;
}

export interface Counters {
  attempts: number;
  connections: number;
  messages: number;
  events: number;
  resyncs: number;
  errors: number;
  deadSockets: number;
}

export interface PresenceWish {
  /** What the client is told: who is present, or how many are. */
  mode?: 'users' | 'count' | 'off';
  state?: 'active' | 'away';
  /** Others are told nothing of the user. */
  invisible?: boolean;
}

export interface Listeners {
  /** A change, or a resync: something may have been missed. */
  event: (event: InvalidateEvent) => void;
  state: (change: StateChange) => void;
  error: (error: GatewayError) => void;
  /** A project was confirmed, or is no longer heard. */
  project: (change: { project_id: string; joined: boolean }) => void;
  /** Any other message of the gateway. */
  message: (message: { type: string; [key: string]: unknown }) => void;
}

/** A WebSocket constructor: the browser's, Node's, or that of the package `ws`. */
export type WebSocketConstructor = new (url: string) => {
  readonly readyState: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: any) => void): void;
  removeEventListener(type: string, listener: (event: any) => void): void;
};

/** What the client touches of the world. Each defaults to the global of that name. */
export interface Environment {
  WebSocket: WebSocketConstructor;
  /** Milliseconds since 1970. */
  now(): number;
  random(): number;
  setTimeout(action: () => void, milliseconds: number): unknown;
  clearTimeout(timer: any): void;
  window?: any;
  document?: any;
  navigator?: any;
}

export interface ConnectOptions {
  /** `wss://host/api/v1/messages/ws`. No token goes into it. */
  url: string;
  /**
   * Called for each connection and each renewal, and again with back-off when it fails, when it gives something
   * that isn't a JWT, and when the gateway refuses the token; three different ones that are refused in a row
   * close the client. Nothing (`null`, `''`) says that nobody is signed in, and closes it too. The token of
   * another user ends the connection of the former one.
   */
  getToken: () => string | null | undefined | Promise<string | null | undefined>;
  /** Ids of the projects to hear of from the start. */
  projects?: string[];
  /** `false`: not before `connect()`. For pages that are made where a WebSocket is, and nobody to hear it. */
  autoConnect?: boolean;
  /** Where there is no global one. */
  WebSocket?: WebSocketConstructor;
  /** For an attempt, `getToken` included. Default 15,000. */
  connectTimeoutMs?: number;
  /** For an answer. Default 10,000. */
  requestTimeoutMs?: number;
  /** After which a connection counts as stable, and the back-off begins anew. Default 10,000. */
  stableMs?: number;
  /** After which a hidden page disconnects. Default 300,000; `Infinity` never. */
  hiddenPauseMs?: number;
  /** For tests. */
  environment?: Partial<Environment>;
}

export interface Gateway {
  readonly state: State;
  /** Give it to the API that makes changes, which does `SET LOCAL devhive.origin`. */
  readonly connectionId: string | undefined;
  /** Whose token the gateway accepted last. */
  readonly userId: string | undefined;
  readonly projects: string[];
  readonly counters: Readonly<Counters>;
  isJoined(project: string): boolean;
  isOwn(event: InvalidateEvent): boolean;
  /** Listens; returns a function that ends it. */
  on<Name extends keyof Listeners>(name: Name, listener: Listeners[Name]): () => void;
  /**
   * Hears of the project from now on, in every connection. Resolved when the gateway has confirmed it;
   * rejected when it refuses, and with `timeout` when that takes too long, after which it is still tried.
   * `silent`: a refusal is told by the promise, and not to those who listen to errors.
   */
  join(project: string, options?: { timeoutMs?: number; silent?: boolean }): Promise<void>;
  leave(project: string): Promise<void>;
  /**
   * Takes part in who is present in a project that was joined, on this connection and on each later one; `presence_state`
   * and `presence_diff` come as messages. `{ mode: 'off' }` ends it. Left out: `users`, `active`, visible.
   */
  presence(project: string, wish: PresenceWish): void;
  /** Says that the user types there, at best every 3 seconds while it is so; with `stop`, that it is over. */
  typing(project: string, topic: string, stop?: boolean): void;
  /** Sends a message, if there is a connection. */
  send(message: { type: string; [key: string]: unknown }): void;
  /** Sends a message with a `ref`; resolved with the answer. */
  request(
    message: { type: string; [key: string]: unknown }, options?: { timeoutMs?: number },
  ): Promise<{ type: 'ok' | 'pong'; ref: number; [key: string]: unknown }>;
  /** Connects again after `disconnect()`, and when the client was closed with an error. */
  connect(): void;
  /** No connection, timer or listener of the client's own is left until `connect()`. Projects and your listeners stay. */
  disconnect(): void;
  /** Final. Nothing is left: no timer, no listener. */
  close(): void;
}

export function connect(options: ConnectOptions): Gateway;

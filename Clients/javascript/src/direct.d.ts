import type { Gateway, GatewayError } from './index.js';

export interface DirectMessage {
  type: 'direct';
  id: string;
  from: string;
  to: string;
  data: Record<string, unknown>;
  timestamp: string;
}

export interface DirectListeners {
  /** A message for the user, or one that the user sent elsewhere: each once. Those for the user are acknowledged by themselves. */
  direct: (message: DirectMessage) => void;
  /** Another connection of the user has acknowledged them. */
  acked: (ids: string[]) => void;
  /** The recipient has got messages for which a receipt was wanted. */
  receipt: (receipt: { ids: string[]; by: string }) => void;
  /** The inbox can't be read, and won't be: `direct_off`. */
  error: (error: GatewayError) => void;
}

export interface DirectMessages {
  /**
   * Resolved with the message's id when it is committed; rejected when it is refused (`not_allowed`, `inbox_full`, `too_large`,
   * `bad_message`, `direct_off`). Until then it is kept, as long as the page is, and sent again under its id. `ttl` is in seconds.
   *
   * Rejected without being sent, with a `GatewayError`: `bad_message` when `data`, as JSON, is no object or has what the gateway doesn't
   * take (NUL, half of a surrogate pair, an integer beyond 64 bits), `too_large` when it has more than 4,096 bytes or some 1,000
   * values, and `id_in_use` when another message with this `id` is under way. The same one again is the same promise.
   */
  send(
    to: string, data: Record<string, unknown>, options?: { id?: string; receipt?: boolean; ttl?: number },
  ): Promise<string>;
  on<Name extends keyof DirectListeners>(name: Name, listener: DirectListeners[Name]): () => void;
  /** No timer and no listener is left. */
  close(): void;
}

/** Asks for the inbox on this connection and each later one. */
export function directMessages(gateway: Gateway, options?: { newId?: () => string }): DirectMessages;

import { GatewayError } from './errors.js';

/** Bytes of a message's data, and of a whole message, as the gateway takes them; with room for its `ref`. */
const DATA_BYTES_MAX = 4_096;
const MESSAGE_BYTES_MAX = 8_192 - 32;
/** Commas and opening brackets of a whole message: each costs the gateway time. One is that of its `ref`. */
const VALUES_MAX = 1_024 - 1;
/** Integers from here on are beyond 64 bits; from 1e21 on they are written as other numbers are. */
const INTEGER_END = 2 ** 63;
const EXPONENT_START = 1e21;
/** NUL, and halves of surrogate pairs. */
const NO_TEXT = /[\0\p{Surrogate}]/u;

const bytesOf = (text) => new TextEncoder().encode(text).length;

/**
 * Why the gateway wouldn't take a direct message, by its text as JSON: it would be refused, or end the connection.
 *
 * @param {string} text of `JSON.stringify`, which makes well-formed JSON
 * @returns {GatewayError | undefined}
 */
export function textFault(text) {
  const tooLarge = (what) => new GatewayError('too_large', what);
  // First, since it bounds what follows.
  if (bytesOf(text) > MESSAGE_BYTES_MAX) return tooLarge('the message has too many bytes');
  if (text.match(/[,[{]/g).length > VALUES_MAX) return tooLarge('data has too many values');

  let fault;
  const { to, data } = JSON.parse(text, (key, value) => {
    if (NO_TEXT.test(key) || typeof value === 'string' && NO_TEXT.test(value)) {
      fault = 'a text has a NUL character or half of a surrogate pair';
    } else if (Number.isInteger(value) && Math.abs(value) >= INTEGER_END && Math.abs(value) < EXPONENT_START) {
      fault = 'a number is beyond 64 bits';
    }
    return value;
  });
  if (typeof data !== 'object' || !data || Array.isArray(data)) fault = 'data must be an object';
  if (typeof to !== 'string') fault = 'to must be a string';
  if (fault) return new GatewayError('bad_message', fault);
  return bytesOf(JSON.stringify(data)) > DATA_BYTES_MAX
    ? tooLarge(`data must have at most ${DATA_BYTES_MAX} bytes`) : undefined;
}

/**
 * The browser's side of DevHive Gateway. See README.md.
 *
 * @module
 */
import { Gateway } from './gateway.js';

export { GatewayError } from './errors.js';

/**
 * Connects, and stays connected until `disconnect()` or `close()`. Does nothing where there is no WebSocket.
 *
 * @param {import('./index.d.ts').ConnectOptions} options
 * @returns {import('./index.d.ts').Gateway}
 */
export function connect(options) {
  return new Gateway(options);
}

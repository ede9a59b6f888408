import { listen } from './environment.js';
import { GatewayError } from './errors.js';

/**
 * One WebSocket, from its opening to its end, which is told once. After `abandon` nothing of it is heard
 * any more, however long the browser takes to give it up.
 */
export class Connection {
  #socket;
  #ends = [];

  /**
   * @param {object} environment
   * @param {string} url
   * @param {{ open: () => void, message: (message: object) => void, close: (event: object) => void,
   *   error: (error: GatewayError) => void }} on
   */
  constructor({ WebSocket }, url, on) {
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#ends = [
      listen(socket, 'open', () => on.open()),
      listen(socket, 'message', ({ data }) => {
        let message;
        try {
          message = JSON.parse(data);
        } catch (cause) {
          on.error(new GatewayError('bad_message', 'not JSON', { cause }));
          return;
        }
        on.message(message);
      }),
      listen(socket, 'close', ({ code, reason }) => {
        this.#forget();
        on.close({ code, reason });
      }),
    ];
    // A `close` follows and says what there is to say; Node's `ws` wants a listener all the same.
    listen(socket, 'error', () => {});
  }

  send(message) {
    // Between its end and the news of it a socket throws, or drops what it is given.
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  abandon(reason = '') {
    this.#forget();
    this.#socket.close(1000, reason);
  }

  #forget() {
    for (const end of this.#ends) end();
    this.#ends = [];
  }
}

import { listen } from './environment.js';
import { GatewayError } from './errors.js';

/**
 * Opens a WebSocket. Its end is told once; after `abandon` nothing of it is heard any more, however long
 * the browser takes to give it up.
 *
 * @param {object} environment
 * @param {string} url
 * @param {{ open: () => void, message: (message: object) => void, close: (event: object) => void,
 *   error: (error: GatewayError) => void }} on
 */
export function openConnection({ WebSocket }, url, on) {
  const socket = new WebSocket(url);
  const ends = [
    listen(socket, 'open', on.open),
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
    listen(socket, 'close', (event) => {
      forget();
      on.close(event);
    }),
  ];
  // A `close` follows and says what there is to say; Node's `ws` wants a listener all the same.
  listen(socket, 'error', () => {});
  const forget = () => ends.forEach((end) => end());

  return {
    send(message) {
      // Between its end and the news of it a socket throws, or drops what it is given.
      if (socket.readyState === 1) socket.send(JSON.stringify(message));
    },
    abandon(reason) {
      forget();
      socket.close(1000, reason);
    },
  };
}

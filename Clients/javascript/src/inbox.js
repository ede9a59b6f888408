/** Messages that are kept for the page to show; the oldest make room. */
const MESSAGES_MAX = 200;

/**
 * Keeps direct messages for views that come and go. Made together with `directMessages`, since each message is told once, and
 * acknowledged by itself.
 *
 * @param {import('./direct.d.ts').DirectMessages} direct
 */
export function collectInbox(direct, { max = MESSAGES_MAX } = {}) {
  const listeners = new Set();
  let snapshot = Object.freeze({ messages: Object.freeze([]), error: undefined });

  const show = (changes) => {
    snapshot = Object.freeze({ ...snapshot, ...changes });
    for (const listener of [...listeners]) listener();
  };
  const ends = [
    direct.on('direct', (message) => show({ messages: Object.freeze([...snapshot.messages, message].slice(-max)) })),
    direct.on('error', (error) => show({ error })),
  ];

  return {
    get: () => snapshot,
    subscribe(changed) {
      // Each an object of its own, so that a function that is given twice is called twice.
      const listener = () => changed();
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    remove(id) {
      show({ messages: Object.freeze(snapshot.messages.filter((message) => message.id !== id)) });
    },
    close() {
      for (const end of ends) end();
      listeners.clear();
    },
  };
}

/**
 * Everything of the world that the client touches. Tests give their own; an application that runs where
 * there is no global `WebSocket` gives that.
 *
 * @param {object} [given] replaces what it names
 */
export function environmentWith(given) {
  const { WebSocket, document, navigator } = globalThis;
  return {
    WebSocket,
    document,
    navigator,
    window: globalThis,
    now: Date.now,
    random: Math.random,
    // As methods of another object they would be refused.
    setTimeout: (...parameters) => setTimeout(...parameters),
    clearTimeout: (timer) => clearTimeout(timer),
    ...given,
  };
}

/** Listens, where there is something to listen to. Returns a function that ends it. */
export function listen(target, type, listener) {
  target?.addEventListener?.(type, listener);
  return () => target?.removeEventListener?.(type, listener);
}

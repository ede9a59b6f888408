/**
 * Everything of the world that the client touches. Tests give their own; an application that runs where
 * there is no global `WebSocket` gives that.
 *
 * @param {object} [given] replaces what it names
 */
export function environmentWith(given) {
  const scope = globalThis;
  return {
    WebSocket: scope.WebSocket,
    now: Date.now,
    random: Math.random,
    setTimeout: (action, milliseconds) => scope.setTimeout(action, milliseconds),
    clearTimeout: (timer) => scope.clearTimeout(timer),
    window: scope,
    document: scope.document,
    navigator: scope.navigator,
    ...given,
  };
}

/** Listens, where there is something to listen to. Returns a function that ends it. */
export function listen(target, type, listener) {
  target?.addEventListener?.(type, listener);
  return () => target?.removeEventListener?.(type, listener);
}

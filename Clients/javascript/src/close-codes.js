/** Nobody is sent away for longer than this by one message. */
const LONGEST_MS = 300_000;
/** For a limit that doesn't say when to come back. */
const LIMIT_MS = 30_000;
/** Goodbye, and faults of the client. */
const FINAL = [1000, 1002, 1003, 1007, 1008, 1009, 1010];
/** The token isn't valid. The next one may be: keys change, and a proxy may give its own page in its place. */
const BAD_TOKEN = 4001;
/** No `init` in time. We always send one, so the page was frozen, or the network slow. */
const LATE = 4002;

/**
 * What a close code asks for (docs/protocol.md, "Closing"). Its range decides, so that codes of later
 * versions are obeyed too; only 4001 and 4002 are taken for themselves.
 *
 * - `stop`: trying again would fail in the same way;
 * - `token`: the token was refused; another one may not be;
 * - `jitter`: reconnect after a random time that grows with each failure;
 * - `window`: reconnect at a random time within `ms`, or within the window that `ready` told;
 * - `wait`: reconnect after `ms`, not before.
 *
 * @param {number} code
 * @param {string} [reason] JSON, where the code has a number to tell
 * @returns {{ action: 'stop' | 'token' | 'jitter' | 'window' | 'wait', ms?: number }}
 */
export function afterClose(code, reason) {
  if (code === 1012) return { action: 'window', ms: milliseconds(reason, 'window_ms') };
  if (code >= 4300 && code < 4400) {
    return { action: 'wait', ms: milliseconds(reason, 'retry_after_ms') ?? LIMIT_MS };
  }
  if (code === BAD_TOKEN) return { action: 'token' };
  // 1005 and 1006 stand for "no close frame came": the network, or a handshake that failed.
  const isFinal = FINAL.includes(code) || (code >= 4000 && code < 4100 && code !== LATE);
  return { action: isFinal ? 'stop' : 'jitter' };
}

function milliseconds(reason, key) {
  try {
    const value = JSON.parse(reason)[key];
    if (value >= 0) return Math.min(value, LONGEST_MS);
  } catch {
    // A proxy's own words, or none: the caller has a default.
  }
  return undefined;
}

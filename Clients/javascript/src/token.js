/** What a JWT looks like. A proxy's error page doesn't. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Whether it may be a token at all: else it isn't worth a connection.
 *
 * @param {string} token
 */
export function isToken(token) {
  return JWT.test(token);
}

/**
 * Whose token it is, by its own words; undefined when it says nothing that can be read. The gateway checks it.
 *
 * @param {string} token
 * @returns {string | undefined}
 */
export function userOf(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    return JSON.parse(atob(payload)).sub.toLowerCase();
  } catch {
    return undefined;
  }
}

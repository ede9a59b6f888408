/** Codes of errors that come by themselves and say that a subscription has ended. */
export const ENDS = ['membership_revoked', 'project_deleted'];

/** What went wrong, with a `code` to decide by. Codes of the gateway's own errors are passed on. */
export class GatewayError extends Error {
  /**
   * @param {string} code
   * @param {string} message for people
   * @param {object} [details] `temporary`, `project_id`, `closeCode`, `cause`
   */
  constructor(code, message, details) {
    super(message);
    this.name = 'GatewayError';
    this.code = code;
    this.temporary = false;
    Object.assign(this, details);
  }
}

/** One that may not come again. */
export function passing(code, message, details) {
  return new GatewayError(code, message, { temporary: true, ...details });
}

/** An `error` of the gateway. */
export function errorOf({ code, message, temporary, project_id }) {
  return new GatewayError(code, message, { temporary: temporary === true, project_id });
}

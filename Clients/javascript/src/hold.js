/** A view that is replaced by one of the same project must not leave and join again. */
const LINGER_MS = 1_000;

/** Who holds each project: `{ count, isOurs, timer }` by client. */
const holds = new WeakMap();

/**
 * Joins a project for as long as somebody holds it: for views that come and go, several of them with the
 * same project. Returns a function that lets go; the last one to do so leaves the project, a second later,
 * unless the application had asked for it before.
 *
 * @param {import('./index.d.ts').Gateway} gateway
 * @param {string} project
 */
export function holdProject(gateway, project) {
  const id = project.toLowerCase();
  const held = holds.get(gateway) ?? new Map();
  holds.set(gateway, held);
  const hold = held.get(id) ?? { count: 0, isOurs: false };
  held.set(id, hold);
  hold.count++;
  hold.isOurs ||= !gateway.projects.includes(id);
  clearTimeout(hold.timer);
  // Why it was refused is told to those who listen to errors.
  gateway.join(id).catch(() => {});

  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    if (--hold.count) return;
    hold.timer = setTimeout(() => {
      held.delete(id);
      if (hold.isOurs) gateway.leave(id).catch(() => {});
    }, LINGER_MS);
  };
}

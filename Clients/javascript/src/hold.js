/** A view that is replaced by one of the same project must not leave and join again. */
const LINGER_MS = 1_000;

/** How many hold each project, by client. */
const holds = new WeakMap();

/**
 * Joins a project for as long as somebody holds it: for views that come and go, several of them with the
 * same project. Returns a function that lets go; the last one to do so leaves the project, a second later.
 *
 * @param {import('./index.d.ts').Gateway} gateway
 * @param {string} project
 */
export function holdProject(gateway, project) {
  const id = project.toLowerCase();
  const counts = holds.get(gateway) ?? new Map();
  holds.set(gateway, counts);
  counts.set(id, (counts.get(id) ?? 0) + 1);
  // Why it was refused is told to those who listen to errors.
  gateway.join(id).catch(() => {});

  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    counts.set(id, counts.get(id) - 1);
    setTimeout(() => {
      if (counts.get(id) !== 0) return;
      counts.delete(id);
      gateway.leave(id).catch(() => {});
    }, LINGER_MS);
  };
}

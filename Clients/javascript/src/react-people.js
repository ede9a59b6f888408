import { collectInbox } from './inbox.js';
import { NOBODY, holdPresence, presenceOf } from './presence.js';
import { SILENCE, holdTyping, typistsOf } from './typing.js';

export { collectInbox, holdPresence };

const nothing = () => {};

/**
 * Makes the hook `usePresence` out of the application's own React (18 or newer).
 *
 * @param {import('./react.d.ts').ReactLike} React
 * @returns {import('./react-people.d.ts').UsePresence}
 */
export function createUsePresence({ useCallback, useSyncExternalStore }) {
  return function usePresence(gateway, project, { mode = 'users', state, invisible } = {}) {
    const subscribe = useCallback(
      (changed) => (project ? holdPresence(gateway, project, { mode, state, invisible }, changed) : nothing),
      [gateway, project, mode, state, invisible]);
    return useSyncExternalStore(subscribe, () => presenceOf(gateway, project), () => NOBODY);
  };
}

/**
 * Makes the hook `useTyping`.
 *
 * @param {import('./react.d.ts').ReactLike} React
 * @returns {import('./react-people.d.ts').UseTyping}
 */
export function createUseTyping({ useCallback, useSyncExternalStore }) {
  return function useTyping(gateway, project, topic) {
    const subscribe = useCallback(
      (changed) => (project && topic ? holdTyping(gateway, project, topic, changed) : nothing),
      [gateway, project, topic]);
    const { user_ids, more } = useSyncExternalStore(
      subscribe, () => typistsOf(gateway, project, topic)?.snapshot ?? SILENCE, () => SILENCE);
    const type = useCallback(() => typistsOf(gateway, project, topic)?.type(), [gateway, project, topic]);
    const stop = useCallback(() => typistsOf(gateway, project, topic)?.stop(), [gateway, project, topic]);
    return { user_ids, more, type, stop };
  };
}

/**
 * Makes the hook `useInbox`.
 *
 * @param {import('./react.d.ts').ReactLike} React
 * @returns {import('./react-people.d.ts').UseInbox}
 */
export function createUseInbox({ useSyncExternalStore }) {
  return function useInbox(inbox) {
    return useSyncExternalStore(inbox.subscribe, inbox.get, inbox.get);
  };
}

import { holdProject } from './hold.js';

export { holdProject };

/**
 * Makes the hook `useProject` out of the application's own React (18 or newer), so that there is no second
 * copy of it.
 *
 * @param {import('./react.d.ts').ReactLike} React
 * @returns {import('./react.d.ts').UseProject}
 */
export function createUseProject({ useCallback, useEffect, useState, useSyncExternalStore }) {
  return function useProject(gateway, project) {
    // Of which project it is too: the next one isn't refused because this one was.
    const [refusal, setRefusal] = useState();
    useEffect(() => {
      if (!project) return undefined;
      return holdProject(gateway, project, (error) => setRefusal({ gateway, project, error }));
    }, [gateway, project]);
    const subscribe = useCallback((changed) => {
      const ends = [gateway.on('project', changed), gateway.on('state', changed)];
      return () => ends.forEach((end) => end());
    }, [gateway]);
    const state = useSyncExternalStore(subscribe, () => gateway.state, () => 'waiting');
    const isJoined = useSyncExternalStore(
      subscribe, () => !!project && gateway.isJoined(project), () => false);
    const isRefusal = refusal?.gateway === gateway && refusal.project === project;
    return { state, isJoined, error: isRefusal ? refusal.error : undefined };
  };
}

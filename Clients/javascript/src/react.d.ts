import type { Gateway, State } from './index.js';

/** What is used of React, 18 or newer. */
export interface ReactLike {
  useCallback<Callback extends Function>(callback: Callback, dependencies: readonly unknown[]): Callback;
  useEffect(effect: () => void | (() => void), dependencies?: readonly unknown[]): void;
  useSyncExternalStore<Value>(
    subscribe: (changed: () => void) => () => void, get: () => Value, getOnServer?: () => Value,
  ): Value;
}

/** Hears of a project while the component is mounted. No project: of none. One that was joined before stays. */
export type UseProject = (
  gateway: Gateway, project: string | null | undefined,
) => { state: State; isJoined: boolean };

export function createUseProject(React: ReactLike): UseProject;

/** The same without React: returns a function that lets go. */
export function holdProject(gateway: Gateway, project: string): () => void;

import type { Gateway, GatewayError, State } from './index.js';

/** What is used of React, 18 or newer. */
export interface ReactLike {
  useCallback<Callback extends Function>(callback: Callback, dependencies: readonly unknown[]): Callback;
  useEffect(effect: () => void | (() => void), dependencies?: readonly unknown[]): void;
  useState<Value>(): [Value | undefined, (value: Value | undefined) => void];
  useSyncExternalStore<Value>(
    subscribe: (changed: () => void) => () => void, get: () => Value, getOnServer?: () => Value,
  ): Value;
}

/**
 * Hears of a project while the component is mounted. No project: of none. One that was joined before stays.
 * `error` says why it is refused, or that the client was closed. While it is mounted it is joined again when that
 * is possible, and `error` is gone.
 */
export type UseProject = (
  gateway: Gateway, project: string | null | undefined,
) => { state: State; isJoined: boolean; error: GatewayError | undefined };

export function createUseProject(React: ReactLike): UseProject;

/**
 * The same without React: returns a function that lets go. `tell` hears of an error, and with `undefined` that it is
 * over.
 */
export function holdProject(
  gateway: Gateway, project: string, tell?: (error: GatewayError | undefined) => void,
): () => void;

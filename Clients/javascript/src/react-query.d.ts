import type { Environment, Gateway, InvalidateEvent } from './index.js';

export interface QueryLike {
  readonly queryKey: readonly unknown[];
}

/** Filters of TanStack Query, as far as they are used here. */
export interface Filters {
  queryKey?: readonly unknown[];
  exact?: boolean;
  predicate?: (query: any) => boolean;
}

/** A query key, which stands for all that begin with it, or filters. */
export type Target = readonly unknown[] | Filters;

/** What is used of TanStack Query's QueryClient, v5. */
export interface QueryClientLike {
  getQueryCache(): {
    findAll(filters?: any): QueryLike[];
    subscribe(listener: (event: any) => void): () => void;
  };
  invalidateQueries(filters?: any, options?: any): Promise<void>;
  refetchQueries(filters?: any, options?: any): Promise<void>;
}

export interface BindingOptions {
  /** Which queries an event concerns. Default: `defaultTargets`. */
  targets?: (event: InvalidateEvent, gateway: Gateway) => readonly Target[];
  /** What a resync of all resources stands for. Default: the gateway's four tables. */
  resources?: readonly string[];
  /** Whether somebody looks at the page, so that nothing waits for `spread_ms`. Default: `document.hasFocus()`. */
  isFocused?: () => boolean;
  /** For tests. */
  environment?: Partial<Environment>;
}

export function defaultTargets(event: InvalidateEvent, gateway: Gateway): Target[];

/** Keeps the client's queries fresh until the function that it returns is called, or the gateway is closed. */
export function bindQueryClient(
  gateway: Gateway, queryClient: QueryClientLike, options?: BindingOptions,
): () => void;

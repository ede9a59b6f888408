import type { Environment, Gateway, InvalidateEvent } from './index.js';

export interface QueryLike {
  readonly queryKey: readonly unknown[];
  readonly state: { data: unknown; dataUpdatedAt: number; isInvalidated: boolean; fetchStatus: string };
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
  /**
   * Which queries an event concerns. Default: `defaultTargets`. `data.id` may be `*`, "any row": a key in which it
   * stands is cut before it, so that it stands for the keys of all rows; a predicate has to know it by itself.
   */
  targets?: (event: InvalidateEvent, gateway: Gateway) => readonly Target[];
  /** What a resync of all resources stands for. Default: the gateway's four tables. Name yours if you have more. */
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

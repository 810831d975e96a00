import type * as Duration from "effect/Duration"
import type { Accept } from "./Acceptance.ts"
import type { CachePolicy } from "./CachePolicy.ts"
import type { UnsupportedParams } from "../model/Chat.ts"
import type { StreamPolicy } from "./StreamPolicy.ts"
import type { RetryPolicy } from "./Retry.ts"
import type { TimeoutPolicy } from "./Timeout.ts"

/** What a route may say in place of its deployments' own policies. */
export interface Policies {
  readonly retry?: Partial<RetryPolicy> | undefined
  readonly timeout?: Partial<Omit<TimeoutPolicy, "connect">> | undefined
  /** `any`: goes on to the next after every error, the caller's own mistakes included. */
  readonly fallbackOn?: "any" | undefined
  /** `schema`: an answer that misses its JSON schema is a failed attempt. */
  readonly accept?: Accept | undefined
  readonly stream?: Partial<StreamPolicy> | undefined
  readonly unsupportedParams?: UnsupportedParams | undefined
  /** Heeded around a whole route alone: what is kept is the answer to a call. */
  readonly cache?: CachePolicy | undefined
  /** Heeded around a whole route alone: it is about the connection to the caller. */
  readonly sse?: SsePolicy | undefined
}

/**
 * `keepAlive` is how long a stream may send nothing. After that its headers and keep-alives go out while no deployment has
 * produced output, and again after each such silence: for load balancers that cut silent connections. The price: an error
 * that comes later is in the stream, not a status.
 */
export interface SsePolicy {
  readonly keepAlive: Duration.Input
}

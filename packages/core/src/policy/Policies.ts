/**
 * The policies that users set: those of a route, and the defaults of a router. Each kind of policy has a type here.
 */
import type * as Duration from "effect/Duration"
import type { UnsupportedParams } from "../model/Chat.ts"
import type { AcceptPolicy } from "./Acceptance.ts"
import type { CachePolicy } from "./CachePolicy.ts"
import type { CircuitPolicy } from "./CircuitPolicy.ts"
import type { CooldownPolicy } from "./Cooldown.ts"
import type { Fault } from "./Fault.ts"
import type { RetryPolicy } from "./Retry.ts"
import type { ShadowPolicy } from "./ShadowPolicy.ts"
import type { StreamPolicy } from "./StreamPolicy.ts"
import type { TimeoutPolicy } from "./Timeout.ts"

export type { Accept, AcceptPolicy, AcceptPredicate } from "./Acceptance.ts"
export { affinityBys } from "./AffinityPolicy.ts"
export type { AffinityBy, AffinityPolicy, ResolvedAffinityPolicy } from "./AffinityPolicy.ts"
export type { CachePolicy, ResolvedCachePolicy } from "./CachePolicy.ts"
export type { CircuitPolicy } from "./CircuitPolicy.ts"
export type { Fault } from "./Fault.ts"
export type { CooldownPolicy } from "./Cooldown.ts"
export { quantiles } from "./HedgePolicy.ts"
export type { After, Quantile } from "./HedgePolicy.ts"
export type { Limits } from "./Limits.ts"
export { priorities } from "../model/Priority.ts"
export type { Priority } from "../model/Priority.ts"
export type { DeploymentQueuePolicy, QueueFallback, QueuePolicy } from "./QueuePolicy.ts"
export type { ResolvedRetryPolicy, RetryPolicy } from "./Retry.ts"
export type { ShadowPolicy } from "./ShadowPolicy.ts"
export { protects } from "./StreamPolicy.ts"
export type { Protect, StreamPolicy } from "./StreamPolicy.ts"
export type { TimeoutPolicy } from "./Timeout.ts"

/** The policies of a route. They override those of its deployments, which override the router's defaults. */
export interface Policies {
  readonly retry?: Partial<RetryPolicy> | undefined
  readonly timeout?: Partial<Omit<TimeoutPolicy, "connect">> | undefined
  /** `any`: falls back to the next deployment after every error, `InvalidRequest` included. */
  readonly fallbackOn?: "any" | undefined
  /** What a response must be: one that misses it is a failed attempt. */
  readonly accept?: AcceptPolicy | undefined
  readonly stream?: Partial<StreamPolicy> | undefined
  readonly unsupportedParams?: UnsupportedParams | undefined
  /** Only on a whole route: the cache holds the responses of calls. */
  readonly cache?: CachePolicy | undefined
  /** Only on a whole route: it concerns the connection to the client. */
  readonly sse?: SsePolicy | undefined
  /** Only on a whole route: it copies whole calls. */
  readonly shadow?: ShadowPolicy | undefined
  /** Only on a whole route: what is injected into attempts of its calls while it is switched on: see `FaultInjection`. */
  readonly faults?: ReadonlyArray<Fault> | undefined
}

/**
 * Keep-alives of a stream. After `keepAlive` without data, the response's headers and a keep-alive are sent, and another
 * after each further `keepAlive`, so that load balancers do not close the connection. An error after the headers is an
 * event in the stream, not an HTTP status.
 */
export interface SsePolicy {
  readonly keepAlive: Duration.Input
}

/** The policies of a router. Those of a deployment override them, and those of a route override both. */
export interface Defaults {
  readonly retry?: Partial<RetryPolicy> | undefined
  readonly timeout?: Partial<TimeoutPolicy> | undefined
  readonly circuit?: Partial<CircuitPolicy> | undefined
  readonly cooldown?: Partial<CooldownPolicy> | undefined
  readonly stream?: Partial<StreamPolicy> | undefined
  readonly unsupportedParams?: UnsupportedParams | undefined
}

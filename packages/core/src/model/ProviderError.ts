/**
 * The errors of providers: one error with a closed union of reasons, and the action for each reason.
 *
 * Providers classify: a vendor's status, error code and message become a `Reason`. The engine decides by the reason alone.
 * `actionFor` is total: a new reason does not compile without its action.
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Struct from "effect/Struct"

/**
 * Why an attempt failed.
 *
 * - `RateLimited`: too many requests or tokens; `retryAfter` if the provider sent it.
 * - `QuotaExhausted`, `Authentication`, `Permission`, `ModelNotFound`: the account's quota, the key, the permission or the
 *   model is missing, and a retry does not help.
 * - `Overloaded`, `ServerError`, `Network`, `Malformed`: a failure of the provider that may be temporary.
 *   `Malformed` with `overLimit`: the response exceeds a limit of this process, as one to the same request would again.
 * - `NotAccepted`: a complete response that misses a `check`: a forced tool, or one of the route's `accept`.
 * - `Timeout`: the timeout of that phase expired. `byCaller`: the caller's timeout, shorter than the route's.
 * - `LocalError`: this process lacks a resource, such as sockets or memory. No provider is at fault.
 * - `ContextWindowExceeded`, `ContentPolicy`, `InvalidRequest`: the request is at fault.
 * - `Unsupported`: this model or its protocol does not support a `feature` of the request; another may.
 */
export type Reason =
  | { readonly _tag: "RateLimited"; readonly retryAfter?: Duration.Duration | undefined }
  | { readonly _tag: "QuotaExhausted" }
  | { readonly _tag: "Authentication" }
  | { readonly _tag: "Permission" }
  | { readonly _tag: "ModelNotFound" }
  | { readonly _tag: "Overloaded"; readonly retryAfter?: Duration.Duration | undefined }
  | { readonly _tag: "ServerError"; readonly retryAfter?: Duration.Duration | undefined }
  | { readonly _tag: "Network" }
  | { readonly _tag: "Malformed"; readonly overLimit?: boolean | undefined }
  | { readonly _tag: "NotAccepted"; readonly check: "tool" | "schema" | "length" | "refusal" | "predicate" }
  | { readonly _tag: "Timeout"; readonly phase: TimeoutPhase; readonly byCaller?: boolean | undefined }
  | { readonly _tag: "LocalError" }
  | { readonly _tag: "ContextWindowExceeded" }
  | { readonly _tag: "ContentPolicy" }
  | { readonly _tag: "InvalidRequest"; readonly param?: string | undefined }
  | { readonly _tag: "Unsupported"; readonly feature: string }

export type TimeoutPhase = "connect" | "first-token" | "idle" | "attempt" | "total"

/** The name of a reason, such as `"RateLimited"`. */
export type ReasonTag = Reason["_tag"]

/**
 * The failure of one attempt. `message` may be logged and, redacted, shown to clients. `status` and `requestId` are those
 * of the provider's HTTP response, if there was one. `contentFree`: the message is this program's own and has nothing of a request or
 * a response, so that call logs, which have no content, show it.
 */
export class ProviderError extends Data.TaggedError("ProviderError")<{
  readonly reason: Reason
  readonly message: string
  readonly status?: number | undefined
  readonly requestId?: string | undefined
  readonly contentFree?: true | undefined
  readonly cause?: unknown
}> {
  /** The provider's Retry-After, if it sent one. */
  get retryAfter(): Duration.Duration | undefined {
    return "retryAfter" in this.reason ? this.reason.retryAfter : undefined
  }
}

/**
 * What the engine does after a failure.
 *
 * - `retryable`: whether the deployment may be retried, after a backoff.
 * - `fallback`: to the next deployment (`next`), to one with a larger context window (`larger-window`), to one with another
 *   content policy (`other-policy`), or to none, because the request is at fault or the deadline has passed (`stop`).
 * - `circuit`: counts a failure (`failure`), opens for long (`trip-permanent`), starts a cooldown (`cooldown`), or nothing
 *   (`ignore`).
 */
export interface FailureAction {
  readonly retryable: boolean
  readonly fallback: "next" | "larger-window" | "other-policy" | "stop"
  readonly circuit: "failure" | "trip-permanent" | "cooldown" | "ignore"
}

const transient: FailureAction = { retryable: true, fallback: "next", circuit: "failure" }
const permanent: FailureAction = { retryable: false, fallback: "next", circuit: "trip-permanent" }
const rateLimited: FailureAction = { retryable: true, fallback: "next", circuit: "cooldown" }
const timedOut: FailureAction = { retryable: false, fallback: "next", circuit: "failure" }
const callerTimedOut: FailureAction = { retryable: false, fallback: "next", circuit: "ignore" }
const deadlineExceeded: FailureAction = { retryable: false, fallback: "stop", circuit: "ignore" }
const contextExceeded: FailureAction = { retryable: false, fallback: "larger-window", circuit: "ignore" }
const contentPolicy: FailureAction = { retryable: false, fallback: "other-policy", circuit: "ignore" }
const invalidRequest: FailureAction = { retryable: false, fallback: "stop", circuit: "ignore" }
const unsupported: FailureAction = { retryable: false, fallback: "next", circuit: "ignore" }

/** The action for each reason; for `Timeout`, the action for most phases. */
const table: Readonly<Record<ReasonTag, FailureAction>> = {
  RateLimited: rateLimited,
  QuotaExhausted: permanent,
  Authentication: permanent,
  Permission: permanent,
  ModelNotFound: permanent,
  Overloaded: transient,
  ServerError: transient,
  Network: transient,
  Malformed: transient,
  // A retry would miss again, and other requests are answered: neither a retry nor the circuit helps.
  NotAccepted: unsupported,
  Timeout: timedOut,
  LocalError: unsupported,
  ContextWindowExceeded: contextExceeded,
  ContentPolicy: contentPolicy,
  InvalidRequest: invalidRequest,
  Unsupported: unsupported,
}

/**
 * Whether the account is at fault, so that another account at the same vendor may answer: it is rate limited, out of quota,
 * rejected, or has no access to the model.
 */
export const blamesAccount = (reason: Reason): boolean => {
  const { circuit } = actionFor(reason)
  return circuit === "cooldown" || circuit === "trip-permanent"
}

/** The name of every reason, in the order of the table. */
export const reasonTags: ReadonlyArray<ReasonTag> = Struct.keys(table)

/** The reasons after which a deployment may be retried. */
export const retryable = [
  "RateLimited",
  "Overloaded",
  "ServerError",
  "Network",
  "Malformed",
] as const satisfies ReadonlyArray<ReasonTag>

/** The reasons that may have opened a circuit. */
export const opening: ReadonlyArray<ReasonTag> = reasonTags.filter((tag) => {
  const { circuit } = table[tag]
  return circuit === "failure" || circuit === "trip-permanent"
})

/** The action after a failure: the one place where the consequences of a reason are decided. */
export const actionFor = (reason: Reason): FailureAction => {
  if (reason._tag === "Malformed" && reason.overLimit === true) return unsupported
  if (reason._tag !== "Timeout") return table[reason._tag]
  if (reason.phase === "total") return deadlineExceeded
  return reason.byCaller === true ? callerTimedOut : table.Timeout
}

/**
 * How a provider fails: one error with a closed union of reasons, and the judgement of each.
 *
 * Providers classify (a vendor's status, code and words become a `Reason`); the engine only ever looks at the reason.
 * `judge` is the failure table as one total function: adding a reason does not compile until it is judged.
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Struct from "effect/Struct"

/**
 * Why an attempt failed.
 *
 * - `RateLimited`: too many requests or tokens just now; `retryAfter` if the provider said when.
 * - `QuotaExhausted`, `Authentication`, `Permission`, `ModelNotFound`: the account, the key, the right or the model is
 *   not there, and will not be in a minute.
 * - `Overloaded`, `ServerError`, `Network`, `Malformed`: the provider is at fault, perhaps not for long. `ignored` names
 *   what a sound answer leaves out that was asked for: see `Acceptance`.
 * - `Timeout`: it was silent for too long in that phase. `byCaller` when the caller's own shorter deadline struck.
 * - `LocalError`: this process lacks what it asks with, such as sockets or memory. No provider is at fault.
 * - `ContextWindowExceeded`, `ContentPolicy`, `InvalidRequest`: about what was asked.
 * - `Unsupported`: this model or its protocol cannot do what was asked (`feature`); another may.
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
  | { readonly _tag: "Malformed"; readonly ignored?: "tool" | "schema" | undefined }
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
 * One attempt's failure. `message` is fit for a log and, scrubbed, for a caller; `status` and `requestId` are the
 * provider's own, where there was an answer at all.
 */
export class ProviderError extends Data.TaggedError("ProviderError")<{
  readonly reason: Reason
  readonly message: string
  readonly status?: number | undefined
  readonly requestId?: string | undefined
  readonly cause?: unknown
}> {
  /** When the provider said to come back, if it did. */
  get retryAfter(): Duration.Duration | undefined {
    return "retryAfter" in this.reason ? this.reason.retryAfter : undefined
  }
}

/**
 * What a reason means for the rest of the call.
 *
 * - `again`: whether the same deployment may be asked again, after backing off.
 * - `next`: where to go on: to the next candidate, to one that differs in the respect that failed (`larger-window`,
 *   `other-policy`), or nowhere, because the caller is to blame or the call's time is up.
 * - `circuit`: whether it counts against the deployment's circuit, opens it at once for long, lets it rest until
 *   Retry-After, or says nothing about its health.
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
const forbidden: FailureAction = { retryable: false, fallback: "other-policy", circuit: "ignore" }
const callersFault: FailureAction = { retryable: false, fallback: "stop", circuit: "ignore" }
const unsupported: FailureAction = { retryable: false, fallback: "next", circuit: "ignore" }

/** The failure table: what each reason means, and of a `Timeout`, what it means in most phases. */
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
  Timeout: timedOut,
  LocalError: unsupported,
  ContextWindowExceeded: contextExceeded,
  ContentPolicy: forbidden,
  InvalidRequest: callersFault,
  Unsupported: unsupported,
}

/** Every reason's name, in the order of the table. */
export const reasonTags: ReadonlyArray<ReasonTag> = Struct.keys(table)

/** The reasons that may have opened a circuit. */
export const opening: ReadonlyArray<ReasonTag> = reasonTags.filter((tag) => {
  const { circuit } = table[tag]
  return circuit === "failure" || circuit === "trip-permanent"
})

/** What a failure means: total over the reasons, the one place where its consequences are decided. */
export const actionFor = (reason: Reason): FailureAction => {
  // What a server ignores, it ignores again; and it answers those who ask for something else.
  if (reason._tag === "Malformed" && reason.ignored !== undefined) return unsupported
  if (reason._tag !== "Timeout") return table[reason._tag]
  if (reason.phase === "total") return deadlineExceeded
  return reason.byCaller === true ? callerTimedOut : table.Timeout
}

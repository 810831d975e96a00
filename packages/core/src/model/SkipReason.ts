/**
 * Why a call did not try a deployment of its route: one closed union, and what each reason means.
 *
 * The plan decides the first five (`Plan`), error branches the next three (`ErrorBranch`), admission the next five
 * (`Admission`), budgets the last (`Spending`). `meaning` is their one interpretation: a new reason is a case here, and where it is decided.
 */
import type { Capability } from "./Capabilities.ts"
import type { Name } from "./Operation.ts"
import type { ReasonTag } from "./ProviderError.ts"
import { opening } from "./ProviderError.ts"

/** Known from the route, the request and the deployment's description alone. */
export type PlanSkip =
  /** The model lacks a capability that the call requires. */
  | { readonly _tag: "MissingCapability"; readonly need: Capability }
  /** The call is estimated to be larger than the model's context window. Both in tokens. */
  | { readonly _tag: "ContextWindowTooSmall"; readonly tokens: number; readonly window: number }
  /** The provider does not have the operation of the call. */
  | { readonly _tag: "MissingOperation"; readonly operation: Name }
  /** The call is about something that another deployment holds, such as a file. */
  | { readonly _tag: "NotHolder"; readonly holder: string }
  /** Weight 0 in a `balance` or a `hedge`. */
  | { readonly _tag: "ZeroWeight" }

/** Decided by the error branches that the call has taken so far. */
export type BranchSkip =
  /** It belongs to a branch, and nothing has failed for one of that branch's reasons. */
  | { readonly _tag: "BranchNotTaken"; readonly after: ReadonlyArray<ReasonTag> }
  /** A failure for this reason led to a branch further on. */
  | { readonly _tag: "BranchTaken"; readonly after: ReasonTag }
  /** The call has taken a branch, and this deployment failed before it did. */
  | { readonly _tag: "AlreadyFailed" }

/** Decided by the deployment's state at the moment it would be tried. `retryAfter` is in milliseconds. */
export type Rejection =
  | { readonly _tag: "CoolingDown"; readonly retryAfter: number }
  /** `permanent` where no wait helps, such as after an authentication error. */
  | { readonly _tag: "CircuitOpen"; readonly retryAfter: number; readonly permanent?: true }
  /** Another call is the probe. */
  | { readonly _tag: "CircuitHalfOpen" }
  /** All permits of `limits.concurrency` are taken. */
  | ({ readonly _tag: "ConcurrencyLimited" } & NotAdmitted)
  /** The deployment's own request or token limit is used up. */
  | ({
      readonly _tag: "RateLimited"
      readonly limit: "rpm" | "rpd" | "tpm"
      readonly retryAfter: number
    } & NotAdmitted)
  /** A budget does not cover the attempt. `retryAfter` is `Infinity` if it never will. */
  | { readonly _tag: "OverBudget"; readonly budget: string; readonly retryAfter: number }

/**
 * Why the queue of a limit did not help: it was full, or the call waited for as long as it may, or would have had to wait for
 * longer. `undefined` if the call did not try to wait.
 */
interface NotAdmitted {
  readonly queue?: "full" | "timeout" | undefined
}

export type SkipReason = PlanSkip | BranchSkip | Rejection

/** What a reason means for the call whose deployments were all skipped or failed. */
export interface Meaning {
  /** The kind of error that it alone would cause; `undefined` if the deployment simply does not suit the request. */
  readonly kind: "RateLimited" | "BudgetExceeded" | "Unavailable" | "Upstream" | undefined
  /** Milliseconds until trying again is worthwhile; `Infinity` if no wait helps; `undefined` if time changes nothing. */
  readonly retryAfter: number | undefined
  /** The errors that it stands for: an error branch for one of them is taken. */
  readonly standsFor: ReadonlyArray<ReasonTag>
  /** For messages and logs, such as `cooling down for 12 s`. */
  readonly text: string
}

/** The wait before another probe, in milliseconds, while one is under way. */
const probing = 2000

/** The wait for a concurrency permit, in milliseconds: when one is released is not known. */
const permit = 1000

export const meaning = (reason: SkipReason): Meaning => {
  switch (reason._tag) {
    case "MissingCapability":
      return unsuited(`does not support ${reason.need}`, ["Unsupported"])
    case "ContextWindowTooSmall":
      return unsuited(`${reason.tokens} tokens do not fit its context window of ${reason.window}`, [
        "ContextWindowExceeded",
      ])
    case "MissingOperation":
      return unsuited(`does not have the operation ${reason.operation}`, ["Unsupported"])
    case "NotHolder":
      return unsuited(`does not hold it: "${reason.holder}" does`)
    case "ZeroWeight":
      return unsuited("weight 0")
    case "BranchNotTaken":
      return unsuited(`only tried after ${reason.after.join(" or ")}`)
    case "BranchTaken":
      return unsuited(`skipped: a branch for ${reason.after} was taken`)
    case "AlreadyFailed":
      return unsuited("already failed in this call")
    case "CoolingDown":
      return rateLimited(`cooling down for ${seconds(reason.retryAfter)}`, reason.retryAfter)
    case "RateLimited":
      return rateLimited(
        `at its ${reason.limit} limit for ${seconds(reason.retryAfter)}${notAdmitted(reason)}`,
        reason.retryAfter,
      )
    case "ConcurrencyLimited":
      return rateLimited(`at its concurrency limit${notAdmitted(reason)}`, permit)
    case "OverBudget":
      return {
        kind: "BudgetExceeded",
        retryAfter: reason.retryAfter,
        standsFor: ["QuotaExhausted"],
        text: `budget "${reason.budget}" does not cover it`,
      }
    case "CircuitOpen":
      return {
        kind: reason.permanent === true ? "Upstream" : "Unavailable",
        retryAfter: reason.permanent === true ? Number.POSITIVE_INFINITY : Math.min(reason.retryAfter, probing),
        standsFor: opening,
        text: `circuit open for ${seconds(reason.retryAfter)}`,
      }
    case "CircuitHalfOpen":
      return {
        kind: "Unavailable",
        retryAfter: probing,
        standsFor: opening,
        text: "circuit half-open, another call is the probe",
      }
  }
}

const unsuited = (text: string, standsFor: ReadonlyArray<ReasonTag> = []): Meaning => ({
  kind: undefined,
  retryAfter: undefined,
  standsFor,
  text,
})

const rateLimited = (text: string, retryAfter: number): Meaning => ({
  kind: "RateLimited",
  retryAfter,
  standsFor: ["RateLimited"],
  text,
})

const notAdmitted = ({ queue }: NotAdmitted): string =>
  queue === undefined ? "" : queue === "full" ? ", and its queue is full" : ", and not admitted in time by its queue"

const seconds = (millis: number): string => `${Math.ceil(millis / 100) / 10} s`

/** A rejection by admission, in the error channel. The provider was not called, and is not at fault. */
export class Rejected {
  readonly _tag = "Refused"
  readonly reason: Rejection
  constructor(reason: Rejection) {
    this.reason = reason
  }
}

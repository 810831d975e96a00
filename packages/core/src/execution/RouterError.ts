/**
 * How a call fails when nobody could answer: one stable error with the attempts that led to it, never a provider's
 * secret and never a provider's own 401, 403 or 404 as if it were the caller's.
 */
import * as Data from "effect/Data"
import type { FailedStep } from "../route/Plan.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import { actionFor } from "../model/ProviderError.ts"
import type { Receipt } from "../receipt/Receipt.ts"
import * as RetryAfter from "./RetryAfter.ts"
import { meaning } from "../model/SkipReason.ts"
import { didYouMean } from "../route/Suggestion.ts"
import { hasWildcard } from "../route/Wildcard.ts"

/**
 * Whose fault it was, taking all attempts together:
 *
 * - `ModelNotFound`: no route or deployment has that name; or one with a `*` has, and its vendor no such model.
 * - `Forbidden`: there may be one, but not for this caller. The engine lets everybody call everything: a layer over it says so.
 * - `InvalidRequest`, `TooLarge`, `ContentPolicy`: an attempt blames what was asked; or nobody on the route can do it.
 * - `RateLimited`: every candidate rests or is at a limit.
 * - `Timeout`: all were silent for too long.
 * - `Unavailable`: all were overloaded, or their circuits are open; or this process lacks what it asks them with.
 * - `Upstream`: anything else, such as credentials of ours that a provider refuses, or one overloaded and one at rest.
 * - `StreamInterrupted`: a stream that had begun broke off.
 */
export type Kind =
  | "ModelNotFound"
  | "Forbidden"
  | "InvalidRequest"
  | "TooLarge"
  | "ContentPolicy"
  | "RateLimited"
  | "Timeout"
  | "Unavailable"
  | "Upstream"
  | "StreamInterrupted"

export class RouterError extends Data.TaggedError("RouterError")<{
  readonly kind: Kind
  readonly message: string
  /** What was tried and what was passed over; shared with the call's receipt. */
  readonly receipt: Receipt | undefined
  /** The failure that decided, where one did. */
  readonly cause?: ProviderError | undefined
  readonly param?: string | undefined
  /** Milliseconds until it is worth asking again, where that is known. */
  readonly retryAfter?: number | undefined
  /** Whether no wait helps: each deployment needs a credential, quota or a model that it lacks. */
  readonly permanent?: boolean | undefined
}> {}

/** No route or deployment of that name; the message names the nearest, and lists those there are. */
export const modelNotFound = (name: string, known: Iterable<string>): RouterError => {
  const names = [...known]
  const nearest = didYouMean(
    name,
    names.filter((each) => !hasWildcard(each)),
  )
  return new RouterError({
    kind: "ModelNotFound",
    message: `There is no route or deployment called "${name}"${nearest || "."} This router serves: ${names.join(", ")}.`,
    receipt: undefined,
    param: "model",
  })
}

/** The one who was asked blames the request; nobody else was. */
export const invalidRequest = (deployment: string, cause: ProviderError): RouterError =>
  new RouterError({
    kind: "InvalidRequest",
    message: `${deployment}: ${describe(cause)}`,
    receipt: undefined,
    cause,
    param: cause.reason._tag === "InvalidRequest" ? cause.reason.param : undefined,
  })

/** A stream that had begun, and broke. */
export const streamInterrupted = (cause: ProviderError, receipt: Receipt): RouterError =>
  new RouterError({
    kind: "StreamInterrupted",
    message: `The answer broke off: ${receipt.deployment}: ${describe(cause)}`,
    receipt,
    cause,
  })

/** The error of a route on which nobody answered: its kind by the design's rule, its message by each candidate's miss. */
export const allFailed = (route: string, failures: ReadonlyArray<FailedStep>, receipt: Receipt): RouterError => {
  const { cause, kind } = describeFailure(failures)
  const told = failures
    .filter(wasConsidered)
    .map((miss) => `${miss.step.leaf.candidate.name}: ${describeFailedStep(miss)}`)
  return new RouterError({
    kind,
    message: `All deployments of route "${route}" failed. ${told.join("; ")}.`,
    receipt,
    cause,
    param:
      kind === "ModelNotFound" ? "model" : cause?.reason._tag === "InvalidRequest" ? cause.reason.param : undefined,
    ...(waits.has(kind) ? waiting(RetryAfter.minRetryAfter(failures)) : undefined),
  })
}

/** The kinds whose cause may pass, at a time that is known. */
const waits: ReadonlySet<Kind> = new Set(["RateLimited", "Unavailable", "Upstream"])

const waiting = (millis: number | undefined): Pick<RouterError, "retryAfter" | "permanent"> =>
  millis === Infinity ? { permanent: true } : { retryAfter: millis }

/** Whether a miss tells anything: a branch that nothing led to does not. */
const wasConsidered = (miss: FailedStep): boolean => miss._tag === "Failed" || miss.reason._tag !== "BranchNotTaken"

const describeFailure = (
  failures: ReadonlyArray<FailedStep>,
): { readonly kind: Kind; readonly cause?: ProviderError | undefined } => {
  const failed = failures.flatMap((miss) => (miss._tag === "Failed" ? [miss] : []))
  for (const { error: cause, step } of failed) {
    if (cause.reason._tag === "InvalidRequest") return { kind: "InvalidRequest", cause }
    if (cause.reason._tag === "ContextWindowExceeded") return { kind: "TooLarge", cause }
    if (cause.reason._tag === "ContentPolicy") return { kind: "ContentPolicy", cause }
    if (cause.reason._tag === "Timeout" && cause.reason.phase === "total") return { kind: "Timeout", cause }
    const { model } = step.leaf.candidate.deployment
    if (cause.reason._tag === "ModelNotFound" && hasWildcard(model)) return { kind: "ModelNotFound", cause }
  }
  const local = failed.find(({ error }) => error.reason._tag === "LocalError")
  if (local !== undefined) return { kind: "Unavailable", cause: local.error }
  const cause = failed.at(-1)?.error
  const kinds = new Set(failures.flatMap((miss) => kindOf(miss) ?? []))
  if (kinds.size === 0) {
    const tooLarge = failures.some((miss) => miss._tag === "Skipped" && miss.reason._tag === "ContextWindowTooSmall")
    return { kind: tooLarge ? "TooLarge" : "InvalidRequest", cause }
  }
  const [kind = "Upstream", ...others] = kinds
  return { kind: others.length === 0 ? kind : "Upstream", cause }
}

/** What one miss alone would mean for the caller; nothing when this candidate simply cannot do what was asked. */
const kindOf = (miss: FailedStep): Kind | undefined => {
  if (miss._tag === "Skipped") return meaning(miss.reason).kind
  switch (miss.error.reason._tag) {
    case "RateLimited":
      return "RateLimited"
    case "Overloaded":
      return "Unavailable"
    case "Timeout":
      return "Timeout"
    case "Unsupported":
      return undefined
    default:
      return actionFor(miss.error.reason).fallback === "next" ? "Upstream" : "InvalidRequest"
  }
}

const describeFailedStep = (miss: FailedStep): string =>
  miss._tag === "Failed" ? describe(miss.error) : meaning(miss.reason).text

const describe = (error: ProviderError): string =>
  `${error.reason._tag}${error.status === undefined ? "" : ` (${error.status})`}: ${words(error)}`

/**
 * A failure in words for a caller. What is wrong with the operator's account is said in words of our own: clients such as
 * Claude Code take a vendor's words ("invalid x-api-key", "Your credit balance is too low") for news of their user's own
 * account, and ask to log in. The vendor's words are in `cause` and in the receipt.
 */
const words = ({ message, reason }: ProviderError): string => {
  switch (reason._tag) {
    case "Authentication":
      return "the provider does not accept this deployment's credential"
    case "Permission":
      return "the provider does not permit this to the deployment's account"
    case "QuotaExhausted":
      return "the deployment's account has used up what the provider allows it"
    default:
      return message
  }
}

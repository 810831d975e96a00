/**
 * How a call fails when nobody could answer: one stable error with the attempts that led to it, never a provider's
 * secret and never a provider's own 401, 403 or 404 as if it were the caller's.
 */
import * as Data from "effect/Data"
import type { Miss } from "./Fallback.ts"
import type { ProviderError } from "./ProviderError.ts"
import { judge } from "./ProviderError.ts"
import type { PassedOver, Receipt } from "./Receipt.ts"
import * as RetryAfter from "./RetryAfter.ts"
import { didYouMean } from "./Suggestion.ts"
import { isWild } from "./Wildcard.ts"

/**
 * Whose fault it was, taking all attempts together:
 *
 * - `UnknownModel`: no route or deployment has that name; or one with a `*` has, and its vendor no such model.
 * - `Forbidden`: there may be one, but not for this caller. The engine lets everybody call everything: a layer over it says so.
 * - `InvalidRequest`, `TooLarge`, `ContentPolicy`: an attempt blames what was asked; or nobody on the route can do it.
 * - `RateLimited`: every candidate rests or is at a limit.
 * - `Timeout`: all were silent for too long.
 * - `Unavailable`: all were overloaded, or their circuits are open; or this process lacks what it asks them with.
 * - `Upstream`: anything else, such as credentials of ours that a provider refuses, or one overloaded and one at rest.
 * - `Broken`: a stream that had begun broke off.
 */
export type Kind =
  | "UnknownModel"
  | "Forbidden"
  | "InvalidRequest"
  | "TooLarge"
  | "ContentPolicy"
  | "RateLimited"
  | "Timeout"
  | "Unavailable"
  | "Upstream"
  | "Broken"

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
export const unknownModel = (name: string, known: Iterable<string>): RouterError => {
  const names = [...known]
  const nearest = didYouMean(
    name,
    names.filter((each) => !isWild(each)),
  )
  return new RouterError({
    kind: "UnknownModel",
    message: `There is no route or deployment called "${name}"${nearest || "."} This router serves: ${names.join(", ")}.`,
    receipt: undefined,
    param: "model",
  })
}

/** The one who was asked blames the request; nobody else was. */
export const blamed = (deployment: string, cause: ProviderError): RouterError =>
  new RouterError({
    kind: "InvalidRequest",
    message: `${deployment}: ${describe(cause)}`,
    receipt: undefined,
    cause,
    param: cause.reason._tag === "InvalidRequest" ? cause.reason.param : undefined,
  })

/** A stream that had begun, and broke. */
export const broken = (cause: ProviderError, receipt: Receipt): RouterError =>
  new RouterError({
    kind: "Broken",
    message: `The answer broke off: ${receipt.deployment}: ${describe(cause)}`,
    receipt,
    cause,
  })

/** The error of a route on which nobody answered: its kind by the design's rule, its message by each candidate's miss. */
export const exhausted = (route: string, misses: ReadonlyArray<Miss>, receipt: Receipt): RouterError => {
  const { cause, kind } = verdict(misses)
  const told = misses.filter(wasReached).map((miss) => `${miss.step.leaf.candidate.name}: ${missed(miss)}`)
  return new RouterError({
    kind,
    message: `Nobody on "${route}" could answer. ${told.join("; ")}.`,
    receipt,
    cause,
    param: kind === "UnknownModel" ? "model" : cause?.reason._tag === "InvalidRequest" ? cause.reason.param : undefined,
    ...(waits.has(kind) ? waiting(RetryAfter.soonest(misses)) : undefined),
  })
}

/** The kinds whose cause may pass, at a time that is known. */
const waits: ReadonlySet<Kind> = new Set(["RateLimited", "Unavailable", "Upstream"])

const waiting = (millis: number | undefined): Pick<RouterError, "retryAfter" | "permanent"> =>
  millis === Infinity ? { permanent: true } : { retryAfter: millis }

/** Whether a miss tells anything: a branch that nothing led to does not. */
const wasReached = (miss: Miss): boolean => miss._tag === "Failed" || miss.verdict._tag !== "Awaits"

const verdict = (misses: ReadonlyArray<Miss>): { readonly kind: Kind; readonly cause?: ProviderError | undefined } => {
  const failures = misses.flatMap((miss) => (miss._tag === "Failed" ? [miss] : []))
  for (const { error: cause, step } of failures) {
    if (cause.reason._tag === "InvalidRequest") return { kind: "InvalidRequest", cause }
    if (cause.reason._tag === "ContextWindowExceeded") return { kind: "TooLarge", cause }
    if (cause.reason._tag === "ContentPolicy") return { kind: "ContentPolicy", cause }
    if (cause.reason._tag === "Timeout" && cause.reason.phase === "total") return { kind: "Timeout", cause }
    const { model } = step.leaf.candidate.deployment
    if (cause.reason._tag === "ModelNotFound" && isWild(model)) return { kind: "UnknownModel", cause }
  }
  const local = failures.find(({ error }) => error.reason._tag === "LocalError")
  if (local !== undefined) return { kind: "Unavailable", cause: local.error }
  const cause = failures.at(-1)?.error
  const kinds = new Set(misses.flatMap((miss) => kindOf(miss) ?? []))
  if (kinds.size === 0) {
    const tooLarge = misses.some((miss) => miss._tag === "PassedOver" && miss.verdict._tag === "TooLarge")
    return { kind: tooLarge ? "TooLarge" : "InvalidRequest", cause }
  }
  const [kind = "Upstream", ...others] = kinds
  return { kind: others.length === 0 ? kind : "Upstream", cause }
}

/** What one miss alone would mean for the caller; nothing when this candidate simply cannot do what was asked. */
const kindOf = (miss: Miss): Kind | undefined => {
  if (miss._tag === "PassedOver") {
    switch (miss.verdict._tag) {
      case "Resting":
      case "Limited":
      case "Busy":
        return "RateLimited"
      case "CircuitOpen":
        return miss.verdict.permanent === true ? "Upstream" : "Unavailable"
      case "Probing":
        return "Unavailable"
      case "Cannot":
      case "TooLarge":
      case "Never":
      case "Awaits":
      case "Diverted":
      case "Tried":
        return undefined
    }
  }
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
      return judge(miss.error.reason).next === "next" ? "Upstream" : "InvalidRequest"
  }
}

const missed = (miss: Miss): string => (miss._tag === "Failed" ? describe(miss.error) : passedOver(miss.verdict))

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

/** Why a candidate was passed over, in words. */
export const passedOver = (verdict: PassedOver["verdict"]): string => {
  switch (verdict._tag) {
    case "Resting":
      return `resting for ${seconds(verdict.retryAfter)}`
    case "CircuitOpen":
      return `circuit open for ${seconds(verdict.retryAfter)}`
    case "Probing":
      return "circuit half-open, another call is the probe"
    case "Busy":
      return "at its concurrency limit"
    case "Limited":
      return `at its ${verdict.limit} limit for ${seconds(verdict.retryAfter)}`
    case "Cannot":
      return `cannot do ${verdict.need}`
    case "TooLarge":
      return `${verdict.tokens} tokens do not fit its window of ${verdict.window}`
    case "Never":
      return "weight 0"
    case "Awaits":
      return `only asked after ${verdict.after.join(" or ")}`
    case "Diverted":
      return `passed by on the way to what is asked after ${verdict.after}`
    case "Tried":
      return "asked before in this call"
  }
}

const seconds = (millis: number): string => `${Math.ceil(millis / 100) / 10} s`

/**
 * The error of a call: one stable kind, with the attempts that led to it. Never contains a provider's secret, and never
 * passes on a provider's 401, 403 or 404 as the caller's.
 */
import * as Data from "effect/Data"
import { label } from "../deployment/Candidate.ts"
import type { FailedStep } from "../route/Plan.ts"
import type { Kind } from "../model/ErrorKind.ts"
import type { Stopped } from "../model/Guard.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import { actionFor } from "../model/ProviderError.ts"
import type { Receipt } from "../receipt/Receipt.ts"
import type { Refusal } from "../model/Spending.ts"
import * as RetryAfter from "./RetryAfter.ts"
import { meaning } from "../model/SkipReason.ts"
import { didYouMean } from "../route/Suggestion.ts"
import { hasWildcard } from "../route/Wildcard.ts"

export type { Kind } from "../model/ErrorKind.ts"

export class RouterError extends Data.TaggedError("RouterError")<{
  readonly kind: Kind
  readonly message: string
  /** The call's receipt: its attempts and the deployments it skipped. */
  readonly receipt: Receipt | undefined
  /** The failure that decides the kind, if one does. */
  readonly cause?: ProviderError | undefined
  readonly param?: string | undefined
  /** The code of the error for the caller, if a guardrail set one. */
  readonly code?: string | undefined
  /** Milliseconds until another call is worthwhile, if known. */
  readonly retryAfter?: number | undefined
  /** Whether no wait helps: each deployment lacks a valid credential, quota or the model, or had no response that is accepted. */
  readonly permanent?: boolean | undefined
}> {}

/** No route or deployment has the name. The message suggests the nearest name, and lists all. */
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

/** The deployment rejects the request, and no other was tried. */
export const invalidRequest = (deployment: string, cause: ProviderError): RouterError =>
  new RouterError({
    kind: "InvalidRequest",
    message: `${deployment}: ${describe(cause)}`,
    receipt: undefined,
    cause,
    param: cause.reason._tag === "InvalidRequest" ? cause.reason.param : undefined,
  })

/** A stream broke after its first output. */
export const streamInterrupted = (cause: ProviderError, receipt: Receipt): RouterError =>
  new RouterError({
    kind: "StreamInterrupted",
    message: `The answer broke off: ${receipt.deployment}: ${describe(cause)}`,
    receipt,
    cause,
  })

/** The process shut down before the call had ended. */
export const draining = (receipt: Receipt): RouterError =>
  new RouterError({ kind: "Draining", message: "The process shut down before the call had ended.", receipt })

/** A guardrail ended the call. */
export const stopped = ({ code, kind, message }: Stopped, receipt: Receipt): RouterError =>
  new RouterError({ kind, message, receipt, code })

/** No deployment of a route has answered. The message lists the failure of each. */
export const allFailed = (route: string, failures: ReadonlyArray<FailedStep>, receipt: Receipt): RouterError => {
  const { cause, kind } = describeFailure(failures)
  const wait = kind === "BudgetExceeded" ? waitingForBudget : waiting
  const causes = failures
    .filter(wasConsidered)
    .map((failure) => `${label(failure.step.leaf.candidate)}: ${describeFailedStep(failure)}`)
  return new RouterError({
    kind,
    message: `All deployments of route "${route}" failed. ${causes.join("; ")}.${adviceFor(failures)}`,
    receipt,
    cause,
    param:
      kind === "ModelNotFound" ? "model" : cause?.reason._tag === "InvalidRequest" ? cause.reason.param : undefined,
    // Every deployment has been asked: another call would pay for the same responses.
    ...(kind === "NotAccepted" ? { permanent: true } : undefined),
    ...(temporary.has(kind) ? wait(RetryAfter.minRetryAfter(failures)) : undefined),
  })
}

/** What to configure for a route none of whose deployments has the operation of the call. */
const adviceFor = (failures: ReadonlyArray<FailedStep>): string => {
  const missing = failures.flatMap((failure) =>
    failure._tag === "Skipped" && failure.reason._tag === "MissingOperation" ? [failure.reason.operation] : [],
  )
  return missing.length === 0 || missing.length < failures.length
    ? ""
    : ` Add a deployment of a vendor with ${missing[0]}, or list it in the \`operations\` of a deployment whose server has it.`
}

/** The kinds whose cause may end at a known time. */
const temporary: ReadonlySet<Kind> = new Set(["RateLimited", "BudgetExceeded", "Unavailable", "Upstream"])

const waiting = (millis: number | undefined): Pick<RouterError, "retryAfter" | "permanent"> =>
  millis === Infinity ? { permanent: true } : { retryAfter: millis }

/** A budget does not cover a call, and no deployment was tried. */
export const budgetExceeded = ({ message, retryAfter }: Refusal): RouterError =>
  new RouterError({ kind: "BudgetExceeded", message, receipt: undefined, ...waitingForBudget(retryAfter) })

/** A wait of more than a minute for a budget is none that a caller can do. */
const waitingForBudget = (millis: number | undefined) =>
  waiting(millis !== undefined && millis > longestWait ? Number.POSITIVE_INFINITY : millis)

const longestWait = 60_000

/** Whether a step was reached: those of an error branch that was not taken were not. */
const wasConsidered = (failure: FailedStep): boolean =>
  failure._tag === "Failed" || failure.reason._tag !== "BranchNotTaken"

const describeFailure = (
  failures: ReadonlyArray<FailedStep>,
): { readonly kind: Kind; readonly cause?: ProviderError | undefined } => {
  const failed = failures.flatMap((failure) => (failure._tag === "Failed" ? [failure] : []))
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
  const kinds = new Set(failures.flatMap((failure) => kindOf(failure) ?? []))
  if (kinds.size === 0) {
    const tooLarge = failures.some(
      (failure) => failure._tag === "Skipped" && failure.reason._tag === "ContextWindowTooSmall",
    )
    return { kind: tooLarge ? "TooLarge" : "InvalidRequest", cause }
  }
  const [kind = "Upstream", ...others] = kinds
  return { kind: others.length === 0 ? kind : "Upstream", cause }
}

/** The kind that one failure alone would cause; `undefined` if the deployment does not support the request. */
const kindOf = (failure: FailedStep): Kind | undefined => {
  if (failure._tag === "Skipped") return meaning(failure.reason).kind
  const { reason } = failure.error
  switch (reason._tag) {
    case "RateLimited":
      return "RateLimited"
    case "Overloaded":
      return "Unavailable"
    case "Timeout":
      return "Timeout"
    case "NotAccepted":
      return "NotAccepted"
    case "Unsupported":
      return undefined
    default:
      return actionFor(reason).fallback === "next" ? "Upstream" : "InvalidRequest"
  }
}

const describeFailedStep = (failure: FailedStep): string =>
  failure._tag === "Failed" ? describe(failure.error) : meaning(failure.reason).text

const describe = (error: ProviderError): string =>
  `${error.reason._tag}${error.status === undefined ? "" : ` (${error.status})`}: ${describeCause(error)}`

/**
 * The message of a failure for the caller. The vendor's message about the operator's account is replaced: clients such as
 * Claude Code take "invalid x-api-key" or "Your credit balance is too low" to be about their user's account, and ask the
 * user to log in. The vendor's message is in `cause` and in the receipt.
 */
const describeCause = ({ message, reason }: ProviderError): string => {
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

/**
 * The reasons of Gemini's errors: error bodies, and events inside a stream, which contain their status.
 *
 * Sources: ai.google.dev, "Troubleshooting guide" and "Rate limits"; googleapis, `google.rpc.ErrorInfo`, `QuotaFailure`
 * and `RetryInfo`.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as ErrorReason from "../ErrorReason.ts"
import type * as Wire from "../protocols/gemini/Errors.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

/** The reason of an error. A code or a quota comes first; `ErrorReason` sets the order of the other tests. */
export const reason = (error: Wire.WireError, status?: number, header?: Duration.Duration): Reason => {
  const retryAfter = header ?? error.retryAfter
  return (
    (error.code === undefined ? undefined : byCode(error.code)) ??
    byQuota(error, status, retryAfter) ??
    ErrorReason.of(error, status, retryAfter, {
      byCode,
      byMessage: () => byMessage(error, status),
      byType: (type) => byType(type, error, retryAfter),
    })
  )
}

const byCode = (code: string): Reason | undefined => {
  switch (code) {
    case "API_KEY_INVALID":
    case "API_KEY_EXPIRED":
    case "ACCESS_TOKEN_EXPIRED":
    case "CREDENTIALS_MISSING":
      return { _tag: "Authentication" }
    case "API_KEY_SERVICE_BLOCKED":
    case "API_KEY_HTTP_REFERRER_BLOCKED":
    case "API_KEY_IP_ADDRESS_BLOCKED":
    case "API_KEY_ANDROID_APP_BLOCKED":
    case "API_KEY_IOS_APP_BLOCKED":
    case "SERVICE_DISABLED":
    case "CONSUMER_SUSPENDED":
    case "CONSUMER_INVALID":
      return { _tag: "Permission" }
    case "BILLING_DISABLED":
      return { _tag: "QuotaExhausted" }
    default:
      return undefined
  }
}

const isQuota = ({ type }: Wire.WireError, status: number | undefined): boolean =>
  status === 429 || type === "RESOURCE_EXHAUSTED"

/** A quota of 0, which the free tier has for many models. */
const zeroQuota = /\blimit: 0\b/
/** Prepaid credit is used up, or a spending limit is reached. */
const unpaid = /prepa(?:id|yment) credits|credits are depleted|spend(?:ing)? (?:cap|limit)|billing account/i

/** A quota of a day is exhausted for longer than the delay in the error. */
const byQuota = (
  error: Wire.WireError,
  status: number | undefined,
  retryAfter: Duration.Duration | undefined,
): Reason | undefined => {
  if (!isQuota(error, status)) return undefined
  const { message = "", quotas } = error
  return quotas.some((id) => id.includes("PerDay")) || zeroQuota.test(message) || unpaid.test(message)
    ? { _tag: "QuotaExhausted" }
    : { _tag: "RateLimited", retryAfter }
}

const tooLong = /input token count.*exceeds|exceeds the maximum number of tokens|(?:input|prompt|request) is too long/i
const badKey = /API key (?:not valid|expired|not found)|pass a valid API key/i
const leaked = /API key was reported as leaked/i
const blocked = /\bblocked\b.*\b(?:safety|polic(?:y|ies))\b|violates? .*(?:polic(?:y|ies)|practices)/i
/** Messages about a valid request that this model does not support. */
const unable = new RegExp(
  [
    /(?:not (?:yet )?(?:supported|enabled|available|allowed)) (?:for|on|by|with|in) (?:this |the )?(?:model|models\/)/,
    /model(?:s\/[\w.-]+)? (?:does not|doesn't|only) (?:support|work|accept)/,
    /does not support (?:the requested response modalities|setting thinking|thinking)/,
    /thinking (?:budget|level) .*(?:invalid|not supported|is not supported|range)/,
    /only works in thinking mode/,
    /penalty is not enabled/,
    /multiple candidates is not enabled/,
    /logprobs is not (?:enabled|supported)/,
    /function calling is not enabled/,
    /json mode is not enabled/,
    /developer instruction is not enabled/,
    /missing a `?thought_signature`?/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "i",
)

const byMessage = (error: Wire.WireError, status: number | undefined): Reason | undefined => {
  const { message, param } = error
  if (message === undefined || (status !== undefined && status >= 500)) return undefined
  if (tooLong.test(message)) return { _tag: "ContextWindowExceeded" }
  if (badKey.test(message)) return { _tag: "Authentication" }
  if (leaked.test(message)) return { _tag: "Authentication" }
  if (unpaid.test(message)) return { _tag: "QuotaExhausted" }
  if (status === 404) return undefined
  if (unable.test(message)) return { _tag: "Unsupported", feature: param ?? message }
  return blocked.test(message) ? { _tag: "ContentPolicy" } : undefined
}

const byType = (
  type: string,
  { message, param }: Wire.WireError,
  retryAfter: Duration.Duration | undefined,
): Reason | undefined => {
  switch (type) {
    case "FAILED_PRECONDITION":
    case "PERMISSION_DENIED":
      return { _tag: "Permission" }
    case "UNAUTHENTICATED":
      return { _tag: "Authentication" }
    case "NOT_FOUND":
      return notFound(message, param)
    case "UNAVAILABLE":
      return { _tag: "Overloaded", retryAfter }
    case "DEADLINE_EXCEEDED":
      return { _tag: "Timeout", phase: "attempt" }
    case "UNKNOWN":
    case "DATA_LOSS":
    case "ABORTED":
    case "CANCELLED":
      return { _tag: "ServerError", retryAfter }
    default:
      return undefined
  }
}

/** A missing file or cache is an error of the request, not of the model. */
const notFound = (message: string | undefined, param: string | undefined): Reason =>
  message !== undefined && /cached ?content|\bfiles?\//i.test(message)
    ? { _tag: "InvalidRequest", param }
    : { _tag: "ModelNotFound" }

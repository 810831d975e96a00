/**
 * What the errors of OpenAI, and of endpoints that speak its protocol (Groq, Together, vLLM), mean. One table for all the
 * ways they come in: thrown by the SDK, sent as a body, or as an event inside a stream, which has no status.
 *
 * Sources: platform.openai.com, "Error codes" and "Rate limits"; console.groq.com, "Errors"; docs.together.ai, "Errors".
 */
import type { Reason } from "@understudy/core/ProviderError"
import { ProviderError } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Wire from "../protocols/chat-completions/Errors.ts"
import type { ErrorContext } from "../HttpProvider.ts"
import * as NetworkError from "../transport/NetworkError.ts"
import * as RetryAfter from "../transport/RetryAfter.ts"
import type { Answer } from "../transport/Transport.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Classify
// ---------------------------------------------------------------------------------------------------------------------

/** An answer that refuses: its status is not 2xx. */
export const refused = ({ headers, status, text }: Answer, { nowMillis, scrub }: ErrorContext): ProviderError => {
  const wire = Wire.parse(text)
  return new ProviderError({
    reason: reason(wire, status, RetryAfter.parse(headers, nowMillis)),
    message: scrub(wire.message ?? (text.trim() === "" ? `Status ${status}` : text.slice(0, longest))),
    status,
    requestId: Predicate.isString(headers["x-request-id"]) ? headers["x-request-id"] : undefined,
  })
}

/** The most that is shown of an error that is no JSON, such as a proxy's page. */
const longest = 200

/** What broke on the way. */
export const classify = (failure: unknown, { scrub }: Pick<ErrorContext, "scrub">): ProviderError =>
  NetworkError.classify(failure) ??
  new ProviderError({
    reason: { _tag: "ServerError" },
    message: scrub(Predicate.isError(failure) ? failure.message : String(failure)),
    cause: failure,
  })

/** An `error` event of a stream. */
export const fromEvent =
  (scrub: ErrorContext["scrub"]) =>
  (error: Wire.WireError): ProviderError =>
    new ProviderError({
      reason: reason(error, error.status),
      message: scrub(error.message ?? error.code ?? error.type ?? "An error inside the stream"),
    })

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

/** By the code, then by the words, which tell more than the type, then by the type, then by the status. */
export const reason = (error: Wire.WireError, status?: number, retryAfter?: Duration.Duration): Reason =>
  byCode(error, status, retryAfter) ??
  byMessage(error, status, retryAfter) ??
  byType(error, retryAfter) ??
  byStatus(status, error, retryAfter)

const byCode = (
  { code, message, param }: Wire.WireError,
  status: number | undefined,
  retryAfter: Duration.Duration | undefined,
): Reason | undefined => {
  switch (code) {
    case "rate_limit_exceeded":
    case "slow_down":
      return tooLargeForRate(message) ? { _tag: "ContextWindowExceeded" } : { _tag: "RateLimited", retryAfter }
    case "insufficient_quota":
    case "credit_balance_exhausted":
    case "billing_hard_limit_reached":
      return { _tag: "QuotaExhausted" }
    case "invalid_api_key":
    case "invalid_organization":
      return { _tag: "Authentication" }
    case "unsupported_country_region_territory":
    case "ip_not_authorized":
      return { _tag: "Permission" }
    case "model_not_found":
    case "model_not_available":
    case "DeploymentNotFound":
      return { _tag: "ModelNotFound" }
    case "context_length_exceeded":
      return { _tag: "ContextWindowExceeded" }
    case "content_policy_violation":
    case "content_filter":
    case "invalid_prompt":
    case "bio_policy":
      return { _tag: "ContentPolicy" }
    case "server_is_overloaded":
    case "capacity_exceeded":
    case "engine_overloaded":
      return { _tag: "Overloaded", retryAfter }
    case "unsupported_parameter":
    case "unsupported_value":
      return { _tag: "Unsupported", feature: param ?? message ?? code }
    default:
      return code !== undefined && status !== 400 && /_(?:spend|usage)_limit_exceeded$/.test(code)
        ? { _tag: "QuotaExhausted" }
        : undefined
  }
}

/** A request that by itself exceeds the tokens of a minute: waiting does not cure it. */
const tooLargeForRate = (message: string | undefined): boolean =>
  message !== undefined && /request too large for/i.test(message)

const tooLong = new RegExp(
  [
    /exceeds? the (?:model'?s? |available )?context (?:window|length|size)/,
    /maximum context length/,
    /reduce the length of/,
    /token count \+ max_tokens must be less than the context length/,
    /(?:prompt|input) is too long/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "i",
)
const overloaded = /currently overloaded|at capacity/i

const byMessage = (
  { message }: Wire.WireError,
  status: number | undefined,
  retryAfter: Duration.Duration | undefined,
): Reason | undefined => {
  if (message === undefined) return undefined
  if (status === 429) return tooLargeForRate(message) ? { _tag: "ContextWindowExceeded" } : undefined
  if (status === undefined || status >= 500) {
    if (overloaded.test(message)) return { _tag: "Overloaded", retryAfter }
    if (status !== undefined) return undefined
  }
  return tooLong.test(message) ? { _tag: "ContextWindowExceeded" } : undefined
}

const byType = ({ param, type }: Wire.WireError, retryAfter: Duration.Duration | undefined): Reason | undefined => {
  switch (type) {
    case "insufficient_quota":
      return { _tag: "QuotaExhausted" }
    case "authentication_error":
      return { _tag: "Authentication" }
    case "permission_error":
      return { _tag: "Permission" }
    case "not_found_error":
      return { _tag: "ModelNotFound" }
    case "tokens":
    case "requests":
    case "rate_limit_error":
      return { _tag: "RateLimited", retryAfter }
    case "overloaded_error":
    case "service_unavailable":
    case "service_unavailable_error":
      return { _tag: "Overloaded", retryAfter }
    case "timeout_error":
      return { _tag: "Timeout", phase: "attempt" }
    default:
      // OpenAI says invalid_request_error of bad keys and missing models too: the status knows better, where there is one.
      return type === "invalid_request_error" && param !== undefined && param !== "model"
        ? { _tag: "InvalidRequest", param }
        : undefined
  }
}

const byStatus = (
  status: number | undefined,
  { param, type }: Wire.WireError,
  retryAfter: Duration.Duration | undefined,
): Reason => {
  switch (status) {
    case 401:
      return { _tag: "Authentication" }
    case 402:
      return { _tag: "QuotaExhausted" }
    case 403:
      return { _tag: "Permission" }
    case 404:
      return { _tag: "ModelNotFound" }
    case 408:
    case 504:
      return { _tag: "Timeout", phase: "attempt" }
    case 429:
      return { _tag: "RateLimited", retryAfter }
    case 498:
    case 503:
    case 529:
      return { _tag: "Overloaded", retryAfter }
    case undefined:
      return type === "invalid_request_error" ? { _tag: "InvalidRequest", param } : { _tag: "ServerError", retryAfter }
    default:
      return status >= 400 && status < 500 ? { _tag: "InvalidRequest", param } : { _tag: "ServerError", retryAfter }
  }
}

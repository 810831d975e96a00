/**
 * What the errors of OpenAI, and of endpoints that speak its protocol (Groq, Together, vLLM), mean. One table for all the
 * ways they come in: thrown by the SDK, sent as a body, or as an event inside a stream, which has no status.
 *
 * Sources: platform.openai.com, "Error codes" and "Rate limits"; console.groq.com, "Errors"; docs.together.ai, "Errors".
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import type * as Wire from "../protocols/chat-completions/Errors.ts"
import * as StatusReason from "../StatusReason.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

/** By the code, then by the words, which tell more than the type, then by the type, then by the status. */
export const reason = (error: Wire.WireError, status?: number, retryAfter?: Duration.Duration): Reason =>
  byCode(error, status, retryAfter) ??
  byMessage(error, status, retryAfter) ??
  byType(error, retryAfter) ??
  byStatus(status, error, retryAfter)

/**
 * Of a request for embeddings: a server that has none does not know the address, which says nothing of the model it
 * converses with.
 */
export const embedding: typeof reason = (error, status, retryAfter) =>
  (status === 404 || status === 405 || status === 501) && byCode(error, status, retryAfter) === undefined
    ? { _tag: "Unsupported", feature: "embeddings" }
    : reason(error, status, retryAfter)

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
/** One that embeds asked to converse, or the other way about: the model and the key are as good as ever. */
const otherKind = /not allowed to (generate embeddings|sample) from this model|(not a chat model)/i
const overloaded = /currently overloaded|at capacity/i

const byMessage = (
  { message }: Wire.WireError,
  status: number | undefined,
  retryAfter: Duration.Duration | undefined,
): Reason | undefined => {
  if (message === undefined) return undefined
  const kind = otherKind.exec(message)
  if (kind !== null) return { _tag: "Unsupported", feature: kind[1] === "generate embeddings" ? "embeddings" : "chat" }
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
  if (status !== undefined) return StatusReason.of(status, { param, retryAfter })
  return type === "invalid_request_error" ? { _tag: "InvalidRequest", param } : { _tag: "ServerError", retryAfter }
}

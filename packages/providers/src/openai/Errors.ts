/**
 * What the errors of OpenAI, and of everybody who speaks its protocol (see `Compatible`), mean. One table for all the
 * ways they come in: thrown by the SDK, sent as a body, or as an event inside a stream, which has no status.
 *
 * Sources: platform.openai.com, "Error codes", "Rate limits" and the errors of a response that failed; console.groq.com, "Errors"; docs.together.ai, "Errors";
 * fireworks.ai, "Error codes"; api-docs.deepseek.com, "Error codes"; docs.mistral.ai, "Error handling"; docs.x.ai,
 * "Debugging errors"; openrouter.ai, "Errors"; learn.microsoft.com, "Azure OpenAI error codes"; Ollama's and vLLM's source.
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
    case "invalid_authentication":
      return { _tag: "Authentication" }
    case "unsupported_country_region_territory":
    case "ip_not_authorized":
    case "model_terms_required":
    case "organization_restricted":
      return { _tag: "Permission" }
    case "model_not_found":
    case "model_not_available":
    case "model_decommissioned":
    case "DeploymentNotFound":
    case "OperationNotSupported":
      return { _tag: "ModelNotFound" }
    case "context_length_exceeded":
      return { _tag: "ContextWindowExceeded" }
    case "content_policy_violation":
    case "content_filter":
    case "ResponsibleAIPolicyViolation":
    case "invalid_prompt":
    case "bio_policy":
    case "misalignment_policy_violation":
    case "image_content_policy_violation":
      return { _tag: "ContentPolicy" }
    case "vector_store_timeout":
      return { _tag: "Timeout", phase: "attempt" }
    case "server_is_overloaded":
    case "capacity_exceeded":
    case "engine_overloaded":
      return { _tag: "Overloaded", retryAfter }
    // Groq's model wrote what is no call of a tool, or no JSON: another try may not.
    case "tool_use_failed":
    case "json_validate_failed":
    case "output_parse_failed":
      return { _tag: "Malformed" }
    case "unsupported_parameter":
    case "unsupported_value":
      return { _tag: "Unsupported", feature: param ?? message ?? code }
    default:
      // A response tells of an image that it could not use by its code alone, without a status or a type.
      if (code !== undefined && status === undefined && unusableImage.test(code))
        return { _tag: "InvalidRequest", param }
      return code !== undefined && status !== 400 && /_(?:spend|usage)_limit_exceeded$/.test(code)
        ? { _tag: "QuotaExhausted" }
        : undefined
  }
}

const unusableImage = /^(?:(?:invalid|unsupported|empty)_(?:\w+_)?image|image_|failed_to_download_image)/

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
    /maximum prompt length is/,
    /too large for model with \d+ maximum/,
    /longer than the maximum model length/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "i",
)
/** One that embeds asked to converse, or the other way about: the model and the key are as good as ever. */
const otherKind = /not allowed to (generate embeddings|sample) from this model|(not a chat model)/i
const overloaded = /currently overloaded|at capacity/i
const spent =
  /used all available credits|monthly spending limit|insufficient (?:balance|credits)|more credits|out of credits|account is suspended/i
const badKey = /incorrect api key|invalid api key/i
const flagged = /requires moderation|was flagged|content management policy/i
/** The words of a refusal that another model need not answer with: the request is sound, this model does not take it. */
const unable = new RegExp(
  [
    /(?:does not|doesn't) support (?:the )?(?:parameters? )?[`'"]?([\w ]+)/,
    /is not (?:a multimodal) model|(auto)"? tool choice requires/,
    /argument not supported on this model: (\w+)/,
    /property ['"`]?([\w.]+)['"`]? is unsupported/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "i",
)

const byMessage = (
  { message }: Wire.WireError,
  status: number | undefined,
  retryAfter: Duration.Duration | undefined,
): Reason | undefined => {
  if (message === undefined) return undefined
  if (spent.test(message)) return { _tag: "QuotaExhausted" }
  const kind = otherKind.exec(message)
  if (kind !== null) return { _tag: "Unsupported", feature: kind[1] === "generate embeddings" ? "embeddings" : "chat" }
  if (status === 429) return tooLargeForRate(message) ? { _tag: "ContextWindowExceeded" } : undefined
  if (status === undefined || status >= 500) {
    if (overloaded.test(message)) return { _tag: "Overloaded", retryAfter }
    if (status !== undefined) return undefined
  }
  if (tooLong.test(message)) return { _tag: "ContextWindowExceeded" }
  if (status === 400 && badKey.test(message)) return { _tag: "Authentication" }
  if ((status === 400 || status === 403) && flagged.test(message)) return { _tag: "ContentPolicy" }
  const refused = status === 400 || status === 422 ? unable.exec(message) : null
  if (refused === null) return undefined
  const [words, ...features] = refused
  return { _tag: "Unsupported", feature: (features.find((feature) => feature !== undefined) ?? words).trim() }
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
    case "invalid_model":
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
  // Fireworks' word for an account that was suspended, mostly over its spending limit.
  if (status === 412) return { _tag: "QuotaExhausted" }
  if (status !== undefined) return StatusReason.of(status, { param, retryAfter })
  return type === "invalid_request_error" ? { _tag: "InvalidRequest", param } : { _tag: "ServerError", retryAfter }
}

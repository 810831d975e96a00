/**
 * What Anthropic's errors mean. One table for all the ways they come in: thrown by the SDK, sent as a body, or as an
 * event inside a stream, which has no status.
 *
 * Sources: platform.claude.com, "Errors" and "Rate limits", and the SDK's own list of error codes.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import type * as Wire from "../protocols/messages/Errors.ts"
import * as StatusReason from "../StatusReason.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

/** By the code, then by the words, which tell more than the type of a 400, then by the type, then by the status. */
export const reason = (error: Wire.WireError, status?: number, retryAfter?: Duration.Duration): Reason =>
  byCode(error, retryAfter) ??
  byMessage(error, status) ??
  byType(error, retryAfter) ??
  byStatus(status, error, retryAfter)

const byCode = ({ code }: Wire.WireError, retryAfter: Duration.Duration | undefined): Reason | undefined => {
  if (code === undefined) return undefined
  if (code === "ramp_limit_exceeded") return { _tag: "RateLimited", retryAfter }
  return /_spend_limit_reached$|billing_(?:unavailable|not_authorized)$|_not_billable$/.test(code)
    ? { _tag: "QuotaExhausted" }
    : undefined
}

const tooLong = /prompt is too long|exceeds? (?:the |its )?(?:model's )?context (?:limit|window|length)/i
const unpaid = /credit balance is too low|reached your specified .*usage limits/i
const blocked = /content filtering policy/i
/** The words of a 400 that another model need not answer with: the request is sound, this model does not take it. */
const unable = new RegExp(
  [
    /(?:not (?:yet )?(?:supported|available|allowed)|deprecated|cannot both be specified) (?:for|on|by|with) (?:this|the) (?:\w+ )?model/,
    /(?:model|claude-[\w.-]+)['"`]? does not support/,
    /max_tokens: \d+ > \d+/,
    /^output_config\.format/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "i",
)

const byMessage = (error: Wire.WireError, status: number | undefined): Reason | undefined => {
  const { message, param } = error
  if (message === undefined || status === 429 || (status !== undefined && status >= 500)) return undefined
  if (tooLong.test(message)) return { _tag: "ContextWindowExceeded" }
  if (unpaid.test(message)) return { _tag: "QuotaExhausted" }
  if (blocked.test(message)) return { _tag: "ContentPolicy" }
  if (unable.test(message)) return { _tag: "Unsupported", feature: param ?? message }
  return undefined
}

const byType = (
  { type, message, param }: Wire.WireError,
  retryAfter: Duration.Duration | undefined,
): Reason | undefined => {
  switch (type) {
    case "invalid_request_error":
    case "request_too_large":
    case "conflict_error":
      return { _tag: "InvalidRequest", param }
    case "authentication_error":
      return { _tag: "Authentication" }
    case "billing_error":
      return { _tag: "QuotaExhausted" }
    case "permission_error":
      return { _tag: "Permission" }
    case "not_found_error":
      return notFound(message, param)
    case "rate_limit_error":
      return { _tag: "RateLimited", retryAfter }
    case "timeout_error":
      return { _tag: "Timeout", phase: "attempt" }
    case "api_error":
      return { _tag: "ServerError", retryAfter }
    case "overloaded_error":
      return { _tag: "Overloaded", retryAfter }
    default:
      return undefined
  }
}

/** A file, a container or a skill that is not there is the request's fault, and says nothing of the model. */
const notFound = (message: string | undefined, param: string | undefined): Reason =>
  message !== undefined && /^(?:file|container|skill|thread)\b/i.test(message)
    ? { _tag: "InvalidRequest", param }
    : { _tag: "ModelNotFound" }

const byStatus = (
  status: number | undefined,
  { message, param }: Wire.WireError,
  retryAfter: Duration.Duration | undefined,
): Reason => {
  if (status === undefined) return { _tag: "ServerError", retryAfter }
  return status === 404 ? notFound(message, param) : StatusReason.of(status, { param, retryAfter })
}

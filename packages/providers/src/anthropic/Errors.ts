/**
 * The reasons of Anthropic's errors: error bodies, and events inside a stream, which have no status.
 *
 * Sources: platform.claude.com, "Errors" and "Rate limits", and the SDK's own list of error codes.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as ErrorReason from "../ErrorReason.ts"
import type * as Wire from "../protocols/messages/Errors.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

/** The reason of an error. `ErrorReason` sets the order of the tests. */
export const reason = (error: Wire.WireError, status?: number, retryAfter?: Duration.Duration): Reason => {
  const { message, param, type } = error
  if (status === 404 && type === undefined) return notFound(message, param)
  return ErrorReason.of(error, status ?? error.status, retryAfter, {
    byCode: (code) => byCode(code, retryAfter),
    byMessage: (message) => byMessage(message, param, status),
    byType: (name) => (name === "not_found_error" ? notFound(message, param) : byType(name)),
  })
}

const byCode = (code: string, retryAfter: Duration.Duration | undefined): Reason | undefined => {
  if (code === "ramp_limit_exceeded") return { _tag: "RateLimited", retryAfter }
  return /_spend_limit_reached$|billing_(?:unavailable|not_authorized)$|_not_billable$/.test(code)
    ? { _tag: "QuotaExhausted" }
    : undefined
}

const blocked = /content filtering policy/i
/** Messages about a valid request that this model does not support. */
const unable = new RegExp(
  [
    /(?:not (?:yet )?(?:supported|available|allowed)|deprecated|cannot both be specified) (?:for|on|by|with) (?:this|the) (?:\w+ )?model/,
    /(?:model|claude-[\w.-]+)['"`]? does not support/,
    /^output_config\.format/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "i",
)

const byMessage = (message: string, param: string | undefined, status: number | undefined): Reason | undefined => {
  if (status === 429 || (status !== undefined && status >= 500)) return undefined
  if (blocked.test(message)) return { _tag: "ContentPolicy" }
  return unable.test(message) ? { _tag: "Unsupported", feature: param ?? message } : undefined
}

const byType = (type: string): Reason | undefined => (type === "billing_error" ? { _tag: "QuotaExhausted" } : undefined)

/** A missing file, container or skill is an error of the request, not of the model. */
const notFound = (message: string | undefined, param: string | undefined): Reason =>
  message !== undefined && /^(?:file|container|skill|thread)\b/i.test(message)
    ? { _tag: "InvalidRequest", param }
    : { _tag: "ModelNotFound" }

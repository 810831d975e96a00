/**
 * The reasons of errors of OpenAI and of compatible vendors (see `Compatible`): error bodies, and events inside a stream,
 * which have no status.
 *
 * Sources: platform.openai.com, "Error codes", "Rate limits" and the errors of a response that failed; console.groq.com, "Errors"; docs.together.ai, "Errors";
 * fireworks.ai, "Error codes"; api-docs.deepseek.com, "Error codes"; docs.mistral.ai, "Error handling"; docs.x.ai,
 * "Debugging errors"; openrouter.ai, "Errors"; learn.microsoft.com, "Azure OpenAI error codes"; Ollama's and vLLM's source.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as ErrorName from "../ErrorName.ts"
import * as ErrorReason from "../ErrorReason.ts"
import type * as Wire from "../protocols/chat-completions/Errors.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

/** The reason of an error. `ErrorReason` sets the order of the tests. */
export const reason = (error: Wire.WireError, status?: number, retryAfter?: Duration.Duration): Reason => {
  const { detail, message, param, type } = error
  const text = detail === undefined ? message : `${message ?? ""} ${detail}`
  const described = { ...error, message: text }
  // Fireworks sends 412 for a suspended account, mostly over its spending limit.
  if (status === 412) return { _tag: "QuotaExhausted" }
  return ErrorReason.of(described, status ?? error.status, retryAfter, {
    byCode: (code) => byCode(code, described, status, retryAfter),
    byType: (name) => byType(name, { isOwn: name === type, param }, retryAfter),
  })
}

/**
 * The reason of an error of another operation than chat. A server without it does not know the path, which is no error of its
 * models.
 */
export const operation =
  (feature: string): typeof reason =>
  (error, status, retryAfter) =>
    (status === 404 || status === 405 || status === 501) &&
    (error.code === undefined ||
      (byCode(error.code, error, status, retryAfter) ?? ErrorName.of(error.code, {})) === undefined)
      ? { _tag: "Unsupported", feature }
      : reason(error, status, retryAfter)

/** As `operation`, where something is named by its id: what is no longer there is an error of the request. */
export const stored =
  (feature: string): typeof reason =>
  (error, status, retryAfter) =>
    status === 404 && error.message !== undefined && /no such|not (?:be )?found|does not exist/i.test(error.message)
      ? { _tag: "InvalidRequest", param: "id" }
      : operation(feature)(error, status, retryAfter)

const byCode = (
  code: string,
  { message, param }: ErrorReason.WireError,
  status: number | undefined,
  retryAfter: Duration.Duration | undefined,
): Reason | undefined => {
  switch (code) {
    case "rate_limit_exceeded":
    case "slow_down":
      return tooLargeForRate(message) ? { _tag: "ContextWindowExceeded" } : { _tag: "RateLimited", retryAfter }
    case "model_decommissioned":
    case "DeploymentNotFound":
    case "OperationNotSupported":
      return { _tag: "ModelNotFound" }
    case "organization_restricted":
      return { _tag: "Permission" }
    case "invalid_prompt":
    case "misalignment_policy_violation":
    case "image_content_policy_violation":
      return { _tag: "ContentPolicy" }
    // Groq's model generated an invalid tool call or invalid JSON: a retry may succeed.
    case "tool_use_failed":
    case "json_validate_failed":
    case "output_parse_failed":
      return { _tag: "Malformed" }
    case "array_above_max_length":
    case "string_above_max_length":
      return { _tag: "Unsupported", feature: param ?? message ?? code }
    default:
      // The Responses API reports an unusable image by code, without a status or a type.
      if (status === undefined && unusableImage.test(code)) return { _tag: "InvalidRequest", param }
      return status !== 400 && /_(?:spend|usage)_limit_exceeded$/.test(code) ? { _tag: "QuotaExhausted" } : undefined
  }
}

const unusableImage = /^(?:(?:invalid|unsupported|empty)_(?:\w+_)?image|image_|failed_to_download_image)/

/** Whether one request exceeds the tokens of a minute: a retry would fail too. */
const tooLargeForRate = (message: string | undefined): boolean =>
  message !== undefined && /request too large for/i.test(message)

const byType = (
  type: string,
  { isOwn, param }: { readonly isOwn: boolean; readonly param: string | undefined },
  retryAfter: Duration.Duration | undefined,
): Reason | undefined => {
  switch (type) {
    case "tokens":
    case "requests":
      return { _tag: "RateLimited", retryAfter }
    case "not_found_error":
    case "NotFoundError":
      return isOwn || param === undefined ? { _tag: "ModelNotFound" } : undefined
    default:
      return undefined
  }
}

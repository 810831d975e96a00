/**
 * Errors, between `effect/ai` and the engine: a `RouterError` as an `AiError`, whose reason tells the application whether to
 * retry; an `AiError` as a `ProviderError`, whose reason tells the engine where to fall back.
 */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { ProviderError } from "../../model/ProviderError.ts"
import type { Reason } from "../../model/ProviderError.ts"
import type { RouterError } from "../../execution/RouterError.ts"

/** The methods of the models of `effect/ai`, by the names in their errors. */
export type Method = "generateText" | "streamText" | "embedMany" | "decide" | "tokenize"

/** An error of this bridge in a method. */
export const make = (method: Method, reason: AiError.AiErrorReason): AiError.AiError =>
  AiError.make({ module: "Understudy", method, reason })

/** The result of a conversion, as an effect. */
export const fromResult = <A>(
  method: Method,
  result: Result.Result<A, AiError.AiErrorReason>,
): Effect.Effect<A, AiError.AiError> => Effect.fromResult(Result.mapError(result, (reason) => make(method, reason)))

export const toAi = (method: Method, error: RouterError): AiError.AiError => make(method, reasonOf(error))

const reasonOf = ({ cause, kind, message, param, retryAfter }: RouterError): AiError.AiErrorReason => {
  switch (kind) {
    case "ModelNotFound":
    case "InvalidRequest":
    case "TooLarge":
      return new AiError.InvalidRequestError({
        description: message,
        ...(param === undefined ? undefined : { parameter: param }),
      })
    case "Forbidden":
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description: message })
    case "ContentPolicy":
    case "GuardrailRefused":
      return new AiError.ContentPolicyError({ description: message })
    case "RateLimited":
      return new AiError.RateLimitError(retryAfter === undefined ? {} : { retryAfter: Duration.millis(retryAfter) })
    case "BudgetExceeded":
      return retryAfter === undefined
        ? new AiError.QuotaExhaustedError({})
        : new AiError.RateLimitError({ retryAfter: Duration.millis(retryAfter) })
    case "NotAccepted":
      return new AiError.InvalidOutputError({ description: message })
    case "GuardrailFailed":
    case "Timeout":
    case "Unavailable":
    case "StreamInterrupted":
    case "Draining":
      return new AiError.InternalProviderError({ description: message })
    case "Upstream":
      // These reasons are not retryable, which the application learns from the kind of error.
      switch (cause?.reason._tag) {
        case "Authentication":
          return new AiError.AuthenticationError({ kind: "InvalidKey", description: message })
        case "Permission":
          return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description: message })
        case "QuotaExhausted":
          return new AiError.QuotaExhaustedError({})
        default:
          return new AiError.InternalProviderError({ description: message })
      }
  }
}

export const fromAi = (error: AiError.AiError): ProviderError =>
  new ProviderError({ reason: meaning(error.reason), message: error.message, cause: error })

const tooLong = /context (?:window|length)|(?:prompt|input) is too long|too many (?:input )?tokens/i

const meaning = (reason: AiError.AiErrorReason): Reason => {
  switch (reason._tag) {
    case "RateLimitError":
      return { _tag: "RateLimited", retryAfter: reason.retryAfter }
    case "QuotaExhaustedError":
      return { _tag: "QuotaExhausted" }
    case "AuthenticationError":
      return { _tag: reason.kind === "InsufficientPermissions" ? "Permission" : "Authentication" }
    case "ContentPolicyError":
      return { _tag: "ContentPolicy" }
    case "InvalidRequestError":
      return tooLong.test(reason.description ?? "")
        ? { _tag: "ContextWindowExceeded" }
        : { _tag: "InvalidRequest", param: reason.parameter }
    case "InvalidUserInputError":
    case "ToolkitRequiredError":
    case "ToolConfigurationError":
      return { _tag: "InvalidRequest" }
    case "UnsupportedSchemaError":
      return { _tag: "Unsupported", feature: reason.description }
    case "NetworkError":
      return { _tag: "Network" }
    case "InvalidResponseError":
    case "InvalidOutputError":
    case "StructuredOutputError":
    case "ToolNotFoundError":
    case "ToolParameterValidationError":
    case "InvalidToolResultError":
    case "ToolResultEncodingError":
      return { _tag: "Malformed" }
    case "InternalProviderError":
    case "UnknownError":
      return { _tag: "ServerError" }
  }
}

/**
 * Errors, between the AI SDK and the engine: a `RouterError` as an error of the AI SDK, which `ai` does not retry; an error of
 * a model as a `ProviderError`, whose reason tells the engine where to fall back.
 */
import {
  APICallError,
  EmptyResponseBodyError,
  InvalidArgumentError,
  InvalidPromptError,
  InvalidResponseDataError,
  JSONParseError,
  LoadAPIKeyError,
  LoadSettingError,
  NoContentGeneratedError,
  NoSuchModelError,
  NoSuchProviderReferenceError,
  TypeValidationError,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider"
import type { Reason } from "@understudy/core/ProviderError"
import { ProviderError } from "@understudy/core/ProviderError"
import type { RouterError } from "@understudy/core/RouterError"
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as AnthropicErrors from "../anthropic/Errors.ts"
import * as GeminiErrors from "../gemini/Errors.ts"
import * as OpenAiErrors from "../openai/Errors.ts"
import * as ChatCompletions from "../protocols/chat-completions/Errors.ts"
import * as Gemini from "../protocols/gemini/Errors.ts"
import * as Json from "../protocols/Json.ts"
import * as KindStatus from "../protocols/KindStatus.ts"
import * as Messages from "../protocols/messages/Errors.ts"
import * as NetworkError from "../transport/NetworkError.ts"
import * as RetryAfter from "../transport/RetryAfter.ts"
import * as Answers from "./Answers.ts"

// ---------------------------------------------------------------------------------------------------------------------
// RouterError -> the AI SDK
// ---------------------------------------------------------------------------------------------------------------------

/** Which kind of model was called. */
export type ModelType = "languageModel" | "embeddingModel"

/**
 * The error of a call. It is never retryable: the route has made its attempts, and `ai`'s `maxRetries` would multiply them.
 * `data` has the kind of the error and the call's metadata, `responseHeaders` the wait after which another call is
 * worthwhile.
 */
export const toAi = (error: RouterError, modelId: string, modelType: ModelType): Error => {
  const { kind, message, param, receipt, retryAfter } = error
  if (kind === "ModelNotFound" && receipt === undefined) return new NoSuchModelError({ modelId, modelType, message })
  return new APICallError({
    message,
    url: `understudy:${modelId}`,
    requestBodyValues: {},
    statusCode: KindStatus.of[kind],
    isRetryable: false,
    ...(retryAfter === undefined
      ? undefined
      : { responseHeaders: { "retry-after": String(Math.max(1, Math.ceil(retryAfter / 1000))) } }),
    data: {
      kind,
      ...Json.defined({ param, retryAfter }),
      ...(receipt === undefined ? undefined : Answers.routeMetadata(receipt)),
    },
    cause: error,
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// The AI SDK -> ProviderError
// ---------------------------------------------------------------------------------------------------------------------

/** The error of a model. `provider` is the model's, such as `"anthropic.messages"`; `now` in clock milliseconds. */
export const classify = (error: unknown, provider: string, now: number): ProviderError => {
  const event = unread(error)
  if (event !== undefined) return insideStream(event, provider, now) ?? NetworkError.orUnexpected(error)
  if (APICallError.isInstance(error)) return callError(error, provider, now)
  const reason = reasonOf(error)
  if (reason !== undefined) return new ProviderError({ reason, message: redacted(messageOf(error)) })
  // `GatewayError`, and the errors inside streams, which are objects.
  if (!(error instanceof Error) || Predicate.hasProperty(error, "statusCode")) {
    const inside = insideStream(error, provider, now)
    if (inside !== undefined) return inside
  }
  return NetworkError.orUnexpected(error)
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The reason of an error that has no response of the vendor. */
const reasonOf = (error: unknown): Reason | undefined => {
  if (LoadAPIKeyError.isInstance(error) || LoadSettingError.isInstance(error)) return { _tag: "Authentication" }
  if (NoSuchModelError.isInstance(error)) return { _tag: "ModelNotFound" }
  if (UnsupportedFunctionalityError.isInstance(error)) return { _tag: "Unsupported", feature: error.functionality }
  if (NoSuchProviderReferenceError.isInstance(error))
    return { _tag: "Unsupported", feature: "another vendor's file id" }
  if (InvalidArgumentError.isInstance(error)) return { _tag: "InvalidRequest", param: error.argument }
  if (InvalidPromptError.isInstance(error)) return { _tag: "InvalidRequest", param: "prompt" }
  return isMalformed(error) ? { _tag: "Malformed" } : timeoutOf(error)
}

/**
 * The vendor's error in an event that its package cannot read, because the package knows no errors in streams; `undefined`
 * if there is none.
 */
export const unread = (error: unknown): unknown =>
  TypeValidationError.isInstance(error) && Predicate.hasProperty(error.value, "error") ? error.value : undefined

/** Whether a response, or one event of it, cannot be read. */
export const isMalformed = (error: unknown): boolean =>
  TypeValidationError.isInstance(error) ||
  JSONParseError.isInstance(error) ||
  InvalidResponseDataError.isInstance(error) ||
  EmptyResponseBodyError.isInstance(error) ||
  NoContentGeneratedError.isInstance(error)

/** A limit of the vendor's own `fetch`, such as `AbortSignal.timeout`. The engine's limits interrupt the call. */
const timeoutOf = (error: unknown): Reason | undefined => {
  if (!(error instanceof Error)) return undefined
  if (error.name === "TimeoutError") return { _tag: "Timeout", phase: "attempt" }
  return error.name === "AbortError" ? { _tag: "Network" } : undefined
}

const callError = (error: APICallError, provider: string, now: number): ProviderError => {
  const { message, responseBody = "", responseHeaders = {}, statusCode } = error
  if (statusCode === undefined || (statusCode >= 200 && statusCode <= 299)) {
    // A response that cannot be read has a status, a connection that failed has none.
    const reason: Reason = statusCode === undefined ? { _tag: "Network" } : { _tag: "Malformed" }
    return NetworkError.classify(error) ?? new ProviderError({ reason, message: redacted(message) })
  }
  const { reason, wire } = tableOf(provider)(
    Json.parse(responseBody),
    statusCode,
    (wait) => RetryAfter.parse(responseHeaders, now) ?? wait,
    now,
  )
  return new ProviderError({
    reason,
    message: described(reason, wire ?? message),
    status: statusCode,
    requestId: responseHeaders["x-request-id"] ?? responseHeaders["request-id"],
  })
}

/** An error in a stream: an object of the vendor, or one that a vendor's package has made of it. */
const insideStream = (error: unknown, provider: string, now: number): ProviderError | undefined => {
  const fields = Json.fields(error)
  const data = fields["data"] ?? error
  const body = Json.isObject(data) ? data : { message: String(data) }
  const whole = Predicate.hasProperty(body, "error") ? body : { error: body }
  const { reason, wire } = tableOf(provider)(whole, Json.status(fields["statusCode"]), (wait) => wait, now)
  const message = wire ?? (Predicate.isString(error) ? error : Json.nonEmptyString(fields["message"]))
  return message === undefined ? undefined : new ProviderError({ reason, message: described(reason, message) })
}

/**
 * The message of an error. Vendors repeat the credential that they reject, which is not known here; other messages may
 * contain one of a known form.
 */
const described = (reason: Reason, message: string): string =>
  reason._tag === "Authentication" ? "the vendor does not accept the credential" : redacted(message)

const redacted = (message: string): string =>
  message.replace(/\b(?:(?:sk|gsk|xai|pplx|nvapi|hf|r8)[-_]|AIza)[\w-]{6,}/g, "[redacted]")

/** The reason and the message of an error body, by the vendor's own table. */
type Table = (
  body: unknown,
  status: number | undefined,
  retryAfter: (ofBody: Duration.Duration | undefined) => Duration.Duration | undefined,
  now: number,
) => { readonly reason: Reason; readonly wire: string | undefined }

const table =
  <Wire extends { readonly message?: string | undefined; readonly retryAfter?: Duration.Duration | undefined }>(
    parse: (body: unknown) => Wire,
    reason: (error: Wire, status: number | undefined, retryAfter: Duration.Duration | undefined) => Reason,
  ): Table =>
  (body, status, retryAfter, now) => {
    const error = parse(body)
    const wait = retryAfter(error.retryAfter) ?? RetryAfter.fromMessage(error.message, now)
    return { reason: reason(error, status, wait), wire: error.message }
  }

const anthropic = table(Messages.fromBody, AnthropicErrors.reason)
const google = table(Gemini.fromBody, GeminiErrors.reason)
/** OpenAI's, which most vendors follow. */
const others = table(ChatCompletions.fromBody, OpenAiErrors.reason)

/** By the first part of a model's provider: `"google.generative-ai"` is Google's. */
const tableOf = (provider: string): Table => {
  if (/^(?:anthropic|minimax)\b|\banthropic\b/.test(provider)) return anthropic
  return provider.startsWith("google") ? google : others
}

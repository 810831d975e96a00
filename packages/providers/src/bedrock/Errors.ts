/**
 * The reasons of Bedrock's errors: exceptions of the SDK, and exception frames inside a stream, which have no status.
 *
 * Sources: docs.aws.amazon.com, "Converse" and "ConverseStream" (errors), "Troubleshooting Amazon Bedrock API error
 * codes" and "Common errors"; the SDK's own models.
 */
import type { Reason } from "@understudy/core/ProviderError"
import { ProviderError } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as ErrorReason from "../ErrorReason.ts"
import * as Wire from "../protocols/converse/Errors.ts"
import * as EventLoop from "../transport/EventLoop.ts"
import * as NetworkError from "../transport/NetworkError.ts"
import * as RetryAfter from "../transport/RetryAfter.ts"

/** The context of a failure. */
export interface Context {
  /** The time now, for a `Retry-After` that is a date. */
  readonly nowMillis: number
  /** The source of the credentials, such as `the profile "main"`, for the message that there are none. */
  readonly credentials: string
}

// ---------------------------------------------------------------------------------------------------------------------
// Classify
// ---------------------------------------------------------------------------------------------------------------------

/** The `ProviderError` of an exception of the SDK or the transport. */
export const classify = (failure: unknown, { nowMillis, credentials }: Context): ProviderError => {
  const answer = answerOf(failure)
  if (answer !== undefined) {
    const wire = Wire.fromBody(failure)
    const message = answer.isReadable ? wire.message : undefined
    return new ProviderError({
      reason: reason(
        wire,
        answer.status,
        RetryAfter.parse(answer.headers, nowMillis) ?? RetryAfter.fromMessage(message, nowMillis),
      ),
      message: message ?? `Status ${answer.status}`,
      status: answer.status,
      requestId: answer.requestId,
    })
  }
  // Credentials in a file that cannot be opened are not missing.
  const ours = NetworkError.localError(failure)
  if (ours !== undefined) return ours
  if (lacksCredentials(failure)) {
    return new ProviderError({
      reason: { _tag: "Authentication" },
      message: `No AWS credentials in ${credentials}: ${failure.message}`,
    })
  }
  if (isConnectTimeout(failure)) {
    if (EventLoop.hasStalled()) return EventLoop.error(failure)
    return new ProviderError({ reason: { _tag: "Timeout", phase: "connect" }, message: failure.message })
  }
  return NetworkError.orUnexpected(failure)
}

/** The `ProviderError` of an exception frame. `now`, in milliseconds, is for waits given as a date. */
export const fromEvent =
  (now: () => number = () => 0) =>
  (error: Wire.WireError): ProviderError =>
    new ProviderError({
      reason: reason(error, error.status, RetryAfter.fromMessage(error.message, now())),
      message: error.message ?? error.name ?? "An exception inside the stream",
    })

interface Answer {
  readonly status: number
  readonly requestId: string | undefined
  readonly headers: RetryAfter.Headers
  /** Whether the body was JSON. If not, the SDK's message is about its parser. */
  readonly isReadable: boolean
}

/** The response that the SDK attaches to its error; `undefined` if there was none. */
const answerOf = (failure: unknown): Answer | undefined => {
  if (!Predicate.isObject(failure)) return undefined
  const metadata = failure["$metadata"]
  const response = failure["$response"]
  const raw = Predicate.isObject(response) ? response : {}
  const fields = Predicate.isObject(metadata) ? metadata : {}
  const status = fields["httpStatusCode"] ?? raw["statusCode"]
  if (!Predicate.isNumber(status)) return undefined
  const headers = raw["headers"]
  const requestId = fields["requestId"]
  return {
    status,
    requestId: Predicate.isString(requestId) ? requestId : undefined,
    headers: Predicate.isObject(headers) ? (headers as Readonly<Record<string, string>>) : {},
    isReadable: failure["name"] !== "SyntaxError",
  }
}

/** The chain found no credentials, or they expired and could not be renewed. */
const lacksCredentials = (failure: unknown): failure is Error =>
  Predicate.isError(failure) &&
  (/^(?:Credentials|Token)ProviderError$/.test(failure.name) || /credential/i.test(failure.message))

/** The SDK's connect timeout, the only one of its timeouts that is on. */
const isConnectTimeout = (failure: unknown): failure is Error =>
  Predicate.isError(failure) && !("code" in failure) && /did not establish a connection/.test(failure.message)

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

/** The reason of an exception, whose name is its code. `ErrorReason` sets the order of the tests. */
export const reason = ({ message, name }: Wire.WireError, status?: number, retryAfter?: Duration.Duration): Reason => {
  const param = message === undefined ? undefined : at.exec(message)?.[1]
  return ErrorReason.of({ code: name, type: name, message, param }, status, retryAfter, {
    byCode: (name) => byName(name, message, retryAfter),
  })
}

const byName = (name: string, message = "", retryAfter: Duration.Duration | undefined): Reason | undefined => {
  switch (name) {
    case "ThrottlingException":
    case "Throttling":
    case "TooManyRequestsException":
      return perDay.test(message) ? { _tag: "QuotaExhausted" } : { _tag: "RateLimited", retryAfter }
    case "ServiceQuotaExceededException":
      return { _tag: "QuotaExhausted" }
    case "ModelNotReadyException":
    case "ServiceUnavailableException":
    case "ServiceUnavailable":
      return { _tag: "Overloaded", retryAfter }
    case "ValidationException":
      return invalid(message)
    case "SerializationException":
      return { _tag: "InvalidRequest" }
    case "ResourceNotFoundException":
    case "ModelNotFoundException":
      return { _tag: "ModelNotFound" }
    case "AccessDeniedException":
      return unauthenticated.test(message) ? { _tag: "Authentication" } : { _tag: "Permission" }
    case "NotAuthorized":
    case "OptInRequired":
      return { _tag: "Permission" }
    case "UnrecognizedClientException":
    case "InvalidClientTokenId":
    case "InvalidSignatureException":
    case "IncompleteSignature":
    case "MissingAuthenticationToken":
    case "MissingAuthenticationTokenException":
    case "ExpiredToken":
    case "ExpiredTokenException":
    case "RequestExpired":
      return { _tag: "Authentication" }
    case "ModelTimeoutException":
      return { _tag: "Timeout", phase: "attempt" }
    case "ModelErrorException":
    case "ModelStreamErrorException":
    case "InternalServerException":
    case "InternalFailure":
      return { _tag: "ServerError", retryAfter }
    default:
      return undefined
  }
}

/** The account's daily quota. "Too many tokens, please wait" is a rate limit. */
const perDay = /\bper day\b|\bdaily\b/i
/** A wrong bearer key gets AccessDeniedException. */
const unauthenticated = /authentication failed|api key|bearer token|security token/i

const tooLong =
  /input is too long|too many input tokens|prompt is too long|input length and `?max_tokens`? exceed|exceeds? (?:the )?(?:\w+ )?(?:model'?s )?(?:maximum )?context|maximum context length|input tokens? (?:count )?exceeds?/i
const blocked = /content filtering policy|blocked by (?:the )?(?:content|guardrail)/i
const noModel =
  /model identifier is invalid|on-demand throughput isn.t supported|model (?:id|identifier) (?:is|was) not found|end of its life/i
const notAllowed = /^operation not allowed/i
/** Messages about a valid request that this model does not support. */
const unable = new RegExp(
  [
    /(?:doesn.t|does not) (?:currently )?support (?:the )?(.+?)(?: field)?(?:[.,:]|$)/,
    /([\w. -]+?)[`'"]? (?:(?:is|are) (?:not supported|deprecated)|isn.t supported) (?:for|by|on|with|in) (?:this|the) model/,
    /(maximum tokens you requested) exceeds|(max_tokens): \d+ > \d+/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "i",
)

const invalid = (message: string): Reason | undefined => {
  if (tooLong.test(message)) return { _tag: "ContextWindowExceeded" }
  if (blocked.test(message)) return { _tag: "ContentPolicy" }
  if (noModel.test(message)) return { _tag: "ModelNotFound" }
  if (notAllowed.test(message)) return { _tag: "Permission" }
  const unsupported = unable
    .exec(message)
    ?.slice(1)
    .find((feature) => feature !== undefined)
  return unsupported === undefined ? undefined : { _tag: "Unsupported", feature: unsupported.trim() }
}

/** The path of the invalid field: `… Value '3.0' at 'inferenceConfig.temperature' failed …`, `… at messages.0.content.0 …` */
const at = /\bat '?([a-z]\w*(?:\.\w+)+)/i

/**
 * What Bedrock's errors mean. One table for all the ways they come in: thrown by the SDK, or as an exception frame inside
 * a stream, which has no status.
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

/** What is known of a failure beside what it said of itself. */
export interface Context {
  /** The time now, for a `Retry-After` that is a date. */
  readonly nowMillis: number
  /** Where credentials were looked for, such as `the profile "main"`, for the message when there are none. */
  readonly credentials: string
}

// ---------------------------------------------------------------------------------------------------------------------
// Classify
// ---------------------------------------------------------------------------------------------------------------------

/** Whatever the SDK or the transport threw, as an error with its reason. A code such as ECONNRESET says more than a name. */
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
  // Whoever cannot open a file finds no credentials in it.
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

/** An exception of a stream; `now` is the clock, for a wait that is told as a date. */
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
  /** Whether the body was JSON. Where it was not, the SDK's error tells of the parser, not of Bedrock. */
  readonly isReadable: boolean
}

/** What there was of an answer: the SDK attaches it to its error, hidden if the body could not be read. */
const answerOf = (failure: unknown): Answer | undefined => {
  if (!Predicate.isObject(failure)) return undefined
  const metadata = failure["$metadata"]
  const response = failure["$response"]
  const raw = Predicate.isObject(response) ? response : {}
  const said = Predicate.isObject(metadata) ? metadata : {}
  const status = said["httpStatusCode"] ?? raw["statusCode"]
  if (!Predicate.isNumber(status)) return undefined
  const headers = raw["headers"]
  const requestId = said["requestId"]
  return {
    status,
    requestId: Predicate.isString(requestId) ? requestId : undefined,
    headers: Predicate.isObject(headers) ? (headers as Readonly<Record<string, string>>) : {},
    isReadable: failure["name"] !== "SyntaxError",
  }
}

/** Nothing was found in the whole chain, or what was found has expired and could not be renewed. */
const lacksCredentials = (failure: unknown): failure is Error =>
  Predicate.isError(failure) &&
  (/^(?:Credentials|Token)ProviderError$/.test(failure.name) || /credential/i.test(failure.message))

/** The SDK's own, the only one of its timeouts that is on. */
const isConnectTimeout = (failure: unknown): failure is Error =>
  Predicate.isError(failure) && !("code" in failure) && /did not establish a connection/.test(failure.message)

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

/** What an exception means, its name for a code: see `ErrorReason` for the order. */
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

/** "Too many tokens per day": the account's daily quota. "Too many tokens, please wait" is a throttle like any other. */
const perDay = /\bper day\b|\bdaily\b/i
/** A bearer key that is wrong is denied, not unrecognised. */
const unauthenticated = /authentication failed|api key|bearer token|security token/i

const tooLong =
  /input is too long|too many input tokens|prompt is too long|input length and `?max_tokens`? exceed|exceeds? (?:the )?(?:\w+ )?(?:model'?s )?(?:maximum )?context|maximum context length|input tokens? (?:count )?exceeds?/i
const blocked = /content filtering policy|blocked by (?:the )?(?:content|guardrail)/i
const noModel =
  /model identifier is invalid|on-demand throughput isn.t supported|model (?:id|identifier) (?:is|was) not found|end of its life/i
const notAllowed = /^operation not allowed/i
/** The words of a refusal that another model need not answer with: the request is sound, this model does not take it. */
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

/** The path of the field to blame: `… Value '3.0' at 'inferenceConfig.temperature' failed …`, `… at messages.0.content.0 …` */
const at = /\bat '?([a-z]\w*(?:\.\w+)+)/i

/**
 * The wire shape of a Google error, the same in a response's body and in a stream's event:
 * `{ "error": { "code", "message", "status", "details": [{ "@type", ... }] } }`, where `code` is the HTTP status. Asked
 * for a stream, the API may put it into an array.
 *
 * What it means is the vendor's to say: see `gemini/Errors.ts`.
 */
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as RetryAfter from "../../transport/RetryAfter.ts"
import type { ClientError } from "../ClientProtocol.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"

/** What an error said of itself; a field is undefined where it said nothing of the kind. */
export interface WireError {
  /** The HTTP status. */
  readonly status: number | undefined
  /** The broad category, such as `"RESOURCE_EXHAUSTED"`. */
  readonly type: string | undefined
  /** A stable code that names the cause, such as `"API_KEY_INVALID"`: `ErrorInfo.reason`. */
  readonly code: string | undefined
  readonly message: string | undefined
  /** The field to blame: `"generationConfig.temperature"`. */
  readonly param: string | undefined
  /** The quotas that are used up, such as `"GenerateRequestsPerDayPerProjectPerModel"`. */
  readonly quotas: ReadonlyArray<string>
  /** When to come back: `RetryInfo.retryDelay`. */
  readonly retryAfter: Duration.Duration | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: what an upstream sent
// ---------------------------------------------------------------------------------------------------------------------

/** Reads an error out of a body that may be anything. */
export const fromBody = (body: unknown): WireError => {
  const outer = Json.fields(Array.isArray(body) ? body[0] : body)
  const error = Json.fields(outer["error"])
  const details = Json.list(error["details"]).map(Json.fields)
  const detail = (type: string): Fields =>
    Json.fields(details.find(({ "@type": at }) => Json.string(at).endsWith(type)))
  const { code } = error
  return {
    status: Json.status(code),
    // A server behind another's protocol has that one's words for the category.
    type: Json.nonEmptyString(error["status"]) ?? Json.nonEmptyString(error["type"]),
    code: Json.nonEmptyString(detail(errorInfo)["reason"]) ?? Json.nonEmptyString(code),
    message:
      Json.nonEmptyString(error["message"]) ??
      Json.nonEmptyString(outer["error"]) ??
      Json.nonEmptyString(outer["message"]) ??
      Json.nonEmptyString(outer["detail"]),
    param: Json.nonEmptyString(Json.fields(Json.list(detail(badRequest)["fieldViolations"])[0])["field"]),
    quotas: Json.list(detail(quotaFailure)["violations"]).flatMap(
      (each) => Json.nonEmptyString(Json.fields(each)["quotaId"]) ?? [],
    ),
    retryAfter: duration(detail(retryInfo)["retryDelay"]),
  }
}

/** Reads an error out of a body's text, which may not be JSON at all. */
export const parse = (text: string): WireError => fromBody(Json.parse(text))

const errorInfo = "google.rpc.ErrorInfo"
const badRequest = "google.rpc.BadRequest"
const quotaFailure = "google.rpc.QuotaFailure"
const retryInfo = "google.rpc.RetryInfo"

/** `"37s"`, `"0.5s"`, mere seconds, or the seconds and nanoseconds apart. */
const duration = (delay: unknown): Duration.Duration | undefined => {
  if (Predicate.isObject(delay)) {
    const { nanos, seconds } = delay
    return RetryAfter.bounded(Number(seconds ?? 0) * 1000 + Number(nanos ?? 0) / 1_000_000)
  }
  return RetryAfter.ofField(delay)
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: what a client is told
// ---------------------------------------------------------------------------------------------------------------------

/** The body of a failed request, or of a broken stream's last event. What Google has no detail for stands in our own. */
export const encode = ({ attempts, code, message, param, requestId, retryAfter, status }: ClientError) => ({
  error: {
    code: status,
    message,
    status: statusOf(status),
    details: [
      {
        "@type": `${types}${errorInfo}`,
        reason: code.toUpperCase(),
        domain: "understudy",
        ...(requestId === undefined ? undefined : { metadata: { requestId } }),
      },
      ...(param === undefined || param === ""
        ? []
        : [{ "@type": `${types}${badRequest}`, fieldViolations: [{ field: param, description: message }] }]),
      ...(retryAfter === undefined
        ? []
        : [{ "@type": `${types}${retryInfo}`, retryDelay: `${Math.max(1, Math.ceil(retryAfter / 1000))}s` }]),
      ...(attempts === undefined ? [] : [{ "@type": "understudy/Attempts", attempts }]),
    ],
  },
})

const types = "type.googleapis.com/"

/** Google's word for a status. */
const statusOf = (status: number): string => {
  switch (status) {
    case 401:
      return "UNAUTHENTICATED"
    case 403:
      return "PERMISSION_DENIED"
    case 404:
      return "NOT_FOUND"
    case 429:
      return "RESOURCE_EXHAUSTED"
    case 503:
      return "UNAVAILABLE"
    case 408:
    case 504:
      return "DEADLINE_EXCEEDED"
    default:
      return status >= 500 ? "INTERNAL" : "INVALID_ARGUMENT"
  }
}

/**
 * The wire shape of a Google error in a response body and in a stream event: `{ "error": { "code", "message", "status",
 * "details": [{ "@type", ... }] } }`, where `code` is the HTTP status. For a stream, the API may put it into an array.
 *
 * Vendors classify errors: see `gemini/Errors.ts`.
 */
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as RetryAfter from "../../transport/RetryAfter.ts"
import type { ClientError } from "../ClientProtocol.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"

/** The fields of an error; `undefined` if missing. */
export interface WireError {
  /** The HTTP status. */
  readonly status: number | undefined
  /** The category, such as `"RESOURCE_EXHAUSTED"`. */
  readonly type: string | undefined
  /** A stable code of the cause, such as `"API_KEY_INVALID"`: `ErrorInfo.reason`. */
  readonly code: string | undefined
  readonly message: string | undefined
  /** The invalid field: `"generationConfig.temperature"`. */
  readonly param: string | undefined
  /** The exceeded quotas, such as `"GenerateRequestsPerDayPerProjectPerModel"`. */
  readonly quotas: ReadonlyArray<string>
  /** The wait before a retry: `RetryInfo.retryDelay`. */
  readonly retryAfter: Duration.Duration | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's error
// ---------------------------------------------------------------------------------------------------------------------

/** Reads the error in a body of any shape. */
export const fromBody = (body: unknown): WireError => {
  const outer = Json.fields(Array.isArray(body) ? body[0] : body)
  const error = Json.fields(outer["error"])
  const details = Json.list(error["details"]).map(Json.fields)
  const detail = (type: string): Fields =>
    Json.fields(details.find(({ "@type": at }) => Json.string(at).endsWith(type)))
  const { code } = error
  return {
    status: Json.status(code),
    // A relay of another protocol has that protocol's category.
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

/** Reads the error in a body's text, which may not be JSON. */
export const parse = (text: string): WireError => fromBody(Json.parse(text))

const errorInfo = "google.rpc.ErrorInfo"
const badRequest = "google.rpc.BadRequest"
const quotaFailure = "google.rpc.QuotaFailure"
const retryInfo = "google.rpc.RetryInfo"

/** `"37s"`, `"0.5s"`, a number of seconds, or seconds and nanoseconds. */
const duration = (delay: unknown): Duration.Duration | undefined => {
  if (Predicate.isObject(delay)) {
    const { nanos, seconds } = delay
    return RetryAfter.bounded(Number(seconds ?? 0) * 1000 + Number(nanos ?? 0) / 1_000_000)
  }
  return RetryAfter.ofField(delay)
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: the client's error
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The body of a failed request, or of the last event of a failed stream. Fields without a Google detail are in a detail
 * of our own.
 */
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

/** Google's name for a status. */
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

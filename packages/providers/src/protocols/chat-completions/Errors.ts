/**
 * The wire shape of a Chat Completions error in a response body and in a stream event: `{ "error": { "message", "type",
 * "param", "code" } }`. Compatible servers also send it flat, as a string, or with a status as its code.
 *
 * Vendors classify errors: see `openai/Errors.ts`.
 */
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as RetryAfter from "../../transport/RetryAfter.ts"
import type { ClientError } from "../ClientProtocol.ts"
import * as Json from "../Json.ts"

/** The fields of an error; `undefined` if missing. */
export interface WireError {
  /** The category, such as `"invalid_request_error"`. */
  readonly type: string | undefined
  /** A stable code of the cause, such as `"context_length_exceeded"`. */
  readonly code: string | undefined
  readonly message: string | undefined
  /** The path of the invalid field: `"messages[1].content"`. */
  readonly param: string | undefined
  /** The HTTP status, if the error has it in place of a code, as OpenRouter's and vLLM's do, also inside a stream. */
  readonly status: number | undefined
  /** The error of the server's upstream, which OpenRouter adds to a generic message. */
  readonly detail?: string | undefined
  /** The wait before a retry, if the error has a field for it. */
  readonly retryAfter?: Duration.Duration | undefined
  /** The response headers of the server's upstream, from OpenRouter, by lower-case names. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's error
// ---------------------------------------------------------------------------------------------------------------------

/** Reads the error in a body of any shape. */
export const fromBody = (body: unknown): WireError => {
  const outer = Json.fields(Array.isArray(body) ? body[0] : body)
  const inner = outer["error"] ?? Json.list(outer["errors"])[0]
  const error = Predicate.isObject(inner) ? inner : outer
  const { code, message, param, type } = error
  const detail = outer["detail"]
  const first = Json.fields(Json.list(detail)[0])
  const retryAfter = RetryAfter.ofField(error["retry_after"] ?? outer["retry_after"])
  const metadata = Json.fields(error["metadata"])
  const raw = Json.nonEmptyString(metadata["raw"])
  const headers = Predicate.isObject(metadata["headers"]) ? headersOf(metadata["headers"]) : undefined
  return {
    type: Json.nonEmptyString(type) ?? Json.nonEmptyString(outer["error_type"]),
    code: Json.nonEmptyString(code),
    message:
      Json.nonEmptyString(message) ??
      Json.nonEmptyString(inner) ??
      Json.nonEmptyString(detail) ??
      Json.nonEmptyString(first["msg"]) ??
      Json.nonEmptyString(Json.fields(detail)["message"]) ??
      Json.nonEmptyString(outer["message"]),
    param: Json.nonEmptyString(param) ?? path(first["loc"]),
    status: Json.status(code),
    ...(raw === undefined ? undefined : { detail: raw }),
    ...(retryAfter === undefined ? undefined : { retryAfter }),
    ...(headers === undefined ? undefined : { headers }),
  }
}

const headersOf = (headers: object): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]))

/** Mistral's and vLLM's path: `["body", "messages", 0, "role"]` is `messages[0].role`. */
const path = (loc: unknown): string | undefined => {
  const [root, ...steps] = Json.list(loc)
  if (root !== "body" || steps.length === 0) return undefined
  return steps.map((step, at) => (Predicate.isNumber(step) ? `[${step}]` : `${at === 0 ? "" : "."}${step}`)).join("")
}

/** Reads the error in a body's text, which may not be JSON. */
export const parse = (text: string): WireError => fromBody(Json.parse(text))

// ---------------------------------------------------------------------------------------------------------------------
// Encode: the client's error
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The body of a failed request, or of the last event of a failed stream. SDKs show the fields after OpenAI's own four.
 */
export const encode = ({ attempts, code, message, param, requestId, type }: ClientError) => ({
  error: {
    message,
    type,
    param: param ?? null,
    code,
    ...(requestId === undefined ? undefined : { request_id: requestId }),
    ...(attempts === undefined ? undefined : { attempts }),
  },
})

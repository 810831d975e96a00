/**
 * The wire shape of a Chat Completions error, the same in a response's body and in a stream's event:
 * `{ "error": { "message", "type", "param", "code" } }`. Servers that are only compatible say it flat, as a mere string,
 * or with a status for a code.
 *
 * What it means is the vendor's to say: see `openai/Errors.ts`.
 */
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as RetryAfter from "../../transport/RetryAfter.ts"
import type { ClientError } from "../ClientProtocol.ts"
import * as Json from "../Json.ts"

/** What an error said of itself; a field is undefined where it said nothing of the kind. */
export interface WireError {
  /** The broad category, such as `"invalid_request_error"`. */
  readonly type: string | undefined
  /** A stable code that names the cause, such as `"context_length_exceeded"`. */
  readonly code: string | undefined
  readonly message: string | undefined
  /** The path of the field to blame: `"messages[1].content"`. */
  readonly param: string | undefined
  /** The status, where the error names it in place of a code: OpenRouter and vLLM do, also inside a stream. */
  readonly status: number | undefined
  /** What its own upstream said, as OpenRouter tells it beside a message that says no more than that it failed. */
  readonly detail?: string | undefined
  /** When to come back, where the error has a field for it. */
  readonly retryAfter?: Duration.Duration | undefined
  /** The headers of its own upstream's answer, as OpenRouter tells them, by lower-case names. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: what an upstream sent
// ---------------------------------------------------------------------------------------------------------------------

/** Reads an error out of a body that may be anything. */
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

/** Mistral's and vLLM's: `["body", "messages", 0, "role"]` is `messages[0].role`. */
const path = (loc: unknown): string | undefined => {
  const [root, ...steps] = Json.list(loc)
  if (root !== "body" || steps.length === 0) return undefined
  return steps.map((step, at) => (Predicate.isNumber(step) ? `[${step}]` : `${at === 0 ? "" : "."}${step}`)).join("")
}

/** Reads an error out of a body's text, which may not be JSON at all. */
export const parse = (text: string): WireError => fromBody(Json.parse(text))

// ---------------------------------------------------------------------------------------------------------------------
// Encode: what a client is told
// ---------------------------------------------------------------------------------------------------------------------

/** The body of a failed request, or of a broken stream's last event. SDKs show the fields beside OpenAI's own four. */
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

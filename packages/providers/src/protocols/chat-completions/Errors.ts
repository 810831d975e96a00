/**
 * The wire shape of a Chat Completions error, the same in a response's body and in a stream's event:
 * `{ "error": { "message", "type", "param", "code" } }`. Servers that are only compatible say it flat, as a mere string,
 * or with a status for a code.
 *
 * What it means is the vendor's to say: see `openai/Errors.ts`.
 */
import * as Predicate from "effect/Predicate"
import type { ClientError } from "../Dialect.ts"
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
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: what an upstream sent
// ---------------------------------------------------------------------------------------------------------------------

/** Reads an error out of a body that may be anything. */
export const fromBody = (body: unknown): WireError => {
  const outer = Json.fields(body)
  const inner = outer["error"]
  const error = Predicate.isObject(inner) ? inner : outer
  const { code, message, param, type } = error
  const first = Json.fields(Json.list(outer["detail"])[0])
  return {
    type: Json.words(type),
    code: Json.words(code),
    message: Json.words(message) ?? Json.words(inner) ?? Json.words(outer["detail"]) ?? Json.words(first["msg"]),
    param: Json.words(param) ?? path(first["loc"]),
    status: Predicate.isNumber(code) && code >= 400 && code < 600 ? code : undefined,
  }
}

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

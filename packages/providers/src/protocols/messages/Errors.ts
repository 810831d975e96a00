/**
 * The wire shape of a Messages error, the same in a response's body and in a stream's `error` event:
 * `{ "type": "error", "error": { "type", "message", "details": { "error_code" } }, "request_id" }`.
 *
 * What it means is the vendor's to say: see `anthropic/Errors.ts`.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

/** What an error said of itself; a field is undefined where it said nothing of the kind. */
export interface WireError {
  /** The broad category, such as `"overloaded_error"`. */
  readonly type: string | undefined
  /** A stable code that names the cause, such as `"enforced_spend_limit_reached"`. */
  readonly code: string | undefined
  readonly message: string | undefined
  /** The path of the field to blame, where the message begins with one: `"messages.1.content"`. */
  readonly param: string | undefined
  readonly requestId: string | undefined
}

const path = /^([a-z_]+(?:\.\w+)*): /

/** Reads an error out of a body that may be anything. */
export const fromBody = (body: unknown): WireError => {
  const outer = object(body)
  const error = object(outer["error"])
  const details = object(error["details"])
  const message = string(error["message"])
  return {
    type: string(error["type"]),
    code: string(details["error_code"]),
    message,
    param: message === undefined ? undefined : path.exec(message)?.[1],
    requestId: string(outer["request_id"]),
  }
}

/** Reads an error out of a body's text, which may not be JSON at all. */
export const parse = (text: string): WireError =>
  fromBody(Result.getOrUndefined(Result.try((): unknown => JSON.parse(text))))

const string = (value: unknown): string | undefined => (Predicate.isString(value) && value !== "" ? value : undefined)

const object = (value: unknown): { readonly [x: PropertyKey]: unknown } => (Predicate.isObject(value) ? value : {})

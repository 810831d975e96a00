/**
 * The wire shape of a Messages error in a response body and in a stream's `error` event: `{ "type": "error", "error": {
 * "type", "message", "details": { "error_code" } }, "request_id" }`.
 *
 * Vendors classify errors: see `anthropic/Errors.ts`.
 */
import type * as Duration from "effect/Duration"
import * as RetryAfter from "../../transport/RetryAfter.ts"
import type { ClientError } from "../ClientProtocol.ts"
import * as Json from "../Json.ts"

/** The fields of an error; `undefined` if missing. */
export interface WireError {
  /** The category, such as `"overloaded_error"`. */
  readonly type: string | undefined
  /** A stable code of the cause, such as `"enforced_spend_limit_reached"`. */
  readonly code: string | undefined
  readonly message: string | undefined
  /** The path of the invalid field, if the message begins with one: `"messages.1.content"`. */
  readonly param: string | undefined
  readonly requestId: string | undefined
  /** The HTTP status, if a compatible server has it in the error. */
  readonly status?: number | undefined
  /** The wait before a retry, if the error has a field for it. */
  readonly retryAfter?: Duration.Duration | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's error
// ---------------------------------------------------------------------------------------------------------------------

const path = /^([a-z_]+(?:\.[a-z0-9_]+)*): /

/** Reads the error in a body of any shape. */
export const fromBody = (body: unknown): WireError => {
  const outer = Json.fields(body)
  const error = Json.fields(outer["error"])
  const details = Json.fields(error["details"])
  const code = details["error_code"] ?? error["code"]
  // Some compatible servers have a flat shape.
  const message =
    Json.nonEmptyString(error["message"]) ??
    Json.nonEmptyString(outer["message"]) ??
    Json.nonEmptyString(outer["detail"])
  const status = Json.status(code)
  const retryAfter = RetryAfter.ofField(error["retry_after"] ?? outer["retry_after"])
  return {
    type: Json.nonEmptyString(error["type"]),
    code: Json.nonEmptyString(code),
    message,
    param: message === undefined ? undefined : path.exec(message)?.[1],
    requestId: Json.nonEmptyString(outer["request_id"]),
    ...(status === undefined ? undefined : { status }),
    ...(retryAfter === undefined ? undefined : { retryAfter }),
  }
}

/** The error of a bare HTTP status. */
export const ofStatus = (status: number): WireError => ({
  type: typeOf(status),
  code: undefined,
  message: undefined,
  param: undefined,
  requestId: undefined,
})

/** Reads the error in a body's text, which may not be JSON. */
export const parse = (text: string): WireError => fromBody(Json.parse(text))

// ---------------------------------------------------------------------------------------------------------------------
// Encode: the client's error
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The status of a failed request. A model that the key may not use is 404, like one that does not exist: Claude Code
 * treats a 403 as a failed login, and a 404 as a wrong model.
 */
export const status = ({ code, status }: ClientError): number =>
  status === 403 && code === "model_not_found" ? 404 : status

/** The body of a failed request, or of the last event of a failed stream. SDKs show the fields after the API's own. */
export const encode = (error: ClientError): Record<string, unknown> => {
  const { attempts, code, message, param, requestId } = error
  return {
    type: "error",
    error: {
      type: typeOf(status(error)),
      // Claude Code recognises this text and shortens the conversation.
      message: code === "context_length_exceeded" ? `prompt is too long: ${message}` : message,
      details: { error_code: code },
      ...(param === undefined ? undefined : { param }),
    },
    request_id: requestId ?? null,
    ...(attempts === undefined ? undefined : { attempts }),
  }
}

const types: Readonly<Record<number, string>> = {
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
  529: "overloaded_error",
}

const typeOf = (status: number): string => types[status] ?? (status < 500 ? "invalid_request_error" : "api_error")

/**
 * The wire shape of a Responses error. In a response body it is that of Chat Completions. In a stream it is an `error`
 * event, which contains the error or is the error, followed by `response.failed`, whose response contains it.
 *
 * Vendors classify errors: see `openai/Errors.ts`.
 */
import * as Predicate from "effect/Predicate"
import * as ChatCompletions from "../chat-completions/Errors.ts"
import type { ClientError } from "../ClientProtocol.ts"
import type { Fields } from "../Json.ts"

export { parse } from "../chat-completions/Errors.ts"
export type { WireError } from "../chat-completions/Errors.ts"

/** Reads the error of an `error` event. */
export const fromEvent = (event: Fields): ChatCompletions.WireError =>
  // If the event is the error, its type is the event's.
  Predicate.isObject(event["error"])
    ? ChatCompletions.fromBody(event)
    : { ...ChatCompletions.fromBody(event), type: undefined }

/** Reads the error of a failed response. */
export const fromResponse = (response: Fields): ChatCompletions.WireError =>
  ChatCompletions.fromBody({
    error:
      response["error"] ?? (response["status"] === "cancelled" ? "The response was cancelled" : "The response failed"),
  })

/** The body of a failed request. */
export const encode = (error: ClientError) => ChatCompletions.encode({ ...error, code: codeOf(error) })

/**
 * The fields of an `error` event as JSON, each after a comma. OpenAI has them at the top level, where its npm SDK reads
 * them; the schema of Open Responses has them in `error`, where OpenAI's Python SDK reads them (as of 3.57).
 */
export const ofEvent = (client: ClientError): string => {
  const { error } = encode(client)
  const { code, message, param } = error
  return `,${JSON.stringify({ code, message, param, error }).slice(1, -1)}`
}

/** The error in a failed stream's response. Codex decides by its code whether to retry. */
export const ofResponse = (error: ClientError) => ({ code: codeOf(error), message: error.message })

/** The code at which Codex stops retrying early, instead of after 30 requests: its source names it for status 503. */
const codeOf = ({ code, lasting, status }: ClientError): string =>
  status === 503 && lasting === true ? "server_is_overloaded" : code

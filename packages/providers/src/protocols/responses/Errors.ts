/**
 * The wire shape of a Responses error: in a response's body that of Chat Completions; inside a stream an `error` event,
 * which wraps the error or is one itself, then `response.failed`, whose response bears it.
 *
 * What it means is the vendor's to say: see `openai/Errors.ts`.
 */
import * as Predicate from "effect/Predicate"
import * as ChatCompletions from "../chat-completions/Errors.ts"
import type { ClientError } from "../ClientProtocol.ts"
import type { Fields } from "../Json.ts"

export { parse } from "../chat-completions/Errors.ts"
export type { WireError } from "../chat-completions/Errors.ts"

/** Reads the error out of an `error` event. */
export const fromEvent = (event: Fields): ChatCompletions.WireError =>
  // Where the event is the error itself, its type is the event's.
  Predicate.isObject(event["error"])
    ? ChatCompletions.fromBody(event)
    : { ...ChatCompletions.fromBody(event), type: undefined }

/** Reads the error out of a response that failed. */
export const fromResponse = (response: Fields): ChatCompletions.WireError =>
  ChatCompletions.fromBody({
    error:
      response["error"] ?? (response["status"] === "cancelled" ? "The response was cancelled" : "The response failed"),
  })

/** The body of a failed request. */
export const encode = (error: ClientError) => ChatCompletions.encode({ ...error, code: codeOf(error) })

/**
 * The fields of an `error` event, each after a comma. OpenAI has them at its top, and its npm SDK throws for them there;
 * the schema of Open Responses has them in `error`, which alone makes OpenAI's Python SDK throw (as of 3.57).
 */
export const ofEvent = (client: ClientError): string => {
  const { error } = encode(client)
  const { code, message, param } = error
  return `,${JSON.stringify({ code, message, param, error }).slice(1, -1)}`
}

/** The error of a broken stream's response. Codex tells by its code whether to try again. */
export const ofResponse = (error: ClientError) => ({ code: codeOf(error), message: error.message })

/** The code by which Codex stops asking soon, in place of 30 requests: its source names it beside the status 503. */
const codeOf = ({ code, lasting, status }: ClientError): string =>
  status === 503 && lasting === true ? "server_is_overloaded" : code

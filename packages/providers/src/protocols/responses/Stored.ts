/**
 * Responses that the gateway stores: the fields that it sets itself (`id`, `store`, `previous_response_id`, …) in place of the
 * provider's. Everything else stays as the provider wrote it.
 */
import * as Amended from "../Amended.ts"
import type { Answering } from "../ClientProtocol.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import * as JsonText from "../JsonText.ts"
import * as ResponseObject from "./ResponseObject.ts"

/** The data of an event that contains the response. */
export const event = (data: string, fields: Fields = {}): string =>
  Amended.data(data, (body) => ({ ...body, response: { ...Json.fields(body["response"]), ...fields } }))

/** A complete response. */
export const complete = (text: string, fields: Fields): string => Amended.data(text, (body) => ({ ...body, ...fields }))

/**
 * The JSON of the response in a terminal event. `output`: the items of the stream as JSON, for a server whose terminal event
 * lacks them.
 */
export const response = (data: string, fields: Fields = {}, output: string): string => {
  const source = Json.fields(Json.fields(Json.parseExact(data))["response"])
  const items = Json.list(source["output"]).length > 0 ? undefined : { output: Json.parseExact(output) }
  return JsonText.print({ ...source, ...items, ...fields }, source)
}

/** A response that waits to be generated in the background. */
export const queued = (answering: Answering): string =>
  JSON.stringify({
    ...ResponseObject.of(answering, { content: [], finishReason: "stop" }, [], ResponseObject.inProgress),
    ...answering.stored?.(),
    status: "queued",
  })

/** A response with another status; `error` if it has failed. */
export const withStatus = (
  text: string,
  status: "in_progress" | "cancelled" | "failed",
  error: { readonly code: string; readonly message: string } | null = null,
): string => Amended.data(text, (body) => ({ ...body, status, error }))

/** The event that ends the stream of a response with this status. */
export const endEvent = (text: string, status: string, sequence: number): string =>
  `event: response.${status}\ndata: {"type":"response.${status}","sequence_number":${sequence},"response":${text}}\n\n`

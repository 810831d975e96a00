/**
 * The messages of OpenAI's WebSocket mode for Responses: what a client sends, and the events and errors that it gets.
 */
import * as Json from "@understudy/providers/internal/protocols/Json"
import { Exceeded } from "@understudy/providers/internal/protocols/JsonBounds"
import * as JsonText from "@understudy/providers/internal/protocols/JsonText"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Limits } from "../ServerLimits.ts"
import * as BodyLimits from "./BodyLimits.ts"

/** A message of a client. */
export type ClientMessage =
  | {
      readonly _tag: "Create"
      /** The body of the call, as `POST /v1/responses` has it. */
      readonly body: Readonly<Record<string, unknown>>
      /** The stream of the client that the events are for, if it names one. */
      readonly streamId: string | undefined
      /** Whether the model is called: else the conversation is only remembered. */
      readonly isGenerated: boolean
    }
  | { readonly _tag: "Ignored" }
  | { readonly _tag: "Invalid"; readonly message: string; readonly streamId?: string | undefined }

/** Reads a text message, within the limits of a body. */
export const read = (text: string, limits: Limits): ClientMessage => {
  const parsed = Result.try({
    try: () => JsonText.parse(text, BodyLimits.bounds(limits)),
    catch: (error) => (error instanceof Exceeded ? BodyLimits.exceeded(error.bound, limits).message : notObject),
  })
  if (Result.isFailure(parsed)) return { _tag: "Invalid", message: parsed.failure }
  const message = parsed.success
  if (!Json.isObject(message)) return { _tag: "Invalid", message: notObject }
  const { background: _background, generate, stream: _stream, stream_id: stream, type, ...body } = message
  const streamId = Json.nonEmptyString(stream)
  switch (type) {
    case "response.create":
      return { _tag: "Create", body, streamId, isGenerated: generate !== false }
    case "response.processed":
      return { _tag: "Ignored" }
    default:
      return {
        _tag: "Invalid",
        streamId,
        message: `Invalid value for 'type': expected "response.create"${Predicate.isString(type) ? `, found "${type.slice(0, 100)}"` : ""}.`,
      }
  }
}

const notObject = "The message is not a JSON object."

/** The events in the text of server-sent events, each as its JSON. Comments are left out. */
export const eventsIn = (text: string): ReadonlyArray<string> =>
  text.split("\n\n").flatMap((event) => {
    const data = event
      .split("\n")
      .flatMap((line) => (line.startsWith("data:") ? [line.slice("data:".length).trimStart()] : []))
    return data.length === 0 ? [] : [data.join("\n")]
  })

/** An event for a stream of the client. */
export const withStream = (json: string, streamId: string | undefined): string =>
  streamId === undefined ? json : `{"stream_id":${JSON.stringify(streamId)},${json.slice(json.indexOf("{") + 1)}`

/** The event of a call that failed before its first event. `body`: the body of the HTTP response. */
export const errorOf = (status: number, body: string, headers: Readonly<Record<string, string>>): string =>
  JSON.stringify({ type: "error", status, error: Json.fields(Json.parseObject(body))["error"] ?? null, headers })

/** The event of an invalid message. */
export const invalid = (code: string, message: string, param?: string): string =>
  JSON.stringify({
    type: "error",
    status: 400,
    error: { type: "invalid_request_error", code, message, param: param ?? null },
  })

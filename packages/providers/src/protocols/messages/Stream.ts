/**
 * A streamed Messages answer, event by event: read here, written in `Encoder.ts`.
 *
 * `message_start` is preamble and first usage; `content_block_*` are output; `message_delta` brings the stop reason, which
 * is the proof that the answer is whole, and the final usage; `ping`, `message_stop` and events of a later API say
 * nothing to the engine but travel along as `native`.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Decoder } from "../Frames.ts"
import * as Errors from "./Errors.ts"
import * as Citations from "./Citations.ts"
import { issuer, protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Usage from "./Usage.ts"

export { encoder } from "./Encoder.ts"

/** What the API itself sends while it is silent. */
export const idle = 'event: ping\ndata: {"type": "ping"}\n\n'

/** An SSE event. Its name repeats the `type` within its data, which is what counts. */
export interface Event {
  readonly event?: string | undefined
  readonly data: string
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's events -> frames
// ---------------------------------------------------------------------------------------------------------------------

/** For one stream: it holds its state. `classify` is the vendor's judgement of an `error` event. */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder<Event> => {
  const state: State = { started: undefined, calls: new Map() }
  return {
    push: ({ event, data }) => {
      const body = parse(data)
      if (body === undefined) return undefined
      if (body["type"] === "error") return Result.fail(classify(Errors.fromBody(body)))
      const parts = decodeEvent(body, state)
      return parts === undefined ? undefined : Result.succeed({ parts, native: { protocol, event, data } })
    },
  }
}

interface State {
  /** The usage of `message_start`, which `message_delta` overrides field by field. */
  started: unknown
  /** The open tool calls by the index of their content block. */
  readonly calls: Map<unknown, Call>
}

interface Call {
  /** Among the tool calls alone, as `Chat` counts them. */
  readonly index: number
  hasArguments: boolean
}

const none: ReadonlyArray<Chat.Part> = []

const parse = (data: string) => {
  // A call of a compatible server may open with its whole input.
  const body = data.includes('"tool_use"') ? Json.parseExact(data) : Json.parse(data)
  return Predicate.isObject(body) && Predicate.isString(body["type"]) ? body : undefined
}

/** Undefined where a known event lacks what makes it one. */
const decodeEvent = (body: Fields, state: State): ReadonlyArray<Chat.Part> | undefined => {
  switch (body["type"]) {
    case "content_block_delta":
      return Predicate.isObject(body["delta"]) ? decodeDelta(body["delta"], state.calls.get(body["index"])) : undefined
    case "content_block_start":
      return Predicate.isObject(body["content_block"])
        ? decodeStart(body["content_block"], body["index"], state.calls)
        : undefined
    case "content_block_stop":
      return decodeStop(state.calls.get(body["index"]))
    case "message_start":
      return Predicate.isObject(body["message"]) ? decodeMessage(body["message"], state) : undefined
    case "message_delta":
      return decodeMessageDelta(body, state)
    default:
      return none
  }
}

const decodeMessage = (message: Fields, state: State): ReadonlyArray<Chat.Part> => {
  state.started = message["usage"]
  const usage = Usage.decode(state.started)
  const start: Chat.Part = { type: "start", id: asString(message["id"]), model: asString(message["model"]) }
  return usage === undefined ? [start] : [start, { type: "usage", usage }]
}

/** A block opens empty, as a rule; compatible servers may put its content here. */
const decodeStart = (block: Fields, blockIndex: unknown, calls: State["calls"]): ReadonlyArray<Chat.Part> => {
  switch (block["type"]) {
    case "text":
      return text(block["text"])
    case "thinking":
      return [...thought(block["thinking"]), ...signature(block["signature"])]
    case "redacted_thinking":
      return Predicate.isString(block["data"])
        ? [{ type: "reasoning", text: "", redacted: { issuer, value: block["data"] } }]
        : none
    case "tool_use": {
      const index = calls.size
      const input = block["input"]
      const hasArguments = Predicate.isObject(input) && Object.keys(input).length > 0
      calls.set(blockIndex, { index, hasArguments })
      const call: Chat.Part = {
        type: "tool-call",
        index,
        id: asString(block["id"]) ?? "",
        name: asString(block["name"]) ?? "",
      }
      return hasArguments ? [call, { type: "tool-arguments", index, arguments: JSON.stringify(input) }] : [call]
    }
    default:
      return none
  }
}

const decodeDelta = (delta: Fields, call: Call | undefined): ReadonlyArray<Chat.Part> => {
  switch (delta["type"]) {
    case "text_delta":
      return text(delta["text"])
    case "thinking_delta":
      return thought(delta["thinking"])
    case "signature_delta":
      return signature(delta["signature"])
    case "citations_delta": {
      const citation = Citations.decode(delta["citation"])
      return citation === undefined ? none : [{ type: "citation", citation }]
    }
    case "input_json_delta": {
      const json = delta["partial_json"]
      if (call === undefined || !Predicate.isString(json) || json === "") return none
      call.hasArguments = true
      return [{ type: "tool-arguments", index: call.index, arguments: json }]
    }
    default:
      return none
  }
}

/** A call without arguments may send none at all: whoever parses them needs the empty object. */
const decodeStop = (call: Call | undefined): ReadonlyArray<Chat.Part> => {
  if (call === undefined || call.hasArguments) return none
  call.hasArguments = true
  return [{ type: "tool-arguments", index: call.index, arguments: "{}" }]
}

const decodeMessageDelta = (body: Fields, state: State): ReadonlyArray<Chat.Part> => {
  const parts: Array<Chat.Part> = []
  const usage = Usage.decode(body["usage"], state.started)
  if (usage !== undefined) parts.push({ type: "usage", usage })
  const delta = body["delta"]
  if (Predicate.isObject(delta) && Predicate.isString(delta["stop_reason"])) {
    const refusal = Response.decodeRefusal(delta["stop_details"])
    if (refusal !== undefined) parts.push({ type: "refusal", text: refusal })
    parts.push({
      type: "finish",
      reason: Response.finish(delta["stop_reason"], state.calls.size > 0),
      stopSequence: asString(delta["stop_sequence"]),
    })
  }
  return parts
}

const text = (value: unknown): ReadonlyArray<Chat.Part> =>
  Predicate.isString(value) && value !== "" ? [{ type: "text", text: value }] : none

const thought = (value: unknown): ReadonlyArray<Chat.Part> =>
  Predicate.isString(value) && value !== "" ? [{ type: "reasoning", text: value }] : none

const signature = (value: unknown): ReadonlyArray<Chat.Part> =>
  Predicate.isString(value) && value !== "" ? [{ type: "reasoning", text: "", signature: { issuer, value } }] : none

const asString = (value: unknown): string | undefined => (Predicate.isString(value) ? value : undefined)

/**
 * Decodes a stream event by event. `Encoder.ts` encodes one for clients.
 *
 * `message_start` is the preamble and the first usage; `content_block_*` are output; `message_delta` has the stop
 * reason, which completes the response, and the final usage. `ping`, `message_stop` and unknown events have no parts
 * and are kept as `native`.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as FinishReason from "../FinishReason.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import { EventTemplate } from "../EventTemplate.ts"
import type { Decoder, SseEvent } from "../Frames.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as Errors from "./Errors.ts"
import * as Citations from "./Citations.ts"
import { issuer, nameless, protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Usage from "./Usage.ts"

export { encoder } from "./Encoder.ts"

/** The API's own keep-alive. */
export const idle = 'event: ping\ndata: {"type": "ping"}\n\n'

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's events -> frames
// ---------------------------------------------------------------------------------------------------------------------

/** A decoder for one stream; stateful. `classify` classifies an `error` event. */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder<SseEvent> => {
  const state: State = {
    id: undefined,
    started: undefined,
    blocks: 0,
    open: undefined,
    callBlocks: new Set(),
    calls: undefined,
    finished: false,
    faithful: true,
  }
  const template = new EventTemplate()
  const frame = (parts: Parts, event: string | undefined, data: string): Chat.Frame =>
    state.faithful ? { parts, native: { protocol, event, data } } : { parts }
  return {
    push: ({ event, data }) => {
      const text = event === delta ? template.match(data) : undefined
      if (text !== undefined) return Result.succeed(frame(text, event, data))
      const body = parse(data)
      if (!Json.isObject(body)) return undefined
      const type = body["type"]
      if (type === "error" || (!Predicate.isString(type) && (event === "error" || Predicate.isObject(body["error"]))))
        return Result.fail(classify(Errors.fromBody(body)))
      if (!Predicate.isString(type)) return undefined
      // Clients read the name.
      if (event !== undefined && event !== nameless && event !== type) state.faithful = false
      const parts = decodeEvent(body, state, classify)
      if (parts === undefined) return undefined
      if (parts instanceof ProviderError) return Result.fail(parts)
      if (event === delta && type === delta) template.learn(data, parts)
      return Result.succeed(frame(parts, event, data))
    },
  }
}

const delta = "content_block_delta"

interface State {
  /** The response's id, for calls without one. */
  id: unknown
  /** The usage of `message_start`; `message_delta` overrides its fields. */
  started: unknown
  /** The number of blocks, and the index of the last one. */
  blocks: number
  open: unknown
  /** The indexes of blocks that are calls. */
  readonly callBlocks: Set<unknown>
  calls: ToolCalls.Calls | undefined
  finished: boolean
  /**
   * Whether events can be passed on: their names are their types, blocks are numbered from 0, and each call has a
   * unique id.
   */
  faithful: boolean
}

type Parts = ReadonlyArray<Chat.Part>

const none: Parts = []

/** A compatible server may send a call's input with its start. */
const parse = (data: string): unknown => (data.includes('"tool_use"') ? Json.parseExact(data) : Json.parse(data))

/** `undefined` for an incomplete event of a known type. */
const decodeEvent = (
  body: Fields,
  state: State,
  classify: (error: Errors.WireError) => ProviderError,
): Parts | ProviderError | undefined => {
  switch (body["type"]) {
    case delta:
      return Predicate.isObject(body["delta"]) ? decodeDelta(body["delta"], body["index"], state) : undefined
    case "content_block_start":
      return Predicate.isObject(body["content_block"])
        ? decodeStart(body["content_block"], body["index"], state)
        : undefined
    case "content_block_stop":
      return decodeStop(body["index"], state)
    case "message_start":
      return Predicate.isObject(body["message"]) ? decodeMessage(body["message"], state) : undefined
    case "message_delta":
      return decodeMessageDelta(body, state, classify)
    case "message_stop":
      // An open call at `message_stop` is complete and ends the response.
      return state.finished || state.calls === undefined ? none : finish("tool-calls", undefined, state, [])
    default:
      return none
  }
}

const decodeMessage = (message: Fields, state: State): Parts => {
  state.id = message["id"]
  state.started = message["usage"]
  const usage = Usage.decode(state.started)
  const start: Chat.Part = { type: "start", id: asString(message["id"]), model: asString(message["model"]) }
  return usage === undefined ? [start] : [start, { type: "usage", usage }]
}

/** A block usually starts empty; compatible servers may start it with content. */
const decodeStart = (block: Fields, index: unknown, state: State): Parts => {
  if (index !== state.blocks++) state.faithful = false
  state.open = index
  state.callBlocks.delete(index)
  switch (block["type"]) {
    case "text":
      return text(block["text"])
    case "thinking":
      return [...reasoning(block["thinking"]), ...signature(block["signature"])]
    case "redacted_thinking":
      return Predicate.isString(block["data"])
        ? [{ type: "reasoning", text: "", redacted: { issuer, value: block["data"] } }]
        : none
    case "tool_use": {
      const input = block["input"]
      const initialArguments = Predicate.isObject(input) && Object.keys(input).length > 0 ? JSON.stringify(input) : ""
      const parts: Array<Chat.Part> = []
      state.callBlocks.add(index)
      state.calls ??= ToolCalls.make((index) => Response.callId(state.id, index), undefined)
      const { id, name } = block
      const piece = {
        slot: index,
        id: Json.nonEmptyString(id),
        name: Json.nonEmptyString(name),
        arguments: initialArguments,
        opens: true,
      }
      if (!state.calls.push(piece, parts)) state.faithful = false
      return parts
    }
    default:
      return none
  }
}

const hasBegun = (index: unknown, { blocks }: State): boolean =>
  Predicate.isNumber(index) && index >= 0 && index < blocks

const decodeDelta = (delta: Fields, index: unknown, state: State): Parts => {
  if (!hasBegun(index, state)) state.faithful = false
  switch (delta["type"]) {
    case "text_delta":
      return text(delta["text"])
    case "thinking_delta":
      return reasoning(delta["thinking"])
    case "signature_delta":
      return signature(delta["signature"])
    case "citations_delta": {
      const citation = Citations.decode(delta["citation"])
      return citation === undefined ? none : [{ type: "citation", citation }]
    }
    case "input_json_delta": {
      const json = delta["partial_json"]
      if (!Predicate.isString(json) || json === "" || state.calls === undefined) return none
      const slot = index ?? state.open
      // A tool that runs on the server.
      if (!state.callBlocks.has(slot)) return none
      const parts: Array<Chat.Part> = []
      state.calls.push({ slot, arguments: json }, parts)
      return parts
    }
    default:
      return none
  }
}

const decodeStop = (index: unknown, state: State): Parts => {
  if (!Predicate.isNumber(index)) state.faithful = false
  const slot = index ?? state.open
  if (!state.callBlocks.has(slot)) return none
  const parts: Array<Chat.Part> = []
  state.calls?.close(slot, parts)
  return parts
}

const decodeMessageDelta = (
  body: Fields,
  state: State,
  classify: (error: Errors.WireError) => ProviderError,
): Parts | ProviderError => {
  const parts: Array<Chat.Part> = []
  const usage = Usage.decode(body["usage"], state.started)
  if (usage !== undefined) parts.push({ type: "usage", usage })
  const { stop_details, stop_reason: value, stop_sequence } = Json.fields(body["delta"])
  if (!Predicate.isString(value) || value === "") return parts
  const failure = Response.failureOf(value)
  if (failure !== undefined) return classify(failure)
  const refusal = Response.decodeRefusal(stop_details)
  if (refusal !== undefined) parts.push({ type: "refusal", text: refusal })
  return finish(FinishReason.read(value), asString(stop_sequence), state, parts)
}

const finish = (
  original: Chat.FinishReason,
  stopSequence: string | undefined,
  state: State,
  parts: Array<Chat.Part>,
): Parts | ProviderError => {
  const reason = state.calls === undefined ? ToolCalls.finish(original, 0) : state.calls.end(original, parts)
  if (reason instanceof ProviderError) return reason
  state.finished = true
  parts.push({ type: "finish", reason, stopSequence })
  return parts
}

const text = (value: unknown): ReadonlyArray<Chat.Part> =>
  Predicate.isString(value) && value !== "" ? [{ type: "text", text: value }] : none

const reasoning = (value: unknown): ReadonlyArray<Chat.Part> =>
  Predicate.isString(value) && value !== "" ? [{ type: "reasoning", text: value }] : none

const signature = (value: unknown): ReadonlyArray<Chat.Part> =>
  Predicate.isString(value) && value !== "" ? [{ type: "reasoning", text: "", signature: { issuer, value } }] : none

const asString = (value: unknown): string | undefined => (Predicate.isString(value) ? value : undefined)

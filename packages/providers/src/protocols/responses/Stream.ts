/**
 * Decodes a stream event by event. `Encoder.ts` encodes one for clients.
 *
 * `response.created` is the preamble; deltas are output; `response.completed` and `response.incomplete` complete the
 * response and have its usage. An ended item repeats its content, and is only read for what its deltas lack. Events of
 * OpenAI's own tools have no parts and are kept as `native`.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { EventTemplate } from "../EventTemplate.ts"
import type { Decoder, SseEvent } from "../Frames.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import { protocol } from "./Protocol.ts"
import * as Reasoning from "./Reasoning.ts"
import * as Response from "./Response.ts"
import * as Usage from "./Usage.ts"

export { encoder } from "./Encoder.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's events -> frames
// ---------------------------------------------------------------------------------------------------------------------

/** A decoder for one stream; stateful. `classify` classifies an `error` event or a failed response. */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder<SseEvent> => {
  const state: State = {
    id: undefined,
    started: false,
    completeReason: "stop",
    calls: undefined,
    lastCall: undefined,
    withContent: new Set(),
    withArguments: new Set(),
    slots: new Map(),
  }
  const template = new EventTemplate(["sequence_number", "obfuscation"])
  /** The type of the event that the template has. */
  let learned = ""
  return {
    push: ({ data }) => {
      const text = template.match(data)
      if (text !== undefined) return Result.succeed(frame(text, learned, data))
      const body = Json.parseObject(data)
      const type = body?.["type"]
      if (body === undefined || !Predicate.isString(type)) return undefined
      if (type === "error") return Result.fail(classify(Errors.fromEvent(body)))
      const response = Json.fields(body["response"])
      switch (type) {
        case "response.failed":
        case "response.cancelled":
          return Result.fail(classify(Errors.fromResponse(response)))
        case "response.completed":
        case "response.incomplete":
          if (!Predicate.isObject(body["response"]))
            return Json.malformed("The terminal event does not contain the response")
          return Result.map(end(type, response, state, classify), (parts) => frame(parts, type, data))
        default: {
          const parts = decodeEvent(type, body, state)
          // Other events with text, such as those that repeat it, depend on those before them.
          if (type.endsWith(".delta") && template.learn(data, parts)) learned = type
          return Result.succeed(frame(parts, type, data))
        }
      }
    },
  }
}

const frame = (parts: Parts, event: string, data: string): Chat.Frame => ({ parts, native: { protocol, event, data } })

interface State {
  /** The response's id, for calls without one. */
  id: string | undefined
  started: boolean
  /** The finish reason if the response is complete. */
  completeReason: Response.CompleteReason
  calls: ToolCalls.Calls | undefined
  /** The item index of the last call. */
  lastCall: unknown
  /** The indexes of items with content, and of calls with arguments. */
  readonly withContent: Set<unknown>
  readonly withArguments: Set<unknown>
  /** The item indexes of the calls, by id. */
  readonly slots: Map<unknown, unknown>
}

type Parts = ReadonlyArray<Chat.Part>

const none: Parts = []

const decodeEvent = (type: string, body: Fields, state: State): Parts => {
  switch (type) {
    case "response.output_text.delta":
      return textDelta(body, state, text)
    case "response.refusal.delta":
      state.completeReason = state.completeReason === "stop" ? "refusal" : state.completeReason
      return textDelta(body, state, refusal)
    case "response.reasoning_summary_text.delta":
    case "response.reasoning_text.delta":
      return textDelta(body, state, reasoning)
    case "response.reasoning_summary_part.added":
      return Number(body["summary_index"]) > 0 ? [{ type: "reasoning", text: Reasoning.separator }] : none
    case "response.function_call_arguments.delta":
    case "response.custom_tool_call_input.delta":
      return decodeArguments(body, state)
    // A `done` event repeats its deltas.
    case "response.output_text.done":
      return state.withContent.has(body["output_index"])
        ? none
        : textDelta({ ...body, delta: body["text"] }, state, text)
    case "response.function_call_arguments.done":
    case "response.custom_tool_call_input.done": {
      const at = body["output_index"] ?? state.lastCall
      return state.withArguments.has(at) ? none : write(at, Json.string(body["arguments"] ?? body["input"]), state)
    }
    case "response.output_text.annotation.added": {
      const citation = Citations.decode(body["annotation"])
      return citation === undefined ? none : [{ type: "citation", citation }]
    }
    case "response.output_item.added":
      return open(body["output_index"], Json.fields(body["item"]), state)
    case "response.output_item.done":
      return done(body["output_index"], Json.fields(body["item"]), state)
    case "response.created":
    case "response.queued":
    case "response.in_progress":
      return start(Json.fields(body["response"]), state)
    default:
      return none
  }
}

const start = ({ id, model }: Fields, state: State): Parts => {
  if (state.started) return none
  state.started = true
  state.id = Json.nonEmptyString(id)
  return [{ type: "start", id: state.id, model: Json.nonEmptyString(model) }]
}

/** The parts of the terminal event; of the whole response, if no event before had parts. */
const end = (
  type: "response.completed" | "response.incomplete",
  response: Fields,
  state: State,
  classify: (error: Errors.WireError) => ProviderError,
): Result.Result<Parts, ProviderError> => {
  const parts: Array<Chat.Part> = []
  if (state.withContent.size === 0 && state.calls === undefined) {
    for (const [index, item] of Json.list(response["output"]).entries()) {
      parts.push(...done(index, Json.fields(item), state))
    }
  }
  for (const item of Json.list(response["output"])) {
    const call = Json.fields(item)
    const at = state.slots.get(call["call_id"] ?? call["id"])
    if (at !== undefined && !state.withArguments.has(at)) parts.push(...write(at, Response.argumentsOf(call), state))
  }
  const usage = Usage.decode(response["usage"])
  if (usage !== undefined) parts.push({ type: "usage", usage })
  const textDelta = type === "response.completed" ? "completed" : "incomplete"
  return Result.flatMap(Response.finish(response, textDelta, state.completeReason, classify), (reason) => {
    const ended = state.calls === undefined ? reason : state.calls.end(reason, parts)
    if (ended instanceof ProviderError) return Result.fail(ended)
    parts.push({ type: "finish", reason: ended })
    return Result.succeed(parts)
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Text
// ---------------------------------------------------------------------------------------------------------------------

const textDelta = (body: Fields, state: State, part: (delta: string, body: Fields) => Chat.Part): Parts => {
  const delta = Json.nonEmptyString(body["delta"])
  if (delta === undefined) return none
  state.withContent.add(body["output_index"])
  return [part(delta, body)]
}

const text = (text: string, { logprobs }: Fields): Chat.Part =>
  Array.isArray(logprobs) && logprobs.length > 0
    ? { type: "text", text, logprobs: { content: logprobs } }
    : { type: "text", text }

const refusal = (text: string): Chat.Part => ({ type: "refusal", text })

const reasoning = (text: string): Chat.Part => ({ type: "reasoning", text })

// ---------------------------------------------------------------------------------------------------------------------
// Items
// ---------------------------------------------------------------------------------------------------------------------

const open = (at: unknown, item: Fields, state: State): Parts => {
  if (item["type"] !== "function_call" && item["type"] !== "custom_tool_call") return none
  const parts: Array<Chat.Part> = []
  const { id, name, type: _type, ...more } = Response.callOf(item)
  state.calls ??= ToolCalls.make((index) => Response.callId(state.id, index), undefined)
  state.calls.push(
    { slot: at, id: Json.nonEmptyString(id), name: Json.nonEmptyString(name), arguments: "", opens: true, ...more },
    parts,
  )
  state.lastCall = at
  for (const [other, slot] of state.slots) if (slot === at) state.slots.delete(other)
  state.slots.set(id, at)
  state.withContent.add(at)
  state.withArguments.delete(at)
  state.completeReason = "tool-calls"
  return parts
}

const decodeArguments = ({ delta, output_index }: Fields, state: State): Parts => {
  const json = Json.nonEmptyString(delta)
  return json === undefined ? none : write(output_index ?? state.lastCall, json, state)
}

const write = (at: unknown, json: string, state: State): Parts => {
  if (state.calls === undefined || json === "") return none
  const parts: Array<Chat.Part> = []
  state.withArguments.add(at)
  state.calls.push({ slot: at, arguments: json }, parts)
  return parts
}

/** The parts of an ended item that its deltas lack: its encrypted reasoning, or all of them if it had no deltas. */
const done = (at: unknown, item: Fields, state: State): Parts => {
  const hadDeltas = state.withContent.has(at)
  state.withContent.add(at)
  switch (item["type"]) {
    case "function_call":
    case "custom_tool_call": {
      const opening = hadDeltas ? none : open(at, item, state)
      return state.withArguments.has(at) ? opening : [...opening, ...write(at, Response.argumentsOf(item), state)]
    }
    case "reasoning": {
      const complete = Reasoning.decode(item, Reasoning.issued)
      const part: Chat.Reasoning = hadDeltas
        ? { type: "reasoning", text: "", ...Reasoning.issued(item["encrypted_content"], complete.text) }
        : complete
      return part.text === "" && part.signature === undefined && part.redacted === undefined ? none : [part]
    }
    case "message":
      return hadDeltas ? none : Json.list(item["content"]).flatMap((part) => partOf(Json.fields(part), state))
    default:
      return none
  }
}

const partOf = ({ refusal: refusalText, text: outputText, type }: Fields, state: State): Parts => {
  const delta = Json.nonEmptyString(type === "refusal" ? refusalText : outputText)
  if (delta === undefined) return none
  if (type !== "refusal") return [text(delta, {})]
  if (state.completeReason === "stop") state.completeReason = "refusal"
  return [refusal(delta)]
}

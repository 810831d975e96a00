/**
 * A streamed Responses answer, event by event: read here, written in `Encoder.ts`.
 *
 * `response.created` is preamble; deltas are output; `response.completed` and `response.incomplete` are the proof that the
 * answer is whole, and bring its usage. An item that is done says all of itself again, and is looked at only for what its
 * deltas did not say. Events of OpenAI's own tools say nothing to the engine but travel along as `native`.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Decoder } from "../Frames.ts"
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

/** An SSE event. Its name repeats the `type` within its data, which is what counts. */
export interface Event {
  readonly event?: string | undefined
  readonly data: string
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's events -> frames
// ---------------------------------------------------------------------------------------------------------------------

/** For one stream: it holds its state. `classify` is the vendor's judgement of an `error` event or a failed response. */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder<Event> => {
  const state: State = {
    id: undefined,
    started: false,
    ends: "stop",
    calls: undefined,
    calling: undefined,
    told: new Set(),
    written: new Set(),
    slots: new Map(),
  }
  return {
    push: ({ data }) => {
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
          if (!Predicate.isObject(body["response"])) return Json.malformed("The end of the response does not hold it")
          return Result.map(end(type, response, state, classify), (parts) => frame(parts, type, data))
        default:
          return Result.succeed(frame(decodeEvent(type, body, state), type, data))
      }
    },
  }
}

const frame = (parts: Parts, event: string, data: string): Chat.Frame => ({ parts, native: { protocol, event, data } })

interface State {
  /** The answer's own, for the ids of calls that have none. */
  id: string | undefined
  started: boolean
  /** What the answer ends in, if it is complete. */
  ends: Response.Ends
  calls: ToolCalls.Calls | undefined
  /** The index of the last call's item. */
  calling: unknown
  /** The indexes of the items that have said something, and of the calls that were given something. */
  readonly told: Set<unknown>
  readonly written: Set<unknown>
  /** The indexes of the calls, by their ids. */
  readonly slots: Map<unknown, unknown>
}

type Parts = ReadonlyArray<Chat.Part>

const none: Parts = []

const decodeEvent = (type: string, body: Fields, state: State): Parts => {
  switch (type) {
    case "response.output_text.delta":
      return said(body, state, text)
    case "response.refusal.delta":
      state.ends = state.ends === "stop" ? "refusal" : state.ends
      return said(body, state, refusal)
    case "response.reasoning_summary_text.delta":
    case "response.reasoning_text.delta":
      return said(body, state, thought)
    case "response.reasoning_summary_part.added":
      return Number(body["summary_index"]) > 0 ? [{ type: "reasoning", text: Reasoning.between }] : none
    case "response.function_call_arguments.delta":
    case "response.custom_tool_call_input.delta":
      return decodeArguments(body, state)
    // What a delta has said is said again.
    case "response.output_text.done":
      return state.told.has(body["output_index"]) ? none : said({ ...body, delta: body["text"] }, state, text)
    case "response.function_call_arguments.done":
    case "response.custom_tool_call_input.done": {
      const at = body["output_index"] ?? state.calling
      return state.written.has(at) ? none : write(at, Json.string(body["arguments"] ?? body["input"]), state)
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

/** What the response says of itself at its end: all of it, where no event before did. */
const end = (
  type: "response.completed" | "response.incomplete",
  response: Fields,
  state: State,
  classify: (error: Errors.WireError) => ProviderError,
): Result.Result<Parts, ProviderError> => {
  const parts: Array<Chat.Part> = []
  if (state.told.size === 0 && state.calls === undefined) {
    for (const [index, item] of Json.list(response["output"]).entries()) {
      parts.push(...done(index, Json.fields(item), state))
    }
  }
  for (const item of Json.list(response["output"])) {
    const call = Json.fields(item)
    const at = state.slots.get(call["call_id"] ?? call["id"])
    if (at !== undefined && !state.written.has(at)) parts.push(...write(at, Response.written(call), state))
  }
  const usage = Usage.decode(response["usage"])
  if (usage !== undefined) parts.push({ type: "usage", usage })
  const said = type === "response.completed" ? "completed" : "incomplete"
  return Result.flatMap(Response.finish(response, said, state.ends, classify), (reason) => {
    const ended = state.calls === undefined ? reason : state.calls.end(reason, parts)
    if (ended instanceof ProviderError) return Result.fail(ended)
    parts.push({ type: "finish", reason: ended })
    return Result.succeed(parts)
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Words
// ---------------------------------------------------------------------------------------------------------------------

const said = (body: Fields, state: State, part: (words: string, body: Fields) => Chat.Part): Parts => {
  const words = Json.nonEmptyString(body["delta"])
  if (words === undefined) return none
  state.told.add(body["output_index"])
  return [part(words, body)]
}

const text = (text: string, { logprobs }: Fields): Chat.Part =>
  Array.isArray(logprobs) && logprobs.length > 0
    ? { type: "text", text, logprobs: { content: logprobs } }
    : { type: "text", text }

const refusal = (text: string): Chat.Part => ({ type: "refusal", text })

const thought = (text: string): Chat.Part => ({ type: "reasoning", text })

// ---------------------------------------------------------------------------------------------------------------------
// Items
// ---------------------------------------------------------------------------------------------------------------------

const open = (at: unknown, item: Fields, state: State): Parts => {
  if (item["type"] !== "function_call" && item["type"] !== "custom_tool_call") return none
  const parts: Array<Chat.Part> = []
  const { id, name, type: _type, ...more } = Response.opened(item)
  state.calls ??= ToolCalls.make((index) => Response.callId(state.id, index), undefined)
  state.calls.push(
    { slot: at, id: Json.nonEmptyString(id), name: Json.nonEmptyString(name), arguments: "", opens: true, ...more },
    parts,
  )
  state.calling = at
  for (const [other, slot] of state.slots) if (slot === at) state.slots.delete(other)
  state.slots.set(id, at)
  state.told.add(at)
  state.written.delete(at)
  state.ends = "tool-calls"
  return parts
}

const decodeArguments = ({ delta, output_index }: Fields, state: State): Parts => {
  const written = Json.nonEmptyString(delta)
  return written === undefined ? none : write(output_index ?? state.calling, written, state)
}

const write = (at: unknown, written: string, state: State): Parts => {
  if (state.calls === undefined || written === "") return none
  const parts: Array<Chat.Part> = []
  state.written.add(at)
  state.calls.push({ slot: at, arguments: written }, parts)
  return parts
}

/** What the item says that its deltas did not: its seal; all of it, where there were none. */
const done = (at: unknown, item: Fields, state: State): Parts => {
  const told = state.told.has(at)
  state.told.add(at)
  switch (item["type"]) {
    case "function_call":
    case "custom_tool_call": {
      const opening = told ? none : open(at, item, state)
      return state.written.has(at) ? opening : [...opening, ...write(at, Response.written(item), state)]
    }
    case "reasoning": {
      const whole = Reasoning.decode(item, Reasoning.issued)
      const part: Chat.Reasoning = told
        ? { type: "reasoning", text: "", ...Reasoning.issued(item["encrypted_content"], whole.text) }
        : whole
      return part.text === "" && part.signature === undefined && part.redacted === undefined ? none : [part]
    }
    case "message":
      return told ? none : Json.list(item["content"]).flatMap((part) => untold(Json.fields(part), state))
    default:
      return none
  }
}

const untold = ({ refusal: no, text: yes, type }: Fields, state: State): Parts => {
  const words = Json.nonEmptyString(type === "refusal" ? no : yes)
  if (words === undefined) return none
  if (type !== "refusal") return [text(words, {})]
  if (state.ends === "stop") state.ends = "refusal"
  return [refusal(words)]
}

/**
 * A streamed Chat Completions answer, chunk by chunk: read here, written in `Encoder.ts`.
 *
 * The first chunk's id and model are preamble; deltas are output; a `finish_reason` is the proof that its choice is
 * whole. Usage comes last, in a chunk without choices, or beside anything else from servers that are only compatible.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Decoder } from "../Frames.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import { protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Thoughts from "./Thoughts.ts"
import * as Usage from "./Usage.ts"

export { encoder } from "./Encoder.ts"

/** An SSE event. This protocol gives none a name, but servers that fail may call theirs `error`. */
export interface Event {
  readonly event?: string | undefined
  readonly data: string
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's events -> frames
// ---------------------------------------------------------------------------------------------------------------------

/**
 * For one stream: it holds its state. `classify` is the vendor's judgement of an error inside the stream. `[DONE]`, as
 * the whole of an event's data, says nothing that the finish reasons have not said, and is skipped.
 */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder<Event> => {
  const state: State = { started: false, id: undefined, calls: new Map() }
  return {
    push: ({ event, data }) => {
      if (data === "[DONE]") return undefined
      const body = Response.parse(data)
      if (!Predicate.isObject(body)) return undefined
      if (isError(body as Fields, event)) return Result.fail(classify(Errors.fromBody(body)))
      const parts = decodeChunk(body as Fields, state)
      return parts === undefined ? undefined : Result.succeed({ parts, native: { protocol, data } })
    },
  }
}

interface State {
  started: boolean
  /** The answer's own, which makes the ids of its calls unlike any other's where the server gives them none. */
  id: string | undefined
  /** By choice, the calls it has opened. */
  readonly calls: Map<number, Calls>
}

/** The tool calls of one choice. `Chat` counts them in the order they were opened, whatever the server's indexes. */
interface Calls {
  readonly opened: Array<Call>
  /** By the server's index, or the id where it gives none. */
  readonly bySlot: Map<unknown, Call>
}

interface Call {
  readonly index: number
  readonly id: string
  hasArguments: boolean
}

const isError = (body: Fields, event: string | undefined): boolean =>
  (body["error"] !== undefined && body["error"] !== null) ||
  ((event === "error" || body["object"] === "error") && !Array.isArray(body["choices"]))

/** Undefined where it is no chunk at all. */
const decodeChunk = (body: Fields, state: State): ReadonlyArray<Chat.Part> | undefined => {
  const { choices, id, model } = body
  if (!Array.isArray(choices)) return undefined
  const parts: Array<Chat.Part> = []
  if (!state.started && Predicate.isString(id) && id !== "") {
    state.started = true
    state.id = id
    parts.push({ type: "start", id, model: Predicate.isString(model) ? model : undefined })
  }
  for (const choice of choices) if (Predicate.isObject(choice)) decodeChoice(choice as Fields, state, parts)
  const usage = Usage.decode(body["usage"])
  if (usage !== undefined) parts.push({ type: "usage", usage })
  return parts
}

const decodeChoice = (
  { delta, finish_reason, index, logprobs }: Fields,
  state: State,
  parts: Array<Chat.Part>,
): void => {
  const place = Json.integer(index) ?? 0
  const choice = place > 0 ? place : undefined
  if (Predicate.isObject(delta)) {
    const { annotations, audio, content, function_call, refusal, tool_calls } = delta as Fields
    for (const thought of Thoughts.decode(delta as Fields)) parts.push({ ...thought, ...at(choice) })
    if (said(content)) {
      parts.push(
        logprobs === undefined || logprobs === null
          ? { type: "text", text: content, ...at(choice) }
          : { type: "text", text: content, ...at(choice), logprobs },
      )
    } else if (Array.isArray(content)) decodeChunks(content, choice, parts)
    if (Array.isArray(annotations)) {
      for (const annotation of annotations) {
        const citation = Citations.decode(annotation)
        if (citation !== undefined) parts.push({ type: "citation", citation, ...at(choice) })
      }
    }
    if (said(refusal)) parts.push({ type: "refusal", text: refusal, ...at(choice) })
    // What is spoken is also written; the recording goes by as native.
    if (Predicate.isObject(audio) && said(audio["transcript"])) {
      parts.push({ type: "text", text: audio["transcript"], ...at(choice) })
    }
    if (Array.isArray(tool_calls)) {
      for (const call of tool_calls) {
        if (Predicate.isObject(call)) decodeCall(call as Fields, delta as Fields, choice, state, parts)
      }
    } else if (Predicate.isObject(function_call)) {
      decodeCall({ index: 0, function: function_call }, delta as Fields, choice, state, parts)
    }
  }
  // Some servers send an empty one until there is one.
  if (said(finish_reason)) {
    const calls = callsOf(state, choice ?? 0)
    complete(calls, choice, parts)
    parts.push({ type: "finish", reason: Response.finish(finish_reason, calls.opened.length > 0), ...at(choice) })
  }
}

/** Mistral's: thoughts and text in turn. */
const decodeChunks = (chunks: ReadonlyArray<unknown>, choice: number | undefined, parts: Array<Chat.Part>): void => {
  for (const chunk of chunks) {
    const { text, thinking, type } = Json.fields(chunk)
    if (type === "text" && said(text)) parts.push({ type: "text", text, ...at(choice) })
    const thought = type === "thinking" ? Response.textOf(thinking) : ""
    if (thought !== "") parts.push({ type: "reasoning", text: thought, ...at(choice) })
  }
}

const nowhere = {}
const at = (choice: number | undefined): { readonly choice?: number } => (choice === undefined ? nowhere : { choice })

const said = (value: unknown): value is string => Predicate.isString(value) && value !== ""

/**
 * A call is opened by its id and name, and its arguments follow under its index. Some compatible servers give no index,
 * the same one to every call, or an id with every piece: another id with a name is another call, without one it is not.
 */
const decodeCall = (
  call: Fields,
  delta: Fields,
  choice: number | undefined,
  state: State,
  parts: Array<Chat.Part>,
): void => {
  const calls = callsOf(state, choice ?? 0)
  const custom = call["custom"]
  const { name, arguments: json, input } = Json.fields(call["function"] ?? custom)
  const id = said(call["id"]) ? call["id"] : undefined
  const slot = call["index"] ?? id
  let open = slot === undefined ? calls.opened[calls.opened.length - 1] : calls.bySlot.get(slot)
  if (open === undefined || (id !== undefined && id !== open.id && said(name))) {
    const index = calls.opened.length
    const isCustom = Predicate.isObject(custom)
    open = { index, id: id ?? Response.callId(state.id, index), hasArguments: isCustom }
    calls.opened.push(open)
    calls.bySlot.set(slot, open)
    parts.push({
      type: "tool-call",
      index,
      id: open.id,
      name: Json.string(name),
      ...(isCustom ? { freeform: true as const } : undefined),
      ...Thoughts.ofCall(call, delta),
      ...at(choice),
    })
  }
  const piece = json ?? input
  const written = Predicate.isString(piece) ? piece : Predicate.isObject(piece) ? JSON.stringify(piece) : ""
  if (written === "") return
  open.hasArguments = true
  parts.push({ type: "tool-arguments", index: open.index, arguments: written, ...at(choice) })
}

/** A call without arguments may have sent none at all: whoever parses them needs the empty object. */
const complete = (calls: Calls, choice: number | undefined, parts: Array<Chat.Part>): void => {
  for (const call of calls.opened) {
    if (call.hasArguments) continue
    call.hasArguments = true
    parts.push({ type: "tool-arguments", index: call.index, arguments: "{}", ...at(choice) })
  }
}

const callsOf = (state: State, choice: number): Calls => {
  let calls = state.calls.get(choice)
  if (calls === undefined) {
    calls = { opened: [], bySlot: new Map() }
    state.calls.set(choice, calls)
  }
  return calls
}

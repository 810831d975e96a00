/**
 * A streamed Chat Completions answer, chunk by chunk: read here, written in `Encoder.ts`.
 *
 * The first chunk's id and model are preamble; deltas are output; a `finish_reason` is the proof that its choice is
 * whole. Usage comes last, in a chunk without choices, or beside anything else from servers that are only compatible.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as FinishReason from "../FinishReason.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Decoder } from "../Frames.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import { protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Reasoning from "./Reasoning.ts"
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
 * the whole of an event's data, says nothing that the finish reasons have not said, but of calls that were given none.
 */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder<Event> => {
  const state: State = {
    started: false,
    id: undefined,
    calls: new Map(),
    finished: new Set(),
    legacy: false,
    faithful: true,
  }
  return {
    push: ({ event, data }) => {
      if (data === "[DONE]") return done(state)
      const body = Response.parse(data)
      if (!Predicate.isObject(body)) return undefined
      if (isError(body as Fields, event)) return Result.fail(classify(Errors.fromBody(body)))
      if (!Array.isArray(body["choices"])) return undefined
      const parts: Array<Chat.Part> = []
      state.faithful = true
      const failure = decodeChunk(body as Chunk, state, parts, classify)
      if (failure !== undefined) return Result.fail(failure)
      return Result.succeed(state.faithful ? { parts, native: { protocol, data } } : { parts })
    },
  }
}

interface State {
  started: boolean
  /** The answer's own, which makes the ids of its calls unlike any other's where the server gives them none. */
  id: string | undefined
  /** By choice, the calls it has opened. */
  readonly calls: Map<number, ToolCalls.Calls>
  /** The choices that are. */
  readonly finished: Set<number>
  /** Whether its calls are such as older servers tell, one in an answer. */
  legacy: boolean
  /** Whether the chunk at hand says what its parts say, to whoever goes by its indexes, ids and words. */
  faithful: boolean
}

const isError = (body: Fields, event: string | undefined): boolean =>
  (body["error"] !== undefined && body["error"] !== null) ||
  ((event === "error" || body["object"] === "error") && !Array.isArray(body["choices"]))

/** A call that nothing was said of since is one, and the answer's end. */
const done = ({ calls, finished }: State): Result.Result<Chat.Frame, ProviderError> | undefined => {
  const parts: Array<Chat.Part> = []
  for (const [choice, opened] of calls) {
    if (finished.has(choice) || opened.count() === 0) continue
    const reason = opened.end("tool-calls", parts)
    if (reason instanceof ProviderError) return Result.fail(reason)
    finished.add(choice)
    parts.push({ type: "finish", reason, ...at(choice === 0 ? undefined : choice) })
  }
  return parts.length === 0 ? undefined : Result.succeed({ parts })
}

interface Chunk extends Fields {
  readonly choices: ReadonlyArray<unknown>
}

/** Adds what the chunk says, or gives why the stream has failed. */
const decodeChunk = (
  { choices, id, model, usage: counted }: Chunk,
  state: State,
  parts: Array<Chat.Part>,
  classify: (error: Errors.WireError) => ProviderError,
): ProviderError | undefined => {
  if (!state.started && Predicate.isString(id) && id !== "") {
    state.started = true
    state.id = id
    parts.push({ type: "start", id, model: Predicate.isString(model) ? model : undefined })
  }
  for (const choice of choices) {
    if (!Predicate.isObject(choice)) continue
    const failure = Response.failureOf(choice as Fields)
    if (failure !== undefined) return classify(failure)
    const broken = decodeChoice(choice as Fields, state, parts)
    if (broken !== undefined) return broken
  }
  const usage = Usage.decode(counted)
  if (usage !== undefined) parts.push({ type: "usage", usage })
  return undefined
}

const decodeChoice = (wire: Fields, state: State, parts: Array<Chat.Part>): ProviderError | undefined => {
  const { delta, finish_reason, index, logprobs } = wire
  const place = Json.integer(index) ?? 0
  const choice = place > 0 ? place : undefined
  if (Predicate.isObject(delta)) {
    const { annotations, audio, content, function_call, refusal, tool_calls } = delta as Fields
    for (const thought of Reasoning.decode(delta as Fields)) parts.push({ ...thought, ...at(choice) })
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
      const faithful = state.faithful
      state.legacy = true
      decodeCall({ index: 0, function: function_call }, delta as Fields, choice, state, parts)
      // It has no id, and there is one: it can only be told as it was by not being another's.
      state.faithful = faithful && callsOf(state, choice).count() <= 1
    }
  }
  // Some servers send an empty one until there is one.
  return said(finish_reason) ? decodeFinish(finish_reason, wire, choice, state, parts) : undefined
}

const decodeFinish = (
  word: string,
  wire: Fields,
  choice: number | undefined,
  state: State,
  parts: Array<Chat.Part>,
): ProviderError | undefined => {
  const before = parts.length
  let reason: Chat.FinishReason | ProviderError = FinishReason.read(word)
  const calls = state.calls.get(choice ?? 0)
  reason = calls === undefined ? ToolCalls.finish(reason, 0) : calls.end(reason, parts)
  if (reason instanceof ProviderError) return reason
  if (parts.length > before || Response.amendedFinish(word, reason, state.legacy) !== undefined) state.faithful = false
  state.finished.add(choice ?? 0)
  parts.push({ type: "finish", reason, ...Response.stopSequence(wire), ...at(choice) })
  return undefined
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

/** A piece of a call, of a function or of a custom tool. */
const decodeCall = (
  call: Fields,
  delta: Fields,
  choice: number | undefined,
  state: State,
  parts: Array<Chat.Part>,
): void => {
  const before = parts.length
  const custom = call["custom"]
  const { name, arguments: json, input } = Json.fields(call["function"] ?? custom)
  const piece = json ?? input
  const isNothing = piece === undefined || piece === null
  const slot = call["index"] ?? undefined
  const named = said(name) ? name : undefined
  const asSaid = callsOf(state, choice).push(
    {
      slot,
      id: said(call["id"]) ? call["id"] : undefined,
      name: named,
      arguments: Predicate.isString(piece) ? piece : isNothing ? "" : JSON.stringify(piece),
      ...(Predicate.isObject(custom) ? customTool : undefined),
      ...(named === undefined ? undefined : Reasoning.ofCall(call, delta)),
    },
    parts,
  )
  if (!asSaid || !(isNothing || Predicate.isString(piece))) state.faithful = false
  for (let at = before; at < parts.length; at++) {
    const part = parts[at]
    if (part !== undefined && "index" in part && part.index !== slot) state.faithful = false
  }
}

const customTool = { custom: true as const }

const callsOf = (state: State, choice = 0): ToolCalls.Calls => {
  let calls = state.calls.get(choice)
  if (calls === undefined) {
    const made = (index: number) => Response.callId(state.id, index)
    calls = ToolCalls.make(made, choice === 0 ? undefined : choice)
    state.calls.set(choice, calls)
  }
  return calls
}

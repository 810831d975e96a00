/**
 * Decodes a stream chunk by chunk. `Encoder.ts` encodes one for clients.
 *
 * The first chunk's id and model are the preamble; deltas are output; a `finish_reason` completes its choice. Usage
 * comes last in a chunk without choices, or anywhere on compatible servers.
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
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import { protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Reasoning from "./Reasoning.ts"
import * as Usage from "./Usage.ts"

export { encoder } from "./Encoder.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's events -> frames
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A decoder for one stream; stateful. `classify` classifies an error inside the stream. `[DONE]` only matters for calls
 * without a finish reason.
 */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder<SseEvent> => {
  const state: State = {
    started: false,
    id: undefined,
    calls: new Map(),
    finished: new Set(),
    legacy: false,
    faithful: true,
  }
  const template = new EventTemplate(["created", "obfuscation"])
  return {
    push: ({ event, data }) => {
      if (data === "[DONE]") return done(state)
      const text = template.match(data)
      if (text !== undefined) return Result.succeed({ parts: text, native: { protocol, data } })
      const body = Response.parse(data)
      if (!Predicate.isObject(body)) return undefined
      if (isError(body as Fields, event)) return Result.fail(classify(Errors.fromBody(body)))
      if (!Array.isArray(body["choices"])) return undefined
      const parts: Array<Chat.Part> = []
      state.faithful = true
      const failure = decodeChunk(body as Chunk, state, parts, classify)
      if (failure !== undefined) return Result.fail(failure)
      // A piece of a call changes the state, also if it has no part.
      if (state.faithful && state.calls.size === 0) template.learn(data, parts)
      return Result.succeed(state.faithful ? { parts, native: { protocol, data } } : { parts })
    },
  }
}

interface State {
  started: boolean
  /** The response's id, which makes the ids of calls unique if the server gives none. */
  id: string | undefined
  /** The calls of each choice. */
  readonly calls: Map<number, ToolCalls.Calls>
  /** The choices that have a finish reason. */
  readonly finished: Set<number>
  /** Whether calls come as `function_call`, one per response. */
  legacy: boolean
  /** Whether the current chunk can be passed on: its indexes, ids and finish reasons are those of its parts. */
  faithful: boolean
}

const isError = (body: Fields, event: string | undefined): boolean =>
  (body["error"] !== undefined && body["error"] !== null) ||
  ((event === "error" || body["object"] === "error") && !Array.isArray(body["choices"]))

/** An open call at `[DONE]` is complete and ends the response. */
const done = ({ calls, finished }: State): Result.Result<Chat.Frame, ProviderError> | undefined => {
  const parts: Array<Chat.Part> = []
  for (const [choice, opened] of calls) {
    if (finished.has(choice) || opened.count() === 0) continue
    const reason = opened.end("tool-calls", parts)
    if (reason instanceof ProviderError) return Result.fail(reason)
    finished.add(choice)
    parts.push({ type: "finish", reason, ...choiceField(choice === 0 ? undefined : choice) })
  }
  return parts.length === 0 ? undefined : Result.succeed({ parts })
}

interface Chunk extends Fields {
  readonly choices: ReadonlyArray<unknown>
}

/** Adds the parts of a chunk. Returns an error if the stream has failed. */
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
    for (const reasoning of Reasoning.decode(delta as Fields)) parts.push({ ...reasoning, ...choiceField(choice) })
    if (Json.isNonEmptyString(content)) {
      parts.push(
        logprobs === undefined || logprobs === null
          ? { type: "text", text: content, ...choiceField(choice) }
          : { type: "text", text: content, ...choiceField(choice), logprobs },
      )
    } else if (Array.isArray(content)) decodeChunks(content, choice, parts)
    if (Array.isArray(annotations)) {
      for (const annotation of annotations) {
        const citation = Citations.decode(annotation)
        if (citation !== undefined) parts.push({ type: "citation", citation, ...choiceField(choice) })
      }
    }
    if (Json.isNonEmptyString(refusal)) parts.push({ type: "refusal", text: refusal, ...choiceField(choice) })
    // Audio has a transcript; the audio itself is in `native`.
    if (Predicate.isObject(audio) && Json.isNonEmptyString(audio["transcript"])) {
      parts.push({ type: "text", text: audio["transcript"], ...choiceField(choice) })
    }
    if (Array.isArray(tool_calls)) {
      for (const call of tool_calls) {
        if (Predicate.isObject(call)) decodeCall(call as Fields, delta as Fields, choice, state, parts)
      }
    } else if (Predicate.isObject(function_call)) {
      const faithful = state.faithful
      state.legacy = true
      decodeCall({ index: 0, function: function_call }, delta as Fields, choice, state, parts)
      // A second `function_call` cannot be passed on: it has no id.
      state.faithful = faithful && callsOf(state, choice).count() <= 1
    }
  }
  // Some servers send an empty finish reason in earlier chunks.
  return Json.isNonEmptyString(finish_reason) ? decodeFinish(finish_reason, wire, choice, state, parts) : undefined
}

const decodeFinish = (
  wireReason: string,
  wire: Fields,
  choice: number | undefined,
  state: State,
  parts: Array<Chat.Part>,
): ProviderError | undefined => {
  const before = parts.length
  let reason: Chat.FinishReason | ProviderError = FinishReason.read(wireReason)
  const calls = state.calls.get(choice ?? 0)
  reason = calls === undefined ? ToolCalls.finish(reason, 0) : calls.end(reason, parts)
  if (reason instanceof ProviderError) return reason
  if (parts.length > before || Response.amendedFinish(wireReason, reason, state.legacy) !== undefined)
    state.faithful = false
  state.finished.add(choice ?? 0)
  parts.push({ type: "finish", reason, ...Response.stopSequence(wire), ...choiceField(choice) })
  return undefined
}

/** Mistral's chunks of reasoning and text. */
const decodeChunks = (chunks: ReadonlyArray<unknown>, choice: number | undefined, parts: Array<Chat.Part>): void => {
  for (const chunk of chunks) {
    const { text, thinking, type } = Json.fields(chunk)
    if (type === "text" && Json.isNonEmptyString(text)) parts.push({ type: "text", text, ...choiceField(choice) })
    const reasoning = type === "thinking" ? Response.textOf(thinking) : ""
    if (reasoning !== "") parts.push({ type: "reasoning", text: reasoning, ...choiceField(choice) })
  }
}

const noChoice = {}
const choiceField = (choice: number | undefined): { readonly choice?: number } =>
  choice === undefined ? noChoice : { choice }

/** A delta of a call of a function or a custom tool. */
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
  const argumentsDelta = json ?? input
  const isNothing = argumentsDelta === undefined || argumentsDelta === null
  const slot = call["index"] ?? undefined
  const named = Json.isNonEmptyString(name) ? name : undefined
  const isUnchanged = callsOf(state, choice).push(
    {
      slot,
      id: Json.isNonEmptyString(call["id"]) ? call["id"] : undefined,
      name: named,
      arguments: Predicate.isString(argumentsDelta) ? argumentsDelta : isNothing ? "" : JSON.stringify(argumentsDelta),
      ...(Predicate.isObject(custom) ? customTool : undefined),
      ...(named === undefined ? undefined : Reasoning.ofCall(call, delta)),
    },
    parts,
  )
  if (!isUnchanged || !(isNothing || Predicate.isString(argumentsDelta))) state.faithful = false
  for (let choiceField = before; choiceField < parts.length; choiceField++) {
    const part = parts[choiceField]
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

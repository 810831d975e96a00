/**
 * Encodes a stream for a Gemini client: frames in, chunks out, as server-sent events or as the elements of one JSON
 * array.
 *
 * Frames of this protocol are passed on unchanged. For other frames, text is sent at once; calls are sent when they are
 * complete, as clients expect; the last chunk has the finish reasons, the citations and the usage.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Answering, ClientError, Encoder } from "../ClientProtocol.ts"
import * as Amended from "../Amended.ts"
import { event } from "../EventText.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import * as Logprobs from "./Logprobs.ts"
import { protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Usage from "./Usage.ts"

/** Encodes as server-sent events. */
export const encoder = (answering: Answering): Encoder => make(answering, events)

/** Encodes as one JSON array, the API's format without `alt=sse`. */
export const array = {
  contentType: "application/json",
  idle: "\n",
  encoder: (answering: Answering): Encoder => make(answering, elements()),
}

/** How chunks are framed. */
interface Framing {
  readonly chunk: (json: string) => string
  /** The last chunk, an error. */
  readonly error: (json: string) => string
  readonly close: string
}

/**
 * An error is sent twice: as an event, and as the bare JSON with which Google ends a failed stream. Clients
 * (gemini-cli, LangChain) that treat the event as an empty response fail at the bare JSON. It must not end in a blank
 * line, or it would be skipped as an event.
 */
const events: Framing = { chunk: (json) => event(json), error: (json) => event(json) + json, close: "" }

const elements = (): Framing => {
  let between = "["
  const chunk = (json: string): string => {
    const written = between + json
    between = ",\n"
    return written
  }
  return { chunk, error: chunk, close: "]" }
}

interface State {
  readonly id: string
  readonly framing: Framing
  /** The JSON of every chunk after its candidates. */
  tail: string
  readonly choices: Map<number, Choice>
  usage: Chat.Usage | undefined
  /** Whether the client has received the usage. */
  usageSent: boolean
}

interface Choice {
  /** The incomplete calls by index. */
  readonly calls: Map<number, Call>
  text: string
  readonly citations: Array<Chat.Citation>
  finish: Chat.FinishReason | undefined
  /** Whether the client has received its end. */
  ended: boolean
}

type Call = { -readonly [K in keyof Chat.ToolCall]: Chat.ToolCall[K] }

const make = ({ id, request }: Answering, framing: Framing): Encoder => {
  const state: State = { id, framing, tail: "", choices: new Map(), usage: undefined, usageSent: false }
  name(state, request.model, id)
  return {
    push: ({ native, parts }) => {
      if (native?.protocol !== protocol) return write(parts, state)
      for (const part of parts) record(part, state)
      return framing.chunk(state.usageSent || !parts.some(isFinish) ? native.data : withUsage(native.data, state))
    },
    end: () => end(state) + framing.close,
    fail: (error: ClientError) => framing.error(JSON.stringify(Errors.encode(error))) + framing.close,
  }
}

const isFinish = ({ type }: Chat.Part): boolean => type === "finish"

/** Some clients require a usage at the end. */
const withUsage = (data: string, state: State): string => {
  state.usageSent = true
  return Amended.data(data, (body) => ({ ...body, usageMetadata: Usage.encode(undefined) }))
}

const name = (state: State, model: string, id: string): void => {
  state.tail = JSON.stringify({ modelVersion: model, responseId: id }).slice(1)
}

// ---------------------------------------------------------------------------------------------------------------------
// State
// ---------------------------------------------------------------------------------------------------------------------

const choiceOf = (state: State, index: number): Choice => {
  let choice = state.choices.get(index)
  if (choice === undefined) {
    choice = { calls: new Map(), text: "", citations: [], finish: undefined, ended: false }
    state.choices.set(index, choice)
  }
  return choice
}

/** Records a part of a chunk of this protocol. */
const record = (part: Chat.Part, state: State): void => {
  switch (part.type) {
    case "start":
      if (part.model !== undefined) name(state, part.model, part.id ?? state.id)
      return
    case "usage":
      state.usageSent = true
      return
    case "text":
      choiceOf(state, part.choice ?? 0).text += part.text
      return
    case "finish":
      choiceOf(state, part.choice ?? 0).ended = true
      return
    default:
      return
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Other protocols' frames
// ---------------------------------------------------------------------------------------------------------------------

const write = (parts: ReadonlyArray<Chat.Part>, state: State): string => {
  let text = ""
  for (const part of parts) text += writePart(part, state)
  return text
}

const writePart = (part: Chat.Part, state: State): string => {
  switch (part.type) {
    case "start":
      if (part.model !== undefined) name(state, part.model, state.id)
      return ""
    case "usage":
      // A usage that the client received from chunks of this protocol is outdated.
      state.usage = part.usage
      state.usageSent = false
      return ""
  }
  const index = part.choice ?? 0
  const choice = choiceOf(state, index)
  switch (part.type) {
    case "citation":
      choice.citations.push(part.citation)
      return ""
    case "finish":
      choice.finish ??= part.reason
      return ""
    case "tool-call":
      choice.calls.set(part.index, { ...part, type: "tool-call", arguments: "" })
      return ""
    case "tool-call-delta": {
      const call = choice.calls.get(part.index)
      if (call !== undefined) call.arguments += part.arguments
      return ""
    }
    case "text":
      choice.text += part.text
      break
    case "reasoning":
    case "refusal":
      break
  }
  const ready = choice.calls.size === 0 ? "" : calls(choice)
  const before = ready === "" ? "" : chunk(state, index, ready)
  const block = Response.encodePart(part)
  if (block === undefined) return before
  const more =
    part.type === "text" && part.logprobs !== undefined ? JSON.stringify(Logprobs.encode(part.logprobs)) : "{}"
  return before + chunk(state, index, JSON.stringify(block), more)
}

/** The JSON of the complete calls, comma-separated; of all calls if `complete`. */
const calls = ({ calls }: Choice, complete = false): string => {
  const written: Array<string> = []
  for (const [index, call] of calls) {
    if (!complete && !ToolCalls.hasCompleteArguments(call)) continue
    calls.delete(index)
    written.push(JSON.stringify(Response.encodePart(call)))
  }
  return written.join()
}

/** A chunk. `parts` is the comma-separated JSON of its parts, `more` the JSON of other fields of the candidate. */
const chunk = (state: State, index: number, parts: string, more = "{}", usage = ""): string =>
  state.framing.chunk(
    `{"candidates":[{"content":{"parts":[${parts}],"role":"model"},${more === "{}" ? "" : `${more.slice(1, -1)},`}"index":${index}}],${usage}${state.tail}`,
  )

/** The last chunk of every candidate without an end. */
const end = (state: State): string => {
  const open = [...state.choices].filter(([, choice]) => !choice.ended)
  if (state.choices.size === 0) open.push([0, choiceOf(state, 0)])
  const usage = state.usageSent ? "" : `"usageMetadata":${JSON.stringify(Usage.encode(state.usage))},`
  let text = ""
  for (const [at, [index, choice]] of open.entries()) {
    const { finish = "stop" } = choice
    const parts = calls(choice, ToolCalls.isComplete(finish)) || '{"text":""}'
    const more = {
      finishReason: Response.encodeFinish(finish),
      ...Citations.encode(choice.citations, choice.text),
    }
    text += chunk(state, index, parts, JSON.stringify(more), at === open.length - 1 ? usage : "")
  }
  return text
}

/**
 * A streamed answer as its client reads it: frames in, the text of server-sent events out.
 *
 * Frames of this very protocol go out as they came. Whatever came, the client sees what its SDK relies on: a role with
 * the first delta, a finish reason for every choice, usage only if it asked, and `[DONE]`; or an error, and no `[DONE]`.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Answering, Encoder } from "../ClientProtocol.ts"
import * as Json from "../Json.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import { protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Reasoning from "./Reasoning.ts"
import * as Usage from "./Usage.ts"

export const encoder = ({ created, id, request }: Answering): Encoder => {
  const state: State = {
    identity: { id: `chatcmpl-${id}`, created, model: request.model },
    head: "",
    includeUsage: wantsUsage(request.native),
    legacy: Response.speaksOfFunctions(request),
    choices: [],
    begun: new Set(),
    nativeRole: false,
    finished: new Set(),
    usage: undefined,
    counted: false,
  }
  name(state, state.identity)
  return {
    push: ({ native, parts }) => {
      const own = native?.protocol === protocol
      fold(parts, state, own)
      return own ? pass(native.data, parts, state) : write(parts, state)
    },
    end: () => {
      let text = ""
      for (const choice of state.begun.size === 0 ? [0] : state.begun) {
        if (!state.finished.has(choice)) text += begin(choice, state) + delta(state, choice, "{}", "stop")
      }
      if (state.includeUsage && !state.counted && state.usage !== undefined) {
        text += event(`${state.head}[],"usage":${JSON.stringify(Usage.encode(state.usage))}}`)
      }
      return `${text}data: [DONE]\n\n`
    },
    fail: (error) => event(JSON.stringify(Errors.encode(error))),
  }
}

interface State {
  identity: Identity
  /** Every chunk's JSON up to its choices. */
  head: string
  /** Whether the client asked for the stream's usage. */
  readonly includeUsage: boolean
  /** Whether the client is to be told of function calls where others are told of tool calls. */
  readonly legacy: boolean
  readonly choices: Array<Progress>
  /** The choices that have been given a role, and whether the upstream gives roles itself. */
  readonly begun: Set<number>
  nativeRole: boolean
  readonly finished: Set<number>
  usage: Chat.Usage | undefined
  /** Whether the client has been told the usage. */
  counted: boolean
}

/** How far a choice of another protocol's has come. */
interface Progress {
  /** The length of its text, where the piece of it began that is being said, and whether that has been cited. */
  said: number
  from: number
  cited: boolean
  /** How many of its thoughts are whole. */
  thoughts: number
  /** How many calls it has opened. */
  calls: number
  /** The indexes of its calls of free-form tools. */
  readonly custom: Set<number>
}

// ---------------------------------------------------------------------------------------------------------------------
// What is known
// ---------------------------------------------------------------------------------------------------------------------

const wantsUsage = (native: Chat.Native | undefined): boolean =>
  native?.protocol === protocol && Json.fields(native.body["stream_options"])["include_usage"] === true

/** What every chunk of an answer says of it. */
interface Identity {
  readonly id: string
  readonly created: number
  readonly model: string
}

/** Chunks of this protocol's own go out under their id: whatever follows them bears the same. */
const fold = (parts: ReadonlyArray<Chat.Part>, state: State, own: boolean): void => {
  for (const part of parts) {
    if (part.type === "usage") state.usage = part.usage
    else if (part.type === "start") {
      const { created, id, model } = state.identity
      name(state, { created, id: (own ? part.id : undefined) ?? id, model: part.model ?? model })
    }
  }
}

const name = (state: State, identity: Identity): void => {
  const { created, id, model } = identity
  state.identity = identity
  const head = JSON.stringify({ id, object: "chat.completion.chunk", created, model })
  state.head = `${head.slice(0, -1)},"choices":`
}

// ---------------------------------------------------------------------------------------------------------------------
// This protocol's own frames
// ---------------------------------------------------------------------------------------------------------------------

/** Written as it came, but for a chunk that only tells a usage nobody asked for. */
const pass = (data: string, parts: ReadonlyArray<Chat.Part>, state: State): string => {
  let role = ""
  let counted = false
  let onlyUsage = parts.length > 0
  for (const part of parts) {
    if (part.type === "usage") {
      counted = true
      continue
    }
    onlyUsage = false
    if (part.type === "start") continue
    const choice = part.choice ?? 0
    if (part.type === "finish") state.finished.add(choice)
    if (!state.begun.has(choice)) {
      if (!state.nativeRole && data.includes('"role"')) state.nativeRole = true
      role += state.nativeRole ? mark(choice, state) : begin(choice, state)
    }
  }
  if (onlyUsage && !state.includeUsage) return ""
  if (counted) state.counted = true
  if (!state.nativeRole && state.begun.size === 0) state.nativeRole = data.includes('"role"')
  return role + event(data)
}

const mark = (choice: number, state: State): string => {
  state.begun.add(choice)
  return ""
}

/** Data of several lines, as an event has it. */
const event = (data: string): string =>
  data.includes("\n") ? `data: ${data.replaceAll("\n", "\ndata: ")}\n\n` : `data: ${data}\n\n`

// ---------------------------------------------------------------------------------------------------------------------
// Other protocols' frames
// ---------------------------------------------------------------------------------------------------------------------

const write = (parts: ReadonlyArray<Chat.Part>, state: State): string => {
  let text = ""
  for (const part of parts) text += writePart(part, state)
  return text
}

const writePart = (part: Chat.Part, state: State): string => {
  if (part.type === "start") return ""
  if (part.type === "usage") {
    // What the client may have been told by frames of this protocol, before others followed, no longer holds.
    state.counted = false
    return ""
  }
  const choice = part.choice ?? 0
  if (part.type === "finish") {
    if (state.finished.has(choice)) return ""
    state.finished.add(choice)
    // Of calls that went out as they came, the reason knows.
    const { calls } = progressOf(choice, state)
    const reason = calls > 0 ? ToolCalls.finish(part.reason, calls) : part.reason
    return begin(choice, state) + delta(state, choice, "{}", Response.encodeFinish(reason, state.legacy))
  }
  const content = writeContent(part, progressOf(choice, state), state.legacy)
  return content === "" ? "" : begin(choice, state) + delta(state, choice, content, undefined, logprobsOf(part))
}

const logprobsOf = (part: Chat.Part): unknown => (part.type === "text" ? part.logprobs : undefined)

const progressOf = (choice: number, { choices }: State): Progress =>
  (choices[choice] ??= { said: 0, from: 0, cited: false, thoughts: 0, calls: 0, custom: new Set() })

type Content = Exclude<Chat.Part, { readonly type: "start" | "usage" | "finish" }>

/** The part as the JSON of a delta. */
const writeContent = (part: Content, progress: Progress, legacy: boolean): string => {
  switch (part.type) {
    case "text":
      if (progress.cited) {
        progress.cited = false
        progress.from = progress.said
      }
      progress.said += part.text.length
      return `{"content":${JSON.stringify(part.text)}}`
    case "reasoning":
      return writeThought(part, progress)
    case "citation": {
      progress.cited = true
      const annotation = Citations.encode(part.citation, progress.from, progress.said)
      return annotation === undefined ? "" : `{"annotations":[${JSON.stringify(annotation)}]}`
    }
    case "refusal":
      return `{"refusal":${JSON.stringify(part.text)}}`
    case "tool-call":
      progress.calls++
      return legacy ? writeFunction(part) : writeCall(part, progress)
    case "tool-arguments": {
      const written = JSON.stringify(part.arguments)
      if (legacy) return part.index === 0 ? `{"function_call":{"arguments":${written}}}` : ""
      return progress.custom.has(part.index)
        ? `{"tool_calls":[{"index":${part.index},"custom":{"input":${written}}}]}`
        : `{"tool_calls":[{"index":${part.index},"function":{"arguments":${written}}}]}`
    }
  }
}

/** Its words for every client, and for those that bring thoughts back, as a detail too, which a seal makes whole. */
const writeThought = (part: Extract<Content, { readonly type: "reasoning" }>, progress: Progress): string => {
  const sealed = part.signature !== undefined || part.redacted !== undefined
  if (part.text === "" && !sealed) return ""
  const detail = JSON.stringify(Reasoning.encode(part, progress.thoughts))
  if (sealed) progress.thoughts++
  const words = part.text === "" ? "" : `"reasoning_content":${JSON.stringify(part.text)},`
  return `{${words}"reasoning_details":[${detail}]}`
}

type Call = Extract<Content, { readonly type: "tool-call" }>

const writeCall = ({ custom, id, index, name, signature }: Call, progress: Progress): string => {
  const identity = `"index":${index},"id":${JSON.stringify(ToolIds.write(id, signature))}`
  if (custom !== true) {
    return `{"tool_calls":[{${identity},"type":"function","function":{"name":${JSON.stringify(name)},"arguments":""}}]}`
  }
  progress.custom.add(index)
  return `{"tool_calls":[{${identity},"type":"custom","custom":{"name":${JSON.stringify(name)},"input":""}}]}`
}

/** An older client knows of one call in an answer. */
const writeFunction = ({ index, name }: Call): string =>
  index === 0 ? `{"function_call":{"name":${JSON.stringify(name)},"arguments":""}}` : ""

const begin = (choice: number, state: State): string => {
  if (state.begun.has(choice)) return ""
  state.begun.add(choice)
  return delta(state, choice, '{"role":"assistant","content":""}')
}

const delta = (state: State, choice: number, content: string, finish?: string, logprobs?: unknown): string => {
  const usage = state.includeUsage ? ',"usage":null' : ""
  const probable = logprobs === undefined ? "null" : JSON.stringify(logprobs)
  const reason = finish === undefined ? "null" : `"${finish}"`
  return `data: ${state.head}[{"index":${choice},"delta":${content},"logprobs":${probable},"finish_reason":${reason}}]${usage}}\n\n`
}

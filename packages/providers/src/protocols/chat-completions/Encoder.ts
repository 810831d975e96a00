/**
 * Encodes a stream for a Chat Completions client: frames in, server-sent events out.
 *
 * Frames of this protocol are passed on unchanged. In any case the client gets what its SDK relies on: a role in the
 * first delta, a finish reason for every choice, usage only if requested, and `[DONE]`; or an error, and no `[DONE]`.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Answering, Encoder } from "../ClientProtocol.ts"
import { event } from "../EventText.ts"
import * as Outline from "@understudy/core/internal/model/Outline"
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
    includeUsage: wantsUsage(Outline.settings(request).native),
    legacy: Response.usesFunctionCall(request),
    choices: [],
    started: new Set(),
    nativeRole: false,
    finished: new Set(),
    usage: undefined,
    usageSent: false,
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
      for (const choice of state.started.size === 0 ? [0] : state.started) {
        if (!state.finished.has(choice)) text += startChoice(choice, state) + delta(state, choice, "{}", "stop")
      }
      if (state.includeUsage && !state.usageSent && state.usage !== undefined) {
        text += event(`${state.head}[],"usage":${JSON.stringify(Usage.encode(state.usage))}}`)
      }
      return `${text}data: [DONE]\n\n`
    },
    fail: (error) => event(JSON.stringify(Errors.encode(error))),
  }
}

interface State {
  identity: Identity
  /** The JSON of every chunk up to its choices. */
  head: string
  /** Whether the client requested the stream's usage. */
  readonly includeUsage: boolean
  /** Whether the client expects `function_call` in place of `tool_calls`. */
  readonly legacy: boolean
  readonly choices: Array<Progress>
  /** The choices that have a role, and whether the upstream sends roles. */
  readonly started: Set<number>
  nativeRole: boolean
  readonly finished: Set<number>
  usage: Chat.Usage | undefined
  /** Whether the client has received the usage. */
  usageSent: boolean
}

/** The state of a choice of another protocol. */
interface Progress {
  /** The length of its text, the start of the current piece, and whether that piece has been cited. */
  length: number
  from: number
  cited: boolean
  /** The number of complete reasoning parts. */
  reasoningParts: number
  /** The number of opened calls. */
  calls: number
  /** The indexes of calls of custom tools. */
  readonly custom: Set<number>
}

// ---------------------------------------------------------------------------------------------------------------------
// State
// ---------------------------------------------------------------------------------------------------------------------

const wantsUsage = (native: Chat.Native | undefined): boolean =>
  native?.protocol === protocol && Json.fields(native.body["stream_options"])["include_usage"] === true

/** The fields that every chunk repeats. */
interface Identity {
  readonly id: string
  readonly created: number
  readonly model: string
}

/** Chunks of this protocol keep their id, and later chunks use that id. */
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

/** Passes an event on, except a chunk with only a usage that the client did not request. */
const pass = (data: string, parts: ReadonlyArray<Chat.Part>, state: State): string => {
  let role = ""
  let usageSent = false
  let onlyUsage = parts.length > 0
  for (const part of parts) {
    if (part.type === "usage") {
      usageSent = true
      continue
    }
    onlyUsage = false
    if (part.type === "start") continue
    const choice = part.choice ?? 0
    if (part.type === "finish") state.finished.add(choice)
    if (!state.started.has(choice)) {
      if (!state.nativeRole && data.includes('"role"')) state.nativeRole = true
      role += state.nativeRole ? mark(choice, state) : startChoice(choice, state)
    }
  }
  if (onlyUsage && !state.includeUsage) return ""
  if (usageSent) state.usageSent = true
  if (!state.nativeRole && state.started.size === 0) state.nativeRole = data.includes('"role"')
  return role + event(data)
}

const mark = (choice: number, state: State): string => {
  state.started.add(choice)
  return ""
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
  if (part.type === "start") return ""
  if (part.type === "usage") {
    // A usage that the client received from frames of this protocol is outdated.
    state.usageSent = false
    return ""
  }
  const choice = part.choice ?? 0
  if (part.type === "finish") {
    if (state.finished.has(choice)) return ""
    state.finished.add(choice)
    // For calls that were passed on, the finish reason is already right.
    const { calls } = progressOf(choice, state)
    const reason = calls > 0 ? ToolCalls.finish(part.reason, calls) : part.reason
    return startChoice(choice, state) + delta(state, choice, "{}", Response.encodeFinish(reason, state.legacy))
  }
  const content = writeContent(part, progressOf(choice, state), state.legacy)
  return content === "" ? "" : startChoice(choice, state) + delta(state, choice, content, undefined, logprobsOf(part))
}

const logprobsOf = (part: Chat.Part): unknown => (part.type === "text" ? part.logprobs : undefined)

const progressOf = (choice: number, { choices }: State): Progress =>
  (choices[choice] ??= { length: 0, from: 0, cited: false, reasoningParts: 0, calls: 0, custom: new Set() })

type Content = Exclude<Chat.Part, { readonly type: "start" | "usage" | "finish" }>

/** The part as the JSON of a delta. */
const writeContent = (part: Content, progress: Progress, legacy: boolean): string => {
  switch (part.type) {
    case "text":
      if (progress.cited) {
        progress.cited = false
        progress.from = progress.length
      }
      progress.length += part.text.length
      return `{"content":${JSON.stringify(part.text)}}`
    case "reasoning":
      return writeReasoning(part, progress)
    case "citation": {
      progress.cited = true
      const annotation = Citations.encode(part.citation, progress.from, progress.length)
      return annotation === undefined ? "" : `{"annotations":[${JSON.stringify(annotation)}]}`
    }
    case "refusal":
      return `{"refusal":${JSON.stringify(part.text)}}`
    case "tool-call":
      progress.calls++
      return legacy ? writeFunction(part) : writeCall(part, progress)
    case "tool-call-delta": {
      const written = JSON.stringify(part.arguments)
      if (legacy) return part.index === 0 ? `{"function_call":{"arguments":${written}}}` : ""
      return progress.custom.has(part.index)
        ? `{"tool_calls":[{"index":${part.index},"custom":{"input":${written}}}]}`
        : `{"tool_calls":[{"index":${part.index},"function":{"arguments":${written}}}]}`
    }
  }
}

/**
 * Reasoning text for every client, and a detail for clients that return reasoning. Encrypted reasoning completes the
 * detail.
 */
const writeReasoning = (part: Extract<Content, { readonly type: "reasoning" }>, progress: Progress): string => {
  const isEncrypted = part.signature !== undefined || part.redacted !== undefined
  if (part.text === "" && !isEncrypted) return ""
  const detail = JSON.stringify(Reasoning.encode(part, progress.reasoningParts))
  if (isEncrypted) progress.reasoningParts++
  const text = part.text === "" ? "" : `"reasoning_content":${JSON.stringify(part.text)},`
  return `{${text}"reasoning_details":[${detail}]}`
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

/** Clients with `function_call` support one call per response. */
const writeFunction = ({ index, name }: Call): string =>
  index === 0 ? `{"function_call":{"name":${JSON.stringify(name)},"arguments":""}}` : ""

const startChoice = (choice: number, state: State): string => {
  if (state.started.has(choice)) return ""
  state.started.add(choice)
  return delta(state, choice, '{"role":"assistant","content":""}')
}

const delta = (state: State, choice: number, content: string, finish?: string, logprobs?: unknown): string => {
  const usage = state.includeUsage ? ',"usage":null' : ""
  const probable = logprobs === undefined ? "null" : JSON.stringify(logprobs)
  const reason = finish === undefined ? "null" : `"${finish}"`
  return `data: ${state.head}[{"index":${choice},"delta":${content},"logprobs":${probable},"finish_reason":${reason}}]${usage}}\n\n`
}

/**
 * Encodes a stream for a Messages client: frames in, server-sent events out.
 *
 * Frames of this protocol are passed on unchanged. In any case the client gets what its SDK relies on: one
 * `message_start`; blocks one after another, numbered from 0, each closed once; one `message_delta` with the stop
 * reason and the usage; `message_stop`; or an error in place of the last two.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Amended from "../Amended.ts"
import type { Answering, Encoder } from "../ClientProtocol.ts"
import { event } from "../EventText.ts"
import * as Json from "../Json.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import { nameless, protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Usage from "./Usage.ts"

export const encoder = ({ id, request }: Answering): Encoder => {
  const state: State = {
    id,
    request,
    model: request.model,
    started: false,
    written: false,
    blocks: 0,
    open: undefined,
    waiting: [],
    usage: undefined,
    finish: undefined,
    calls: false,
    hasRefusal: false,
    finishSent: false,
    stopped: false,
  }
  return {
    push: ({ native, parts }) => {
      // Events after `message_stop` are ignored.
      if (state.stopped) return ""
      // Once events were written here, the upstream's own events no longer fit.
      if (native?.protocol !== protocol || state.written) return write(parts, state)
      record(parts, state)
      return pass(native, parts, state)
    },
    end: () => {
      if (state.stopped) return ""
      let text = startMessage(state) + drain(state, true) + close(state)
      if (!state.finishSent) text += event(delta(state), "message_delta")
      return text + event('{"type":"message_stop"}', "message_stop")
    },
    fail: (error) => (state.stopped ? "" : event(JSON.stringify(Errors.encode(error)), "error")),
  }
}

interface State {
  readonly id: string
  readonly request: Chat.Request
  model: string
  /** Whether the client has a `message_start`, and whether any event was written here. */
  started: boolean
  written: boolean
  /** The number of opened blocks. */
  blocks: number
  open: Open | undefined
  /** Parts that wait until the arguments of the open call are complete: calls may be interleaved, blocks may not. */
  waiting: Array<Chat.Part>
  usage: Chat.Usage | undefined
  finish: Extract<Chat.Part, { readonly type: "finish" }> | undefined
  calls: boolean
  hasRefusal: boolean
  /** Whether the client has the stop reason, and the `message_stop`. */
  finishSent: boolean
  stopped: boolean
}

/** The open block. `json` are the arguments so far of the call with index `call`. */
interface Open {
  readonly index: number
  readonly kind: "text" | "thinking" | "tool" | "other"
  readonly call: number | undefined
  json: string
}

// ---------------------------------------------------------------------------------------------------------------------
// This protocol's own frames
// ---------------------------------------------------------------------------------------------------------------------

/** Records the parts, in case another deployment continues the stream. */
const record = (parts: ReadonlyArray<Chat.Part>, state: State): void => {
  for (const part of parts) {
    if (part.type === "usage") state.usage = part.usage
    else if (part.type === "finish") state.finish = part
    else if (part.type === "tool-call") state.calls = true
    else if (part.type === "tool-call-delta" && state.open?.call === part.index) state.open.json += part.arguments
  }
}

/**
 * Passes an event on, completed if the client's SDK relies on something it lacks. SDKs read the event's name, which
 * compatible servers may omit: the name is `message` then.
 */
const pass = (
  { data, event: named = nameless }: Chat.NativeEvent,
  parts: ReadonlyArray<Chat.Part>,
  state: State,
): string => {
  const name = named === nameless ? Json.string(Json.parseObject(data)?.["type"]) : named
  const opening = state.started || name === "message_start" || name === "ping" ? "" : startMessage(state)
  switch (name) {
    case "message_start":
      state.started = true
      return event(startOf(data, state), name)
    case "message_delta":
      return opening + event(deltaOf(data, state), name)
    case "content_block_start":
      follow(Json.parseObject(data) ?? {}, parts, state)
      break
    case "content_block_stop":
      state.open = undefined
      break
    case "message_stop":
      // Without a stop reason the response may be incomplete.
      if (state.finish === undefined) return ""
      state.stopped = true
      return opening + (state.finishSent ? "" : event(delta(state), "message_delta")) + event(data, name)
  }
  return opening + event(data, name)
}

/** SDKs require the usage of `message_start`. */
const startOf = (data: string, { usage: known }: State): string =>
  Amended.data(data, (body) => {
    const message = Json.fields(body["message"])
    const usage = Usage.completed(message["usage"], known)
    return usage === undefined ? body : { ...body, message: { ...message, usage } }
  })

/** SDKs require the output tokens and the stop reason of `message_delta`. */
const deltaOf = (data: string, state: State): string => {
  const { finish, usage: known } = state
  if (finish !== undefined) state.finishSent = true
  return Amended.data(data, (body) => {
    const finishSent = Json.fields(body["delta"])
    const counted = Json.number(Json.fields(body["usage"])["output_tokens"]) !== undefined
    const stopReason = finish === undefined ? undefined : Response.amendedStop(finishSent["stop_reason"], finish.reason)
    if (counted && stopReason === undefined) return body
    return {
      ...body,
      ...(stopReason === undefined ? undefined : { delta: { ...finishSent, stop_reason: stopReason } }),
      ...(counted ? undefined : { usage: { ...Json.fields(body["usage"]), ...Usage.completed(undefined, known) } }),
    }
  })
}

const follow = ({ content_block: block, index }: Json.Fields, parts: ReadonlyArray<Chat.Part>, state: State): void => {
  const at = Json.integer(index) ?? state.blocks
  const call = parts.find((part) => part.type === "tool-call")?.index
  const kind = call === undefined ? (Json.fields(block)["type"] === "text" ? "text" : "other") : "tool"
  state.blocks = at + 1
  state.open = { index: at, kind, call, json: "" }
  for (const part of parts) if (part.type === "tool-call-delta") state.open.json += part.arguments
}

// ---------------------------------------------------------------------------------------------------------------------
// Other protocols' frames
// ---------------------------------------------------------------------------------------------------------------------

const write = (parts: ReadonlyArray<Chat.Part>, state: State): string => {
  if (parts.length > 0) state.written = true
  let text = ""
  for (const part of parts) text += writePart(part, state)
  return text
}

const writePart = (part: Chat.Part, state: State): string => {
  switch (part.type) {
    case "start":
      state.model = part.model ?? state.model
      return ""
    case "usage":
      state.usage = part.usage
      return ""
    default:
      // The protocol supports one choice.
      if ((part.choice ?? 0) !== 0) return ""
  }
  if (part.type === "finish") {
    state.finish ??= part
    return ""
  }
  if (part.type === "tool-call-delta") return addArguments(part, state)
  if (state.waiting.length > 0 || !isComplete(state.open)) {
    state.waiting.push(part)
    return ""
  }
  return writeContent(part, state)
}

/** Whether the open block is complete: arguments are when they are a JSON object. */
const isComplete = (open: Open | undefined): boolean =>
  open?.kind !== "tool" || (open.json.trimEnd().endsWith("}") && Json.parseObject(open.json) !== undefined)

const addArguments = (part: Extract<Chat.Part, { readonly type: "tool-call-delta" }>, state: State): string => {
  const { open } = state
  if (open?.kind === "tool" && open.call === part.index) {
    if (part.arguments === "") return ""
    open.json += part.arguments
    const text = add(open, `{"type":"input_json_delta","partial_json":${JSON.stringify(part.arguments)}}`)
    return state.waiting.length === 0 ? text : text + drain(state, false)
  }
  if (state.waiting.length > 0) state.waiting.push(part)
  return ""
}

/** Writes the waiting parts as far as possible; all of them if `last`. */
const drain = (state: State, last: boolean): string => {
  const { waiting } = state
  if (waiting.length === 0 || !(last || isComplete(state.open))) return ""
  state.waiting = []
  const closed = last ? close(state) : ""
  return closed + write(waiting, state) + drain(state, last)
}

type Content = Exclude<Chat.Part, { readonly type: "start" | "usage" | "finish" | "tool-call-delta" }>

const writeContent = (part: Content, state: State): string => {
  switch (part.type) {
    case "text":
      return part.text === "" ? "" : writeText(part.text, state)
    case "refusal":
      state.hasRefusal = true
      return part.text === "" ? "" : writeText(part.text, state)
    case "citation": {
      const { open } = state
      const citation = JSON.stringify(Citations.encodeForClient(part.citation))
      return open?.kind === "text" ? add(open, `{"type":"citations_delta","citation":${citation}}`) : ""
    }
    case "reasoning":
      return writeReasoning(part, state)
    case "tool-call": {
      state.calls = true
      const { id, index, name, signature } = part
      const block = { type: "tool_use", id: ToolIds.write(id, signature), name, input: {} }
      return start("tool", JSON.stringify(block), state, index)
    }
  }
}

const writeText = (text: string, state: State): string => {
  const opening = state.open?.kind === "text" ? "" : start("text", '{"type":"text","text":""}', state)
  return opening + add(state.open, `{"type":"text_delta","text":${JSON.stringify(text)}}`)
}

/** A signature closes its block: SDKs keep one signature per block. */
const writeReasoning = (
  { redacted, signature, text }: Extract<Chat.Part, { readonly type: "reasoning" }>,
  state: State,
): string => {
  if (redacted !== undefined) {
    const block = JSON.stringify({ type: "redacted_thinking", data: Response.encodeEncrypted(redacted) })
    return start("other", block, state) + close(state)
  }
  if (text === "" && signature === undefined) return ""
  let written =
    state.open?.kind === "thinking" ? "" : start("thinking", '{"type":"thinking","thinking":"","signature":""}', state)
  if (text !== "") written += add(state.open, `{"type":"thinking_delta","thinking":${JSON.stringify(text)}}`)
  if (signature === undefined) return written
  const encrypted = JSON.stringify(Response.encodeEncrypted(signature))
  return written + add(state.open, `{"type":"signature_delta","signature":${encrypted}}`) + close(state)
}

// ---------------------------------------------------------------------------------------------------------------------
// Events
// ---------------------------------------------------------------------------------------------------------------------

const startMessage = (state: State): string => {
  if (state.started) return ""
  state.started = true
  const message = {
    ...Response.head(state.id, state.model),
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: Usage.encode(state.usage),
  }
  return event(JSON.stringify({ type: "message_start", message }), "message_start")
}

/** Opens a block after closing the previous one. */
const start = (kind: Open["kind"], block: string, state: State, call?: number): string => {
  const text = startMessage(state) + close(state)
  const index = state.blocks++
  state.open = { index, kind, call, json: "" }
  return text + event(`{"type":"content_block_start","index":${index},"content_block":${block}}`, "content_block_start")
}

const add = (open: Open | undefined, delta: string): string =>
  open === undefined
    ? ""
    : `event: content_block_delta\ndata: {"type":"content_block_delta","index":${open.index},"delta":${delta}}\n\n`

const close = (state: State): string => {
  const { open } = state
  if (open === undefined) return ""
  state.open = undefined
  return event(`{"type":"content_block_stop","index":${open.index}}`, "content_block_stop")
}

const delta = ({ calls, finish, hasRefusal, request, usage }: State): string =>
  JSON.stringify({
    type: "message_delta",
    delta: Response.encodeStop(
      { finishReason: finish?.reason ?? "stop", ...(finish?.stopSequence === undefined ? undefined : finish) },
      { calls, hasRefusal },
      request,
    ),
    usage: Usage.encode(usage),
  })

/**
 * Writes a stream's items: each item is added, extended by deltas and ended, and so is each part of it. Every function
 * returns the text of the resulting events, or `""`.
 *
 * Content is closed by whatever follows it. Only tool calls may be open in parallel, until they are complete.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Block } from "../Lowering.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as Citations from "./Citations.ts"
import type { Name } from "./Namespaces.ts"
import * as Output from "./Output.ts"
import type { Status } from "./Output.ts"
import * as Reasoning from "./Reasoning.ts"
import * as EchoedItems from "./EchoedItems.ts"

export interface State {
  /** The response's id without a prefix; the client's names of tools in namespaces. */
  readonly responseId: string
  readonly names: ReadonlyMap<string, Name>
  /** The sequence number of the next event. */
  sequence: number
  /** The index of the next item, and the ended items by index, as JSON. */
  next: number
  readonly done: Map<number, string>
  /** Items other than messages that an upstream of this protocol started and has not ended. */
  readonly open: Map<number, Block>
  message: Message | undefined
  reasoning: ReasoningItem | undefined
  /** By index in `Chat`. */
  readonly calls: Map<number, Call>
  /** Whether the response contains a refusal. */
  hasRefusal: boolean
}

interface Item {
  readonly id: string
  readonly index: number
}

export interface Message extends Item {
  /** The item as it was added. */
  readonly item: Block
  readonly content: Array<Block>
  part: MessagePart | undefined
}

export interface MessagePart {
  readonly type: "output_text" | "refusal"
  /** The JSON of the event fields that identify the part. */
  readonly at: string
  text: string
  readonly annotations: Array<unknown>
}

interface ReasoningItem extends Item {
  text: string
}

interface Call extends Item {
  readonly call: Omit<Chat.ToolCall, "type">
  arguments: string
}

export const make = (responseId: string, names: ReadonlyMap<string, Name>): State => ({
  responseId,
  names,
  sequence: 0,
  next: 0,
  done: new Map(),
  open: new Map(),
  message: undefined,
  reasoning: undefined,
  calls: new Map(),
  hasRefusal: false,
})

// ---------------------------------------------------------------------------------------------------------------------
// Events
// ---------------------------------------------------------------------------------------------------------------------

/** An event. `fields` is the JSON of its fields, each after a comma. */
export const event = (state: State, type: string, fields: string): string =>
  `event: ${type}\ndata: {"type":"${type}","sequence_number":${state.sequence++}${fields}}\n\n`

const itemFields = ({ id, index }: Item): string => `,"item_id":${JSON.stringify(id)},"output_index":${index}`

const nextItem = (state: State, kind: string): Item => {
  const index = state.next++
  return { id: EchoedItems.id(kind, state.responseId, index), index }
}

const added = (state: State, { index }: Item, item: Block): string =>
  event(state, "response.output_item.added", `,"output_index":${index},"item":${JSON.stringify(item)}`)

const ended = (state: State, index: number, item: Block): string => {
  const json = recordDone(state, index, item)
  return event(state, "response.output_item.done", `,"output_index":${index},"item":${json}`)
}

/** An item that is written at once. */
export const whole = (state: State, item: Block): string => {
  const at = { id: String(item["id"]), index: state.next++ }
  return added(state, at, item) + ended(state, at.index, item)
}

/** Records an ended item without an event, and returns its JSON. */
export const recordDone = ({ done }: State, index: number, item: Block): string => {
  const json = JSON.stringify(item)
  done.set(index, json)
  return json
}

/** The ended items as JSON, in order. */
export const output = ({ done }: State): string =>
  `[${[...done]
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item)
    .join()}]`

// ---------------------------------------------------------------------------------------------------------------------
// Messages
// ---------------------------------------------------------------------------------------------------------------------

const noLogprobs = "[]"

export const text = (state: State, value: string, logprobs: unknown): string => {
  const opened = openPart(state, "output_text")
  const part = state.message?.part
  if (part === undefined) return opened
  part.text += value
  const logprobsJson = logprobs === undefined ? noLogprobs : JSON.stringify(Output.logprobs(logprobs))
  return (
    opened +
    event(state, "response.output_text.delta", `${part.at},"delta":${JSON.stringify(value)},"logprobs":${logprobsJson}`)
  )
}

export const refusal = (state: State, value: string): string => {
  const opened = openPart(state, "refusal")
  const part = state.message?.part
  if (part === undefined) return opened
  part.text += value
  state.hasRefusal = true
  return opened + event(state, "response.refusal.delta", `${part.at},"delta":${JSON.stringify(value)}`)
}

/** A citation of the open text. Clients require a page. */
export const citation = (state: State, citation: Chat.Citation): string => {
  const part = state.message?.part
  if (part?.type !== "output_text") return ""
  const annotation = Citations.encode(citation, part.text.length)
  if (annotation === undefined) return ""
  const index = part.annotations.push(annotation) - 1
  return event(
    state,
    "response.output_text.annotation.added",
    `${part.at},"annotation_index":${index},"annotation":${JSON.stringify(annotation)}`,
  )
}

/** Opens the message, and a part of that type. */
const openPart = (state: State, type: MessagePart["type"]): string => {
  if (state.message?.part?.type === type) return ""
  let events = closeReasoning(state) + closeCompleteCalls(state)
  if (state.message === undefined) {
    const at = nextItem(state, "msg")
    const item = Output.message(at.id, "in_progress", [])
    state.message = { ...at, item, content: [], part: undefined }
    events += added(state, at, item)
  }
  const { message } = state
  events += closePart(state, message)
  message.part = part(message, type)
  return events + event(state, "response.content_part.added", `${message.part.at},"part":${block(message.part)}`)
}

/** The next part of a message, empty. */
export const part = (message: Message, type: MessagePart["type"], index = message.content.length): MessagePart => ({
  type,
  at: `${itemFields(message)},"content_index":${index}`,
  text: "",
  annotations: [],
})

export const content = ({ annotations, text, type }: MessagePart): Block =>
  type === "refusal" ? Output.refusal(text) : Output.text(text, annotations, [])

const block = (part: MessagePart): string => JSON.stringify(content(part))

const closePart = (state: State, message: Message): string => {
  const { part } = message
  if (part === undefined) return ""
  const value = JSON.stringify(part.text)
  message.part = undefined
  message.content.push(content(part))
  return (
    (part.type === "refusal"
      ? event(state, "response.refusal.done", `${part.at},"refusal":${value}`)
      : event(state, "response.output_text.done", `${part.at},"text":${value},"logprobs":${noLogprobs}`)) +
    event(state, "response.content_part.done", `${part.at},"part":${block(part)}`)
  )
}

const closeMessage = (state: State, status: Status): string => {
  const { message } = state
  if (message === undefined) return ""
  state.message = undefined
  return closePart(state, message) + ended(state, message.index, completeMessage(message, status))
}

/** A complete message, its open part included. */
export const completeMessage = ({ content: parts, id, item, part }: Message, status: Status): Block => ({
  ...item,
  ...Output.message(id, status, part === undefined ? parts : [...parts, content(part)]),
})

// ---------------------------------------------------------------------------------------------------------------------
// Reasoning
// ---------------------------------------------------------------------------------------------------------------------

type ReasoningPart = Extract<Chat.Part, { readonly type: "reasoning" }>

/** Encrypted reasoning ends its item. Redacted reasoning is an item of its own. */
export const reasoning = (state: State, { redacted, signature, text }: ReasoningPart): string => {
  if (redacted !== undefined) return closeReasoning(state) + openReasoning(state) + closeReasoning(state, { redacted })
  if (text === "" && signature === undefined) return ""
  let events = state.reasoning === undefined ? openReasoning(state) : ""
  const { reasoning } = state
  if (reasoning === undefined) return events
  if (text !== "") {
    const at = `${itemFields(reasoning)},"summary_index":0`
    if (reasoning.text === "") {
      events += event(state, "response.reasoning_summary_part.added", `${at},"part":${summary("")}`)
    }
    reasoning.text += text
    events += event(state, "response.reasoning_summary_text.delta", `${at},"delta":${JSON.stringify(text)}`)
  }
  return signature === undefined ? events : events + closeReasoning(state, { signature })
}

const openReasoning = (state: State): string => {
  const events = closeMessage(state, "completed") + closeCompleteCalls(state)
  const item = nextItem(state, "rs")
  state.reasoning = { ...item, text: "" }
  return events + added(state, item, Reasoning.item(item.id, { text: "" }))
}

const closeReasoning = (state: State, encrypted: Pick<ReasoningPart, "signature" | "redacted"> = {}): string => {
  const { reasoning } = state
  if (reasoning === undefined) return ""
  state.reasoning = undefined
  const { text } = reasoning
  const at = `${itemFields(reasoning)},"summary_index":0`
  const summaryEvents =
    text === ""
      ? ""
      : event(state, "response.reasoning_summary_text.done", `${at},"text":${JSON.stringify(text)}`) +
        event(state, "response.reasoning_summary_part.done", `${at},"part":${summary(text)}`)
  return summaryEvents + ended(state, reasoning.index, Reasoning.item(reasoning.id, { text, ...encrypted }))
}

const summary = (text: string): string => JSON.stringify({ type: "summary_text", text })

// ---------------------------------------------------------------------------------------------------------------------
// Calls
// ---------------------------------------------------------------------------------------------------------------------

type CallPart = Extract<Chat.Part, { readonly type: "tool-call" }>

export const call = (state: State, { custom, id, index, name, signature }: CallPart): string => {
  const events = closeMessage(state, "completed") + closeReasoning(state)
  const item = nextItem(state, Output.kindOf({ custom }))
  const call = { id, name, arguments: "", custom, signature }
  state.calls.set(index, { ...item, call, arguments: "" })
  return events + added(state, item, Output.call(item.id, "in_progress", call, state.names))
}

export const callArguments = (state: State, index: number, json: string): string => {
  const open = state.calls.get(index)
  return open === undefined ? "" : write(state, open, json)
}

const write = (state: State, open: Call, json: string): string => {
  open.arguments += json
  const type =
    open.call.custom === true ? "response.custom_tool_call_input.delta" : "response.function_call_arguments.delta"
  return event(state, type, `${itemFields(open)},"delta":${JSON.stringify(json)}`)
}

/** Ends complete calls. Other items may come between the deltas of incomplete calls. */
const closeCompleteCalls = (state: State): string => {
  if (state.calls.size === 0) return ""
  let events = ""
  for (const [index, open] of state.calls) {
    if (open.call.custom === true || !ToolCalls.hasCompleteArguments(open)) continue
    state.calls.delete(index)
    events += closeCall(state, open, "completed")
  }
  return events
}

/** In a truncated response, the last call is incomplete. */
const closeCalls = (state: State, status: Status): string => {
  if (state.calls.size === 0) return ""
  let events = ""
  for (const open of state.calls.values()) {
    events += closeCall(state, open, ToolCalls.hasCompleteArguments(open) ? "completed" : status)
  }
  state.calls.clear()
  return events
}

/** Items that an upstream of this protocol started, and that another deployment cannot continue. */
const closeOpen = (state: State): string => {
  let events = ""
  for (const [index, item] of state.open) events += ended(state, index, { ...item, status: "incomplete" })
  state.open.clear()
  return events
}

const closeCall = (state: State, open: Call, status: Status): string => {
  // Clients parse the arguments: a call without any needs an empty object.
  let events = open.arguments === "" && open.call.custom !== true ? write(state, open, "{}") : ""
  const item = Output.call(open.id, status, { ...open.call, arguments: open.arguments }, state.names)
  const json = JSON.stringify(open.arguments)
  events +=
    open.call.custom === true
      ? event(state, "response.custom_tool_call_input.done", `${itemFields(open)},"input":${json}`)
      : event(
          state,
          "response.function_call_arguments.done",
          `${itemFields(open)},"name":${JSON.stringify(item["name"])},"arguments":${json}`,
        )
  return events + ended(state, open.index, item)
}

/** Ends everything that is open. */
export const close = (state: State, status: Status): string =>
  closeReasoning(state) + closeMessage(state, status) + closeCalls(state, status) + closeOpen(state)

/**
 * A stream's items being written: each is added, grows by deltas, and is done, and so is each part within it. Every
 * function here gives the text of the events that it comes to, or `""`.
 *
 * Content is closed by what follows it; only tool calls may be open side by side, and until they are whole.
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
  /** The answer's id, without a prefix; its client's names of tools in namespaces. */
  readonly answer: string
  readonly names: ReadonlyMap<string, Name>
  /** The number of the next event. */
  sequence: number
  /** The index of the next item, and by their indexes those that are done, as JSON. */
  next: number
  readonly done: Map<number, string>
  /** Items other than messages that an upstream of this very protocol has begun, and not ended. */
  readonly open: Map<number, Block>
  message: Message | undefined
  thought: Thought | undefined
  /** By `Chat`'s index. */
  readonly calls: Map<number, Call>
  /** Whether the answer holds a refusal. */
  refuses: boolean
}

interface Item {
  readonly id: string
  readonly index: number
}

export interface Message extends Item {
  /** What it was added as. */
  readonly item: Block
  readonly content: Array<Block>
  part: MessagePart | undefined
}

export interface MessagePart {
  readonly type: "output_text" | "refusal"
  /** Which part of which item: the JSON of an event's fields. */
  readonly at: string
  text: string
  readonly annotations: Array<unknown>
}

interface Thought extends Item {
  text: string
}

interface Call extends Item {
  readonly call: Omit<Chat.ToolCall, "type">
  arguments: string
}

export const make = (answer: string, names: ReadonlyMap<string, Name>): State => ({
  answer,
  names,
  sequence: 0,
  next: 0,
  done: new Map(),
  open: new Map(),
  message: undefined,
  thought: undefined,
  calls: new Map(),
  refuses: false,
})

// ---------------------------------------------------------------------------------------------------------------------
// Events
// ---------------------------------------------------------------------------------------------------------------------

/** `fields` is the JSON of the event's fields, each after a comma. */
export const event = (state: State, type: string, fields: string): string =>
  `event: ${type}\ndata: {"type":"${type}","sequence_number":${state.sequence++}${fields}}\n\n`

const within = ({ id, index }: Item): string => `,"item_id":${JSON.stringify(id)},"output_index":${index}`

const begin = (state: State, kind: string): Item => {
  const index = state.next++
  return { id: EchoedItems.id(kind, state.answer, index), index }
}

const added = (state: State, { index }: Item, item: Block): string =>
  event(state, "response.output_item.added", `,"output_index":${index},"item":${JSON.stringify(item)}`)

const finished = (state: State, index: number, item: Block): string => {
  const json = keep(state, index, item)
  return event(state, "response.output_item.done", `,"output_index":${index},"item":${json}`)
}

/** Has the item at `index` done, without a word to the client; gives its JSON. */
export const keep = ({ done }: State, index: number, item: Block): string => {
  const json = JSON.stringify(item)
  done.set(index, json)
  return json
}

/** The items that are done, as JSON, in their order. */
export const output = ({ done }: State): string =>
  `[${[...done]
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item)
    .join()}]`

// ---------------------------------------------------------------------------------------------------------------------
// Messages
// ---------------------------------------------------------------------------------------------------------------------

const noLogprobs = "[]"

export const text = (state: State, words: string, logprobs: unknown): string => {
  const opened = openPart(state, "output_text")
  const part = state.message?.part
  if (part === undefined) return opened
  part.text += words
  const probable = logprobs === undefined ? noLogprobs : JSON.stringify(Output.logprobs(logprobs))
  return (
    opened +
    event(state, "response.output_text.delta", `${part.at},"delta":${JSON.stringify(words)},"logprobs":${probable}`)
  )
}

export const refusal = (state: State, words: string): string => {
  const opened = openPart(state, "refusal")
  const part = state.message?.part
  if (part === undefined) return opened
  part.text += words
  state.refuses = true
  return opened + event(state, "response.refusal.delta", `${part.at},"delta":${JSON.stringify(words)}`)
}

/** Of a text that is being written; clients look for the page, and break where there is none. */
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

/** The message, and a part of that type within it. */
const openPart = (state: State, type: MessagePart["type"]): string => {
  if (state.message?.part?.type === type) return ""
  let events = closeThought(state) + closeWholeCalls(state)
  if (state.message === undefined) {
    const at = begin(state, "msg")
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
  at: `${within(message)},"content_index":${index}`,
  text: "",
  annotations: [],
})

export const content = ({ annotations, text, type }: MessagePart): Block =>
  type === "refusal" ? Output.refusal(text) : Output.text(text, annotations, [])

const block = (part: MessagePart): string => JSON.stringify(content(part))

const closePart = (state: State, message: Message): string => {
  const { part } = message
  if (part === undefined) return ""
  const words = JSON.stringify(part.text)
  message.part = undefined
  message.content.push(content(part))
  return (
    (part.type === "refusal"
      ? event(state, "response.refusal.done", `${part.at},"refusal":${words}`)
      : event(state, "response.output_text.done", `${part.at},"text":${words},"logprobs":${noLogprobs}`)) +
    event(state, "response.content_part.done", `${part.at},"part":${block(part)}`)
  )
}

const closeMessage = (state: State, status: Status): string => {
  const { message } = state
  if (message === undefined) return ""
  state.message = undefined
  return closePart(state, message) + finished(state, message.index, whole(message, status))
}

/** All of a message, its open part included. */
export const whole = ({ content: parts, id, item, part }: Message, status: Status): Block => ({
  ...item,
  ...Output.message(id, status, part === undefined ? parts : [...parts, content(part)]),
})

// ---------------------------------------------------------------------------------------------------------------------
// Reasoning
// ---------------------------------------------------------------------------------------------------------------------

type Reasoned = Extract<Chat.Part, { readonly type: "reasoning" }>

/** A seal is the end of what it seals; thoughts that cannot be read are an item of their own. */
export const reasoning = (state: State, { redacted, signature, text }: Reasoned): string => {
  if (redacted !== undefined) return closeThought(state) + openThought(state) + closeThought(state, { redacted })
  if (text === "" && signature === undefined) return ""
  let events = state.thought === undefined ? openThought(state) : ""
  const { thought } = state
  if (thought === undefined) return events
  if (text !== "") {
    const at = `${within(thought)},"summary_index":0`
    if (thought.text === "") {
      events += event(state, "response.reasoning_summary_part.added", `${at},"part":${summary("")}`)
    }
    thought.text += text
    events += event(state, "response.reasoning_summary_text.delta", `${at},"delta":${JSON.stringify(text)}`)
  }
  return signature === undefined ? events : events + closeThought(state, { signature })
}

const openThought = (state: State): string => {
  const events = closeMessage(state, "completed") + closeWholeCalls(state)
  const item = begin(state, "rs")
  state.thought = { ...item, text: "" }
  return events + added(state, item, Reasoning.item(item.id, { text: "" }))
}

const closeThought = (state: State, seal: Pick<Reasoned, "signature" | "redacted"> = {}): string => {
  const { thought } = state
  if (thought === undefined) return ""
  state.thought = undefined
  const { text } = thought
  const at = `${within(thought)},"summary_index":0`
  const told =
    text === ""
      ? ""
      : event(state, "response.reasoning_summary_text.done", `${at},"text":${JSON.stringify(text)}`) +
        event(state, "response.reasoning_summary_part.done", `${at},"part":${summary(text)}`)
  return told + finished(state, thought.index, Reasoning.item(thought.id, { text, ...seal }))
}

const summary = (text: string): string => JSON.stringify({ type: "summary_text", text })

// ---------------------------------------------------------------------------------------------------------------------
// Calls
// ---------------------------------------------------------------------------------------------------------------------

type Called = Extract<Chat.Part, { readonly type: "tool-call" }>

export const call = (state: State, { custom, id, index, name, signature }: Called): string => {
  const events = closeMessage(state, "completed") + closeThought(state)
  const item = begin(state, Output.kindOf({ custom }))
  const call = { id, name, arguments: "", custom, signature }
  state.calls.set(index, { ...item, call, arguments: "" })
  return events + added(state, item, Output.call(item.id, "in_progress", call, state.names))
}

export const callArguments = (state: State, index: number, written: string): string => {
  const open = state.calls.get(index)
  return open === undefined ? "" : write(state, open, written)
}

const write = (state: State, open: Call, written: string): string => {
  open.arguments += written
  const type =
    open.call.custom === true ? "response.custom_tool_call_input.delta" : "response.function_call_arguments.delta"
  return event(state, type, `${within(open)},"delta":${JSON.stringify(written)}`)
}

/** Those that nothing can be added to: what else is said may come between the pieces of the others. */
const closeWholeCalls = (state: State): string => {
  if (state.calls.size === 0) return ""
  let events = ""
  for (const [index, open] of state.calls) {
    if (open.call.custom === true || !ToolCalls.hasCompleteArguments(open)) continue
    state.calls.delete(index)
    events += closeCall(state, open, "completed")
  }
  return events
}

/** The last one is where an answer that is not complete was cut short. */
const closeCalls = (state: State, status: Status): string => {
  if (state.calls.size === 0) return ""
  let events = ""
  for (const open of state.calls.values()) {
    events += closeCall(state, open, ToolCalls.hasCompleteArguments(open) ? "completed" : status)
  }
  state.calls.clear()
  return events
}

/** What an upstream of this very protocol began, and another could not go on with. */
const closeOpen = (state: State): string => {
  let events = ""
  for (const [index, item] of state.open) events += finished(state, index, { ...item, status: "incomplete" })
  state.open.clear()
  return events
}

const closeCall = (state: State, open: Call, status: Status): string => {
  // No arguments are an object without fields: clients parse what they get.
  let events = open.arguments === "" && open.call.custom !== true ? write(state, open, "{}") : ""
  const item = Output.call(open.id, status, { ...open.call, arguments: open.arguments }, state.names)
  const written = JSON.stringify(open.arguments)
  events +=
    open.call.custom === true
      ? event(state, "response.custom_tool_call_input.done", `${within(open)},"input":${written}`)
      : event(
          state,
          "response.function_call_arguments.done",
          `${within(open)},"name":${JSON.stringify(item["name"])},"arguments":${written}`,
        )
  return events + finished(state, open.index, item)
}

/** Closes whatever is open. */
export const close = (state: State, status: Status): string =>
  closeThought(state) + closeMessage(state, status) + closeCalls(state, status) + closeOpen(state)

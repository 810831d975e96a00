/**
 * The conversation, item by item: a `Chat` message as Responses items, and back.
 *
 * What one message holds in `Chat` are several neighbours on the wire: an answer's thoughts, words and calls; the results
 * of parallel calls. A system message that opens the conversation is its `instructions`.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Model } from "../chat-completions/Model.ts"
import * as CustomTools from "../CustomTools.ts"
import type { Block, Warn } from "../Lowering.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Content from "./Content.ts"
import * as Namespaces from "./Namespaces.ts"
import * as Reasoning from "./Reasoning.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

export interface Turns {
  readonly instructions?: string
  readonly input: Array<Block>
}

export const encode = (messages: ReadonlyArray<Chat.Message>, model: Model, warn: Warn): Turns => {
  const instructions = messages.length > 1 ? opening(messages[0]) : undefined
  const input: Array<Block> = []
  const custom = new Set<string>()
  for (const message of instructions === undefined ? messages : messages.slice(1)) {
    if ("name" in message && message.name !== undefined) warn("the name of a message's author")
    switch (message.role) {
      case "system":
      case "developer":
      case "user":
        input.push({ role: message.role, content: words(message.content, model, warn) })
        break
      case "assistant":
        encodeAssistant(message, input, custom, model, warn)
        break
      case "tool":
        for (const result of message.content) input.push(encodeResult(result, custom, model, warn))
        break
    }
  }
  return instructions === undefined ? { input } : { instructions, input }
}

/** The text of a system message that is nothing else. */
const opening = (message: Chat.Message | undefined): string | undefined => {
  if (message?.role !== "system" || message.content.length !== 1) return undefined
  const [only] = message.content
  return only !== undefined && only.cache === undefined && only.text !== "" ? only.text : undefined
}

/** A single text is said as a string. */
const words = (content: Chat.UserMessage["content"], model: Model, warn: Warn): string | ReadonlyArray<Block> => {
  const parts = content.map((part) => Content.encode(part, model, warn))
  if (parts.length === 0) return ""
  const [only] = parts
  return parts.length === 1 && only?.["type"] === "input_text" && only["prompt_cache_breakpoint"] === undefined
    ? (only["text"] as string)
    : parts
}

const encodeAssistant = (
  { content }: Chat.AssistantMessage,
  input: Array<Block>,
  custom: Set<string>,
  model: Model,
  warn: Warn,
): void => {
  let said: Array<Block> | undefined
  for (const part of content) {
    switch (part.type) {
      case "text":
      case "refusal":
        if (said === undefined) {
          said = []
          input.push({ type: "message", role: "assistant", content: said })
        }
        said.push(Content.encodeSaid(part, warn))
        continue
      case "reasoning": {
        const item = Reasoning.encode(part, warn)
        if (item !== undefined) input.push(item)
        break
      }
      case "tool-call":
        if (part.cache !== undefined) warn("a cache hint on a tool call")
        if (part.custom === true && model.custom) custom.add(part.id)
        input.push(encodeCall(part, model))
        break
      case "audio":
        break
    }
    said = undefined
  }
}

const encodeCall = (call: Chat.ToolCall, model: Model): Block => {
  const { id: call_id, name } = call
  return call.custom === true && model.custom
    ? { type: "custom_tool_call", call_id, name, input: call.arguments }
    : { type: "function_call", call_id, name, arguments: CustomTools.argumentsOf(call) }
}

const encodeResult = (result: Chat.ToolResult, custom: ReadonlySet<string>, model: Model, warn: Warn): Block => {
  if (result.isError === true) warn("that a tool's result is an error, said in its text")
  if (result.cache !== undefined) warn("a cache hint on a tool's result")
  const content = result.isError === true ? errorOf(result.content) : result.content
  return {
    type: custom.has(result.id) ? "custom_tool_call_output" : "function_call_output",
    call_id: result.id,
    output: words(content, model, warn),
  }
}

/** The protocol has no other place to say it. */
const errorOf = (content: Chat.ToolResult["content"]): Chat.ToolResult["content"] => {
  const [first, ...others] = content
  return first?.type === "text"
    ? [{ ...first, text: `Error: ${first.text}` }, ...others]
    : [{ type: "text", text: "Error" }, ...content]
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

export interface Decoded {
  readonly messages: ReadonlyArray<Chat.Message>
  /** Items that only OpenAI knows of: what an answer can do without, and what it cannot. */
  readonly droppedParams: ReadonlyArray<string>
  readonly requiredUnsupported: ReadonlyArray<string>
}

/** What OpenAI did on its own to come to an answer that stands beside it. */
const asides: ReadonlySet<string> = new Set([
  "web_search_call",
  "file_search_call",
  "code_interpreter_call",
  "image_generation_call",
  "mcp_list_tools",
  "mcp_call",
  "tool_search_call",
])

export const decode = ({ input, instructions }: Pick<Wire.Request, "input" | "instructions">): Decoded => {
  const messages: Array<Chat.Message> = []
  const droppedParams = new Set<string>()
  const requiredUnsupported = new Set<string>()
  // What an answer says, and what tools answer, goes on for as long as nobody else speaks.
  let said: Array<Chat.AssistantContent> | undefined
  let results: Array<Chat.ToolResult> | undefined
  const say = (...parts: ReadonlyArray<Chat.AssistantContent>): void => {
    results = undefined
    if (said === undefined) messages.push({ role: "assistant", content: (said = []) })
    said.push(...parts)
  }
  const turn = (message: Chat.Message): void => {
    said = results = undefined
    messages.push(message)
  }

  if (Predicate.isString(instructions) && instructions !== "") {
    turn({ role: "system", content: [{ type: "text", text: instructions }] })
  }
  if (Predicate.isString(input)) {
    turn({ role: "user", content: texts(input) })
    return { messages, droppedParams: [], requiredUnsupported: [] }
  }
  for (const item of input) {
    if (!isKnown(item)) {
      const missing = asides.has(item.type) ? droppedParams : requiredUnsupported
      missing.add(`${item.type} items`)
      continue
    }
    if ("role" in item) {
      if (item.role === "assistant") say(...decodeSaid(item.content))
      else turn(decodeMessage(item))
      continue
    }
    switch (item.type) {
      case "reasoning":
        say(Reasoning.decode(item))
        break
      case "function_call":
        say(decodeCall(item, item.arguments))
        break
      case "custom_tool_call":
        say({ ...decodeCall(item, item.input), custom: true })
        break
      case "function_call_output":
      case "custom_tool_call_output":
        said = undefined
        if (results === undefined) messages.push({ role: "tool", content: (results = []) })
        results.push({ type: "tool-result", id: ToolIds.read(item.call_id).id, content: decodeOutput(item.output) })
        break
    }
  }
  return { messages, droppedParams: [...droppedParams], requiredUnsupported: [...requiredUnsupported] }
}

type Message = Extract<Wire.KnownItem, { readonly role: string }>
type Call = Extract<Wire.KnownItem, { readonly name: string }>

const isKnown = (item: Wire.Item): item is Wire.KnownItem => "role" in item || known.has(item.type)

const known: ReadonlySet<string> = new Set([
  "reasoning",
  "function_call",
  "custom_tool_call",
  "function_call_output",
  "custom_tool_call_output",
])

const decodeMessage = (message: Exclude<Message, { readonly role: "assistant" }>): Chat.Message => {
  switch (message.role) {
    case "user":
      return {
        role: "user",
        content: Predicate.isString(message.content) ? texts(message.content) : message.content.map(Content.decode),
      }
    case "system":
    case "developer":
      return {
        role: message.role,
        content: Predicate.isString(message.content) ? texts(message.content) : message.content.map(Content.decodeText),
      }
  }
}

const texts = (text: string): ReadonlyArray<Chat.Text> => (text === "" ? [] : [{ type: "text", text }])

const decodeSaid = (content: string | ReadonlyArray<Wire.AssistantPart>): ReadonlyArray<Chat.Text | Chat.Refusal> =>
  Predicate.isString(content) ? texts(content) : content.map(Content.decodeSaid)

const decodeOutput = (output: string | ReadonlyArray<Wire.ResultPart>): Chat.ToolResult["content"] =>
  Predicate.isString(output) ? texts(output) : output.map(Content.decodeInput)

/** The signature of a vendor that signs its calls comes back within their ids. */
const decodeCall = ({ call_id, name, namespace }: Call, written: string): Chat.ToolCall => ({
  type: "tool-call",
  ...ToolIds.read(call_id),
  name: Namespaces.join(namespace, name),
  arguments: written,
})

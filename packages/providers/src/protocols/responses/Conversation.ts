/**
 * Converts messages between `Chat` and Responses items.
 *
 * One message in `Chat` is several neighbouring items: reasoning, text and calls of a response; the results of parallel
 * calls. An initial system message is the request's `instructions`.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Model } from "../chat-completions/Model.ts"
import * as CustomTools from "../CustomTools.ts"
import type { Block, Warn } from "../Lowering.ts"
import * as TextPart from "../TextPart.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Compaction from "./Compaction.ts"
import * as Content from "./Content.ts"
import * as Namespaces from "./Namespaces.ts"
import * as Reasoning from "./Reasoning.ts"
import * as SealedSummary from "./SealedSummary.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

export interface Encoded {
  readonly instructions?: string
  readonly input: Array<Block>
}

export const encode = (messages: ReadonlyArray<Chat.Message>, model: Model, warn: Warn): Encoded => {
  const instructions = messages.length > 1 ? opening(messages[0]) : undefined
  const input: Array<Block> = []
  const custom = new Set<string>()
  for (const message of instructions === undefined ? messages : messages.slice(1)) {
    if ("name" in message && message.name !== undefined) warn("message author names")
    switch (message.role) {
      case "system":
      case "developer":
      case "user":
        input.push({ role: message.role, content: contentOf(message.content, model, warn) })
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

/** The text of a system message that contains only one text. */
const opening = (message: Chat.Message | undefined): string | undefined => {
  if (message?.role !== "system" || message.content.length !== 1) return undefined
  const [only] = message.content
  return only !== undefined && only.cache === undefined && only.text !== "" ? only.text : undefined
}

/** A single text is written as a string. */
const contentOf = (content: Chat.UserMessage["content"], model: Model, warn: Warn): string | ReadonlyArray<Block> => {
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
  let output: Array<Block> | undefined
  for (const part of content) {
    switch (part.type) {
      case "text":
      case "refusal":
        if (output === undefined) {
          output = []
          input.push({ type: "message", role: "assistant", content: output })
        }
        output.push(Content.encodeOutput(part, warn))
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
    output = undefined
  }
}

const encodeCall = (call: Chat.ToolCall, model: Model): Block => {
  const { id: call_id, name } = call
  return call.custom === true && model.custom
    ? { type: "custom_tool_call", call_id, name, input: call.arguments }
    : { type: "function_call", call_id, name, arguments: CustomTools.argumentsOf(call) }
}

const encodeResult = (result: Chat.ToolResult, custom: ReadonlySet<string>, model: Model, warn: Warn): Block => {
  if (result.isError === true) warn("the error flag of a tool result, sent as text")
  if (result.cache !== undefined) warn("a cache hint on a tool result")
  const content = result.isError === true ? errorOf(result.content) : result.content
  return {
    type: custom.has(result.id) ? "custom_tool_call_output" : "function_call_output",
    call_id: result.id,
    output: contentOf(content, model, warn),
  }
}

/** Marks an error in the text: the protocol has no field for it. */
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
  /** Items that only OpenAI supports: dropped ones, and ones that cannot be dropped. */
  readonly droppedParams: ReadonlyArray<string>
  readonly requiredUnsupported: ReadonlyArray<string>
}

/** Items of OpenAI's own tools, whose outcome is part of the response next to them. */
const hostedItems: ReadonlySet<string> = new Set([
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
  // Neighbouring items of the assistant, or of tools, are one message.
  let response: Array<Chat.AssistantContent> | undefined
  let results: Array<Chat.ToolResult> | undefined
  const addToResponse = (...parts: ReadonlyArray<Chat.AssistantContent>): void => {
    results = undefined
    if (response === undefined) messages.push({ role: "assistant", content: (response = []) })
    response.push(...parts)
  }
  const addMessage = (message: Chat.Message): void => {
    response = results = undefined
    messages.push(message)
  }

  if (Predicate.isString(instructions) && instructions !== "") {
    addMessage({ role: "system", content: [{ type: "text", text: instructions }] })
  }
  if (Predicate.isString(input)) {
    addMessage({ role: "user", content: TextPart.fromString(input) })
    return { messages, droppedParams: [], requiredUnsupported: [] }
  }
  for (const item of input) {
    if (!isKnown(item)) {
      const missing = hostedItems.has(item.type) ? droppedParams : requiredUnsupported
      missing.add(`${item.type} items`)
      continue
    }
    if ("role" in item) {
      if (item.role === "assistant") addToResponse(...decodeOutput(item.content))
      else addMessage(decodeMessage(item))
      continue
    }
    switch (item.type) {
      case "reasoning":
        addToResponse(Reasoning.decode(item))
        break
      case "compaction":
        if (!SealedSummary.isReadable(item.encrypted_content)) droppedParams.add("compaction items of another provider")
        addMessage({ role: "user", content: TextPart.fromString(SealedSummary.textOf(item)) })
        break
      case "compaction_trigger":
        addMessage({ role: "user", content: TextPart.fromString(Compaction.instruction) })
        break
      case "function_call":
        addToResponse(decodeCall(item, item.arguments))
        break
      case "custom_tool_call":
        addToResponse({ ...decodeCall(item, item.input), custom: true })
        break
      case "function_call_output":
      case "custom_tool_call_output":
        response = undefined
        if (results === undefined) messages.push({ role: "tool", content: (results = []) })
        results.push({ type: "tool-result", id: ToolIds.read(item.call_id).id, content: decodeResult(item.output) })
        break
    }
  }
  return { messages, droppedParams: [...droppedParams], requiredUnsupported: [...requiredUnsupported] }
}

type Message = Extract<Wire.KnownItem, { readonly role: string }>
type Call = Extract<Wire.KnownItem, { readonly name: string }>

const isKnown = (item: Wire.Item): item is Wire.KnownItem => "role" in item || known.has(item.type)

const known: ReadonlySet<string> = new Set([
  "compaction",
  "compaction_trigger",
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
        content: Predicate.isString(message.content)
          ? TextPart.fromString(message.content)
          : message.content.map(Content.decode),
      }
    case "system":
    case "developer":
      return {
        role: message.role,
        content: Predicate.isString(message.content)
          ? TextPart.fromString(message.content)
          : message.content.map(Content.decodeText),
      }
  }
}

const decodeOutput = (content: string | ReadonlyArray<Wire.AssistantPart>): ReadonlyArray<Chat.Text | Chat.Refusal> =>
  Predicate.isString(content) ? TextPart.fromString(content) : content.map(Content.decodeOutput)

const decodeResult = (output: string | ReadonlyArray<Wire.ResultPart>): Chat.ToolResult["content"] =>
  Predicate.isString(output) ? TextPart.fromString(output) : output.map(Content.decodeInput)

/** A call's signature is part of its id. */
const decodeCall = ({ call_id, name, namespace }: Call, written: string): Chat.ToolCall => ({
  type: "tool-call",
  ...ToolIds.read(call_id),
  name: Namespaces.join(namespace, name),
  arguments: written,
})

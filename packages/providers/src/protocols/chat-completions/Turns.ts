/**
 * The conversation, message by message: a `Chat` message as Chat Completions messages, and back.
 *
 * The results of parallel tool calls are one message in `Chat`, and as many neighbours on the wire. Within an
 * assistant's message the wire puts words before tool calls.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Content from "./Content.ts"
import type { Block, Warn } from "../Lowering.ts"
import type { Model } from "./Model.ts"
import type * as Wire from "./Wire.ts"

/** How a server takes developer's messages: as such, or, where it knows but OpenAI's older words, as the system's. */
export type DeveloperRole = "developer" | "system"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

export const encode = (
  messages: ReadonlyArray<Chat.Message>,
  model: Model,
  developer: DeveloperRole,
  warn: Warn,
): ReadonlyArray<Block> => {
  const wire: Array<Block> = []
  for (const message of messages) {
    switch (message.role) {
      case "system":
        wire.push({ role: "system", content: words(message.content, model, warn) })
        break
      case "developer":
        wire.push({ role: developer, content: words(message.content, model, warn) })
        break
      case "user":
        wire.push(named({ role: "user", content: words(message.content, model, warn) }, message.name))
        break
      case "assistant":
        wire.push(named(encodeAssistant(message, model, warn), message.name))
        break
      case "tool":
        for (const result of message.content) wire.push(encodeResult(result, model, warn))
        break
    }
  }
  return wire
}

const named = (message: Block, name: string | undefined): Block => {
  if (name !== undefined) message["name"] = name
  return message
}

/** A single text is said as a string, which every server understands. */
const words = (content: Chat.UserMessage["content"], model: Model, warn: Warn): string | ReadonlyArray<Block> => {
  const parts = content.map((part) => Content.encode(part, model, warn))
  return asString(parts) ?? parts
}

const asString = (parts: ReadonlyArray<Block>): string | undefined => {
  if (parts.length === 0) return ""
  const [only] = parts
  return parts.length === 1 && only?.["type"] === "text" && only["prompt_cache_breakpoint"] === undefined
    ? (only["text"] as string)
    : undefined
}

const encodeAssistant = ({ content }: Chat.AssistantMessage, model: Model, warn: Warn): Block => {
  const message: Block = { role: "assistant" }
  const parts: Array<Block> = []
  const calls: Array<Block> = []
  for (const part of content) {
    switch (part.type) {
      case "text":
        parts.push(Content.encodeText(part, model, warn))
        break
      case "refusal":
        parts.push({ type: "refusal", refusal: part.text })
        break
      case "reasoning":
        warn("the reasoning of an earlier answer, left out")
        break
      case "audio":
        if (part.source.type === "id") message["audio"] = { id: part.source.id }
        break
      case "tool-call":
        if (part.cache !== undefined) warn("a cache hint on a tool call")
        calls.push({ id: part.id, type: "function", function: { name: part.name, arguments: part.arguments } })
        break
    }
  }
  const silent = parts.length === 0 && (calls.length > 0 || message["audio"] !== undefined)
  message["content"] = silent ? null : (asString(parts) ?? parts)
  if (calls.length > 0) message["tool_calls"] = calls
  return message
}

const encodeResult = (result: Chat.ToolResult, model: Model, warn: Warn): Block => {
  if (result.isError === true) warn("that a tool's result is an error")
  if (result.cache !== undefined) warn("a cache hint on a tool's result")
  const texts: Array<Block> = []
  for (const part of result.content) if (part.type === "text") texts.push(Content.encodeText(part, model, warn))
  return { role: "tool", tool_call_id: result.id, content: asString(texts) ?? texts }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

export const decode = (wire: ReadonlyArray<Wire.Message>): ReadonlyArray<Chat.Message> => {
  const messages: Array<Chat.Message> = []
  let results: Array<Chat.ToolResult> | undefined
  for (const message of wire) {
    if (message.role !== "tool") results = undefined
    switch (message.role) {
      case "system":
        messages.push({ role: "system", content: decodeTexts(message.content) })
        break
      case "developer":
        messages.push({ role: "developer", content: decodeTexts(message.content) })
        break
      case "user": {
        const content = Predicate.isString(message.content)
          ? texts(message.content)
          : message.content.map(Content.decode)
        messages.push(
          Predicate.isString(message.name) ? { role: "user", content, name: message.name } : { role: "user", content },
        )
        break
      }
      case "assistant": {
        const content = decodeAssistant(message)
        messages.push(
          Predicate.isString(message.name)
            ? { role: "assistant", content, name: message.name }
            : { role: "assistant", content },
        )
        break
      }
      case "tool":
        if (results === undefined) {
          results = []
          messages.push({ role: "tool", content: results })
        }
        results.push({ type: "tool-result", id: message.tool_call_id, content: decodeTexts(message.content) })
        break
    }
  }
  return messages
}

const texts = (text: string): ReadonlyArray<Chat.Text> => (text === "" ? [] : [{ type: "text", text }])

const decodeTexts = (content: string | ReadonlyArray<Wire.Text>): ReadonlyArray<Chat.Text> =>
  Predicate.isString(content) ? texts(content) : content.map(Content.decodeText)

const decodeAssistant = (message: Wire.Assistant): ReadonlyArray<Chat.AssistantContent> => {
  const { audio, content, reasoning, reasoning_content, refusal, tool_calls } = message
  const parts: Array<Chat.AssistantContent> = []
  const thought = reasoning_content ?? reasoning
  if (Predicate.isString(thought) && thought !== "") parts.push({ type: "reasoning", text: thought })
  if (Predicate.isString(content)) {
    if (content !== "") parts.push({ type: "text", text: content })
  } else if (content !== undefined && content !== null) {
    for (const part of content) {
      parts.push(part.type === "text" ? Content.decodeText(part) : { type: "refusal", text: part.refusal })
    }
  }
  if (Predicate.isString(refusal) && refusal !== "") parts.push({ type: "refusal", text: refusal })
  if (audio !== undefined && audio !== null) parts.push({ type: "audio", source: { type: "id", id: audio.id } })
  for (const call of tool_calls ?? []) parts.push(decodeCall(call))
  return parts
}

/** What a custom tool was given stands in place of the JSON of a function's arguments. */
const decodeCall = (call: Wire.ToolCall): Chat.ToolCall =>
  call.type === "function"
    ? { type: "tool-call", id: call.id, name: call.function.name, arguments: call.function.arguments }
    : { type: "tool-call", id: call.id, name: call.custom.name, arguments: call.custom.input }

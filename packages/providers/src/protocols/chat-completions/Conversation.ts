/**
 * Converts messages between `Chat` and Chat Completions.
 *
 * - The results of parallel tool calls are one message in `Chat`, and one message each on the wire. They contain text
 *   only: images and documents in them follow in a user message after the last result.
 * - In an assistant message on the wire, text comes before tool calls.
 * - `function_call` of older clients is a tool call, and the following message of role `function` is its result.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as CustomTools from "../CustomTools.ts"
import type { Block } from "../Lowering.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"
import * as TextPart from "../TextPart.ts"
import * as ToolIds from "../ToolIds.ts"
import type { Target } from "./Content.ts"
import * as Content from "./Content.ts"
import type { Compatibility } from "./Compatibility.ts"
import * as Reasoning from "./Reasoning.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** `isCustom`: whether a call's tool is a custom tool on the wire. */
export const encode = (
  messages: ReadonlyArray<Chat.Message>,
  target: Target,
  isCustom: (call: Chat.ToolCall) => boolean,
): Array<Block> => {
  const wire: Array<Block> = []
  /** Images and documents of tool results, until the last result is written. */
  const resultMedia: Array<Block> = []
  for (const message of messages) {
    if (message.role !== "tool" && resultMedia.length > 0) wire.push({ role: "user", content: resultMedia.splice(0) })
    switch (message.role) {
      case "system":
        wire.push({ role: "system", content: contentOf(message.content, target) })
        break
      case "developer":
        wire.push({ role: target.compatibility.developer, content: contentOf(message.content, target) })
        break
      case "user":
        wire.push(named({ role: "user", content: contentOf(message.content, target) }, message.name, target))
        break
      case "assistant":
        wire.push(named(encodeAssistant(message, target, isCustom), message.name, target))
        break
      case "tool":
        for (const result of message.content) wire.push(encodeResult(result, resultMedia, target))
        break
    }
  }
  if (resultMedia.length > 0) wire.push({ role: "user", content: resultMedia })
  return wire
}

const named = (message: Block, name: string | undefined, { compatibility, warn }: Target): Block => {
  if (name === undefined) return message
  if (compatibility.lacks.has("names")) warn("message author names")
  else message["name"] = name
  return message
}

/** A single text is written as a string, which every server supports. */
const contentOf = (content: Chat.UserMessage["content"], target: Target): string | ReadonlyArray<Block> => {
  const parts: Array<Block> = []
  for (const part of content) Content.encode(part, parts, target)
  return asString(parts) ?? parts
}

const asString = (parts: ReadonlyArray<Block>): string | undefined => {
  if (parts.length === 0) return ""
  const [only] = parts
  return parts.length === 1 && only?.["type"] === "text" && Object.keys(only).length === 2
    ? (only["text"] as string)
    : undefined
}

const encodeAssistant = (
  { content }: Chat.AssistantMessage,
  target: Target,
  isCustom: (call: Chat.ToolCall) => boolean,
): Block => {
  const { compatibility, warn } = target
  const message: Block = { role: "assistant" }
  const parts: Array<Block> = []
  const reasoning: Array<Chat.Reasoning> = []
  const calls: Array<Block> = []
  const details: Array<Block> = []
  for (const part of content) {
    switch (part.type) {
      case "text":
        parts.push(Content.encodeText(part, target))
        break
      case "refusal":
        if (compatibility.lacks.has("refusals")) {
          warn("a refusal, sent as text")
          parts.push({ type: "text", text: part.text })
        } else parts.push({ type: "refusal", refusal: part.text })
        break
      case "reasoning":
        reasoning.push(part)
        break
      case "audio":
        if (part.source.type === "id") message["audio"] = { id: part.source.id }
        break
      case "tool-call": {
        if (part.cache !== undefined) warn("a cache hint on a tool call")
        const call = encodeCall(part, isCustom(part), compatibility)
        if (part.signature?.issuer === "google" && compatibility.reasoning === "reasoning_details") {
          details.push(Reasoning.encodeCall(String(call["id"]), part.signature, details.length))
        }
        calls.push(call)
        break
      }
    }
  }
  encodeReasoning(reasoning, details, message, target)
  const isEmpty = parts.length === 0 && (calls.length > 0 || message["audio"] !== undefined)
  message["content"] = isEmpty ? null : (asString(parts) ?? parts)
  if (calls.length > 0) message["tool_calls"] = calls
  return message
}

/** Encrypted reasoning is omitted if the server only accepts reasoning text. */
const encodeReasoning = (
  reasoning: ReadonlyArray<Chat.Reasoning>,
  details: ReadonlyArray<Block>,
  message: Block,
  { compatibility, warn }: Target,
): void => {
  if (compatibility.reasoning === "reasoning_details") {
    const all = [...details, ...reasoning.map((part, index) => Reasoning.encode(part, details.length + index))]
    if (all.length > 0) message[compatibility.reasoning] = all
    return
  }
  if (reasoning.length === 0) return
  const encrypted = compatibility.signatures ? Reasoning.encryptedFields(reasoning) : {}
  Object.assign(message, encrypted)
  const text = reasoning.map((part) => part.text).join("")
  if (compatibility.reasoning !== undefined && compatibility.reasoning !== "none" && text !== "")
    message[compatibility.reasoning] = text
  else if (Object.keys(encrypted).length === 0) warn("reasoning of earlier responses, left out")
}

const encodeCall = (call: Chat.ToolCall, custom: boolean, compatibility: Compatibility): Block => {
  const { id } = call
  if (custom) return { id, type: "custom", custom: { name: call.name, input: call.arguments } }
  const block: Block = { id, type: "function", function: { name: call.name, arguments: CustomTools.argumentsOf(call) } }
  return compatibility.signatures ? { ...block, ...Reasoning.signatureFields(call.signature) } : block
}

const encodeResult = (result: Chat.ToolResult, resultMedia: Array<Block>, target: Target): Block => {
  const { compatibility, warn } = target
  if (result.cache !== undefined) warn("a cache hint on a tool result")
  const { id } = result
  const parts: Array<Block> = []
  const media: Array<Block> = []
  for (const part of result.content) {
    Content.encode(part, part.type === "text" || compatibility.results === "parts" ? parts : media, target)
  }
  if (media.length > 0) {
    resultMedia.push({ type: "text", text: `What the tool answered to the call ${id}:` }, ...media)
    if (parts.length === 0) parts.push({ type: "text", text: "(shown in the next message)" })
  }
  if (result.isError === true) {
    warn("the error flag of a tool result, sent as text")
    markError(parts)
  }
  return { role: "tool", tool_call_id: id, content: asString(parts) ?? parts }
}

const markError = (parts: Array<Block>): void => {
  const [first] = parts
  if (first?.["type"] === "text") first["text"] = `Error: ${String(first["text"])}`
  else parts.unshift({ type: "text", text: "Error" })
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

export const decode = (wire: ReadonlyArray<Wire.Message>): ReadonlyArray<Chat.Message> => {
  const messages: Array<Chat.Message> = []
  let results: Array<Chat.ToolResult> | undefined
  /** The id of the last `function_call`. */
  let callId = ""
  for (const [index, message] of wire.entries()) {
    if (message.role !== "tool" && message.role !== "function") results = undefined
    switch (message.role) {
      case "system":
        messages.push({ role: "system", content: decodeTexts(message.content) })
        break
      case "developer":
        messages.push({ role: "developer", content: decodeTexts(message.content) })
        break
      case "user": {
        const content = Predicate.isString(message.content)
          ? TextPart.fromString(message.content)
          : message.content.map(Content.decode)
        messages.push(
          Predicate.isString(message.name) ? { role: "user", content, name: message.name } : { role: "user", content },
        )
        break
      }
      case "assistant": {
        callId = `call_${index}`
        const content = decodeAssistant(message, callId)
        messages.push(
          Predicate.isString(message.name)
            ? { role: "assistant", content, name: message.name }
            : { role: "assistant", content },
        )
        break
      }
      case "tool":
      case "function":
        if (results === undefined) {
          results = []
          messages.push({ role: "tool", content: results })
        }
        results.push(
          message.role === "tool"
            ? {
                type: "tool-result",
                id: ToolIds.read(message.tool_call_id).id,
                content: Predicate.isString(message.content)
                  ? TextPart.fromString(message.content)
                  : message.content.map(Content.decodeResultPart),
              }
            : { type: "tool-result", id: callId, content: TextPart.fromString(message.content ?? "") },
        )
        break
    }
  }
  return messages
}

const decodeTexts = (content: string | ReadonlyArray<Wire.Text>): ReadonlyArray<Chat.Text> =>
  Predicate.isString(content) ? TextPart.fromString(content) : content.map(Content.decodeText)

const decodeAssistant = (message: Wire.Assistant, callId: string): ReadonlyArray<Chat.AssistantContent> => {
  const { audio, content, function_call, refusal, tool_calls } = message
  const parts: Array<Chat.AssistantContent> = Reasoning.decode(message).map(readReturned)
  if (Predicate.isString(content)) {
    if (content !== "") parts.push({ type: "text", text: content })
  } else if (content !== undefined && content !== null) {
    for (const part of content) {
      parts.push(part.type === "text" ? Content.decodeText(part) : { type: "refusal", text: part.refusal })
    }
  }
  if (Predicate.isString(refusal) && refusal !== "") parts.push({ type: "refusal", text: refusal })
  if (audio !== undefined && audio !== null) parts.push({ type: "audio", source: { type: "id", id: audio.id } })
  for (const call of tool_calls ?? []) parts.push(decodeCall(call, message))
  if (function_call !== undefined && function_call !== null) {
    parts.push({ type: "tool-call", id: callId, name: function_call.name, arguments: function_call.arguments })
  }
  return parts
}

const readReturned = <Part extends object>(part: Part): Part =>
  EncryptedReasoning.mapPart(part, EncryptedReasoning.readReturned)

const decodeCall = (call: Wire.ToolCall, message: Wire.Assistant): Chat.ToolCall => {
  const id = { ...ToolIds.read(call.id), ...readReturned(Reasoning.ofCall(call, message)) }
  return call.type === "function"
    ? { type: "tool-call", ...id, name: call.function.name, arguments: call.function.arguments }
    : { type: "tool-call", ...id, name: call.custom.name, arguments: call.custom.input, custom: true }
}

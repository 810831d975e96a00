/**
 * A whole Converse answer.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"
import { issuer } from "../messages/Protocol.ts"
import * as Citations from "./Citations.ts"
import { protocol } from "./Protocol.ts"
import * as Usage from "./Usage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's body text -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The answer in `text`, which travels along as `native`. Fails with `Malformed` on what is not a message with content.
 * Blocks the engine does not know (server tools and their results, images) are in `native` alone. Converse names neither
 * the answer nor its model.
 */
export const decode = (text: string): Result.Result<Chat.Response, ProviderError> => {
  const body = Json.parseExact(text)
  if (!Predicate.isObject(body)) return Json.malformed("The answer is not a JSON object")
  const output = body["output"]
  const message = Predicate.isObject(output) ? output["message"] : undefined
  const blocks = Predicate.isObject(message) ? message["content"] : undefined
  if (!Array.isArray(blocks)) return Json.malformed("The answer has no content")
  const content: Array<Chat.AssistantContent> = []
  for (const block of blocks) {
    const part = Predicate.isObject(block) ? decodeBlock(block) : undefined
    if (part !== undefined) content.push(part)
  }
  const calls = content.some((part) => part.type === "tool-call")
  const trace = body["trace"]
  return Result.succeed({
    content,
    finish: finish(body["stopReason"], calls),
    ...stopSequence(body["additionalModelResponseFields"]),
    usage: Usage.decode(body["usage"]),
    // What a guardrail found.
    ...(trace === undefined ? undefined : { vendor: { [protocol]: { trace } } }),
    native: { protocol, text, body },
  })
}

/**
 * Why the model stopped: to call a tool, where it called one, whatever it says. Running out of window is a `length`;
 * malformed output and words of a later API are `other`.
 */
export const finish = (reason: unknown, calls: boolean): Chat.FinishReason => {
  switch (reason) {
    case "end_turn":
      return calls ? "tool-calls" : "stop"
    case "stop_sequence":
      return "stop"
    case "max_tokens":
    case "model_context_window_exceeded":
      return "length"
    case "tool_use":
      return "tool-calls"
    case "guardrail_intervened":
    case "content_filtered":
      return "content-filter"
    default:
      return "other"
  }
}

/** The stop sequence that was met, which only Claude tells, and only where `Request` asked for it. */
export const stopSequence = (additional: unknown): { readonly stopSequence?: string } => {
  const sequence = Predicate.isObject(additional) ? additional["stop_sequence"] : undefined
  return Predicate.isString(sequence) ? { stopSequence: sequence } : {}
}

/** Whether this tool is run by Bedrock itself: a call of it is nothing a caller could answer. */
export const isServerTool = (toolUse: { readonly [key: PropertyKey]: unknown }): boolean =>
  toolUse["type"] === "server_tool_use"

const decodeBlock = (block: { readonly [key: PropertyKey]: unknown }): Chat.AssistantContent | undefined => {
  const { text, toolUse, reasoningContent, citationsContent } = block
  if (Predicate.isString(text)) return { type: "text", text }
  if (Predicate.isObject(toolUse)) {
    if (isServerTool(toolUse)) return undefined
    return {
      type: "tool-call",
      id: Json.string(toolUse["toolUseId"]),
      name: Json.string(toolUse["name"]),
      arguments: JSON.stringify(toolUse["input"] ?? {}),
    }
  }
  if (Predicate.isObject(reasoningContent)) return decodeReasoning(reasoningContent)
  if (Predicate.isObject(citationsContent)) return decodeCited(citationsContent)
  return undefined
}

const decodeReasoning = (block: { readonly [key: PropertyKey]: unknown }): Chat.Reasoning | undefined => {
  const { reasoningText, redactedContent } = block
  if (Predicate.isString(redactedContent))
    return { type: "reasoning", text: "", redacted: { issuer, value: redactedContent } }
  if (!Predicate.isObject(reasoningText)) return undefined
  const signature = Json.string(reasoningText["signature"])
  return {
    type: "reasoning",
    text: Json.string(reasoningText["text"]),
    ...(signature === "" ? undefined : { signature: { issuer, value: signature } }),
  }
}

const decodeCited = (block: { readonly [key: PropertyKey]: unknown }): Chat.Text => {
  const { content } = block
  const citations = Json.list(block["citations"]).flatMap((each) => Citations.decode(each) ?? [])
  let text = ""
  if (Array.isArray(content)) {
    for (const piece of content) if (Predicate.isObject(piece)) text += Json.string(piece["text"])
  }
  return {
    type: "text",
    text,
    ...(citations.length > 0 ? { citations } : undefined),
  }
}

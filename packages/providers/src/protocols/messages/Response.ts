/**
 * A whole Messages answer.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"
import * as Citations from "./Citations.ts"
import { issuer, protocol } from "./Protocol.ts"
import * as Usage from "./Usage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's body text -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The answer in `text`, which travels along as `native`. Fails with `Malformed` on what is not a message with content.
 * Blocks the engine does not know (server tools and their results) are in `native` alone.
 */
export const decode = (text: string): Result.Result<Chat.Response, ProviderError> => {
  const message = Json.parse(text)
  if (!Predicate.isObject(message)) return Json.malformed("The answer is not a JSON object")
  if (!Array.isArray(message["content"])) return Json.malformed("The answer has no content")
  const content: Array<Chat.AssistantContent> = []
  for (const block of message["content"]) {
    const part = Predicate.isObject(block) ? decodeBlock(block) : undefined
    if (part !== undefined) content.push(part)
  }
  const { id, model, stop_details: details, stop_sequence: sequence } = message
  return Result.succeed({
    id: Predicate.isString(id) ? id : undefined,
    model: Predicate.isString(model) ? model : undefined,
    content,
    finish: finish(message["stop_reason"]),
    ...(Predicate.isString(sequence) ? { stopSequence: sequence } : undefined),
    usage: Usage.decode(message["usage"]),
    ...(Predicate.isObject(details) ? { vendor: { [protocol]: { stop_details: details } } } : undefined),
    native: { protocol, text, body: message },
  })
}

/** Why the model stopped. Running out of window is a `length`; words of a later API are `other`. */
export const finish = (reason: unknown): Chat.FinishReason => {
  switch (reason) {
    case "end_turn":
    case "stop_sequence":
      return "stop"
    case "max_tokens":
    case "model_context_window_exceeded":
      return "length"
    case "tool_use":
      return "tool-calls"
    case "refusal":
      return "refusal"
    case "pause_turn":
      return "pause"
    default:
      return "other"
  }
}

const decodeBlock = (block: { readonly [x: PropertyKey]: unknown }): Chat.AssistantContent | undefined => {
  switch (block["type"]) {
    case "text": {
      const citations = Json.list(block["citations"]).flatMap((each) => Citations.decode(each) ?? [])
      return {
        type: "text",
        text: Json.string(block["text"]),
        ...(citations.length > 0 ? { citations } : undefined),
      }
    }
    case "thinking": {
      const signature = Json.string(block["signature"])
      return {
        type: "reasoning",
        text: Json.string(block["thinking"]),
        ...(signature === "" ? undefined : { signature: { issuer, value: signature } }),
      }
    }
    case "redacted_thinking":
      return { type: "reasoning", text: "", redacted: { issuer, value: Json.string(block["data"]) } }
    case "tool_use":
      return {
        type: "tool-call",
        id: Json.string(block["id"]),
        name: Json.string(block["name"]),
        arguments: JSON.stringify(block["input"] ?? {}),
      }
    default:
      return undefined
  }
}

/** Complete responses: decodes an upstream's body to `Chat`. */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Failure from "../Failure.ts"
import * as FinishReason from "../FinishReason.ts"
import * as Json from "../Json.ts"
import * as ToolCalls from "../ToolCalls.ts"
import { issuer } from "../messages/Protocol.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import { protocol } from "./Protocol.ts"
import * as Usage from "./Usage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's body text -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Decodes the response in `text`, which is kept as `native`. Fails with `Malformed` if it is not a message with
 * content, or contains an incomplete tool call. An exception in its place is classified by `classify`. Unknown blocks
 * (server tools and their results, images) are in `native` only. Converse has neither a response id nor a model.
 */
export const decode = (
  text: string,
  classify: (error: Errors.WireError) => ProviderError = Failure.unclassified,
): Result.Result<Chat.Response, ProviderError> => {
  const body = Json.parseExact(text)
  if (!Predicate.isObject(body)) return Json.malformed("The response is not a JSON object")
  const { additionalModelResponseFields: additional, output, stopReason, trace } = body
  const message = Predicate.isObject(output) ? output["message"] : undefined
  const blocks = Predicate.isObject(message) ? message["content"] : undefined
  if (!Array.isArray(blocks)) {
    const exception = Errors.fromBody(body["Output"] ?? body)
    const isException = exception.name !== undefined || exception.message !== undefined
    return isException ? Result.fail(classify(exception)) : Json.malformed("The response has no content")
  }
  if (hasFailed(stopReason)) return Result.fail(failure(stopReason))
  const content: Array<Chat.AssistantContent> = []
  for (const block of blocks) {
    const part = Predicate.isObject(block) ? decodeBlock(block) : undefined
    if (part !== undefined) content.push(part)
  }
  return Result.map(
    ToolCalls.normalize({ content, finishReason: FinishReason.read(stopReason) }, callId),
    (choice) => ({
      ...choice,
      ...stopSequence(stopReason, additional),
      usage: Usage.decode(body["usage"]),
      // The trace of a guardrail.
      ...(trace === undefined ? undefined : { vendor: { [protocol]: { trace } } }),
      native: { protocol, text, body },
    }),
  )
}

/** Whether the model failed. */
export const hasFailed = (reason: unknown): boolean => Failure.statusOf(reason) !== undefined

export const failure = (reason: unknown): ProviderError =>
  new ProviderError({ reason: { _tag: "Malformed" }, message: Failure.messageOf(reason) })

/** The id of a call that has none. */
export const callId = (index: number): string => `tooluse_${index}`

/**
 * The stop sequence that ended the response. Only Claude reports it, if `Request` asks for it; `""` is an unknown one.
 */
export const stopSequence = (reason: unknown, additional: unknown): { readonly stopSequence?: string } => {
  const sequence = Predicate.isObject(additional) ? additional["stop_sequence"] : undefined
  if (Predicate.isString(sequence)) return { stopSequence: sequence }
  return reason === "stop_sequence" ? { stopSequence: "" } : {}
}

/** Whether a tool runs at Bedrock: clients cannot respond to its calls. */
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
  if (Predicate.isObject(citationsContent)) return decodeCitations(citationsContent)
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

const decodeCitations = (block: { readonly [key: PropertyKey]: unknown }): Chat.Text => {
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

/**
 * Token usage. Like `Chat.Usage`, the API counts cached tokens as part of the prompt. Reasoning, and the input of its
 * own tools, are counted separately.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"

/** `undefined` if there are no counts. */
export const decode = (wire: unknown): Chat.Usage | undefined => {
  if (!Predicate.isObject(wire)) return undefined
  const prompt = Json.count(wire["promptTokenCount"])
  const candidates = Json.count(wire["candidatesTokenCount"])
  const reasoning = Json.count(wire["thoughtsTokenCount"])
  if (prompt === undefined && candidates === undefined && reasoning === undefined) return undefined
  const cached = Json.count(wire["cachedContentTokenCount"])
  return {
    inputTokens: (prompt ?? 0) + (Json.count(wire["toolUsePromptTokenCount"]) ?? 0),
    outputTokens: (candidates ?? 0) + (reasoning ?? 0),
    ...(cached === undefined ? undefined : { cachedInputTokens: cached }),
    ...(reasoning === undefined ? undefined : { reasoningTokens: reasoning }),
  }
}

/** The usage for a client: some clients require it. */
export const encode = (usage: Chat.Usage = { inputTokens: 0, outputTokens: 0 }): Record<string, unknown> => ({
  promptTokenCount: usage.inputTokens,
  candidatesTokenCount: Math.max(0, usage.outputTokens - (usage.reasoningTokens ?? 0)),
  totalTokenCount: usage.inputTokens + usage.outputTokens,
  ...(usage.cachedInputTokens === undefined ? undefined : { cachedContentTokenCount: usage.cachedInputTokens }),
  ...(usage.reasoningTokens === undefined ? undefined : { thoughtsTokenCount: usage.reasoningTokens }),
})

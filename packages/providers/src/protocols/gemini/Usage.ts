/**
 * The tokens of an answer. The API counts cached tokens within the prompt, as `Chat.Usage` does; what the model thought
 * and what its own tools brought in stand beside the answer and the prompt.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"

/** Undefined where it counts nothing. */
export const decode = (wire: unknown): Chat.Usage | undefined => {
  if (!Predicate.isObject(wire)) return undefined
  const prompt = Json.count(wire["promptTokenCount"])
  const answer = Json.count(wire["candidatesTokenCount"])
  const thoughts = Json.count(wire["thoughtsTokenCount"])
  if (prompt === undefined && answer === undefined && thoughts === undefined) return undefined
  const cached = Json.count(wire["cachedContentTokenCount"])
  return {
    inputTokens: (prompt ?? 0) + (Json.count(wire["toolUsePromptTokenCount"]) ?? 0),
    outputTokens: (answer ?? 0) + (thoughts ?? 0),
    ...(cached === undefined ? undefined : { cachedInputTokens: cached }),
    ...(thoughts === undefined ? undefined : { reasoningTokens: thoughts }),
  }
}

/** What a client is told: some rely on its being there. */
export const encode = (usage: Chat.Usage = { inputTokens: 0, outputTokens: 0 }): Record<string, unknown> => ({
  promptTokenCount: usage.inputTokens,
  candidatesTokenCount: Math.max(0, usage.outputTokens - (usage.reasoningTokens ?? 0)),
  totalTokenCount: usage.inputTokens + usage.outputTokens,
  ...(usage.cachedInputTokens === undefined ? undefined : { cachedContentTokenCount: usage.cachedInputTokens }),
  ...(usage.reasoningTokens === undefined ? undefined : { thoughtsTokenCount: usage.reasoningTokens }),
})

/**
 * Token usage of Chat Completions. Like `Chat.Usage`, the API counts cached tokens as part of the input, and reasoning
 * as part of the output. xAI counts reasoning separately, which its total shows; DeepSeek has its own field for cached
 * tokens.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"

/** `undefined` if there are no counts: most chunks have `usage: null`. */
export const decode = (wire: unknown): Chat.Usage | undefined => {
  if (!Predicate.isObject(wire)) return undefined
  const input = Json.count(wire["prompt_tokens"])
  const output = Json.count(wire["completion_tokens"])
  if (input === undefined && output === undefined) return undefined
  const read = Json.fields(wire["prompt_tokens_details"])
  const cached = Json.count(read["cached_tokens"] ?? wire["prompt_cache_hit_tokens"])
  const cacheWrite = Json.count(read["cache_write_tokens"])
  const reasoning = Json.count(Json.fields(wire["completion_tokens_details"])["reasoning_tokens"])
  const inputTokens = input ?? 0
  const reportedOutput = output ?? 0
  const isSeparate = reasoning !== undefined && wire["total_tokens"] === inputTokens + reportedOutput + reasoning
  return {
    inputTokens,
    outputTokens: isSeparate ? reportedOutput + reasoning : reportedOutput,
    ...(cached === undefined ? undefined : { cachedInputTokens: cached }),
    ...(cacheWrite === undefined ? undefined : { cacheWriteTokens: cacheWrite }),
    ...(reasoning === undefined ? undefined : { reasoningTokens: reasoning }),
  }
}

export const encode = (usage: Chat.Usage): Record<string, unknown> => ({
  prompt_tokens: usage.inputTokens,
  completion_tokens: usage.outputTokens,
  total_tokens: usage.inputTokens + usage.outputTokens,
  ...(usage.cachedInputTokens === undefined && usage.cacheWriteTokens === undefined
    ? undefined
    : {
        prompt_tokens_details: {
          cached_tokens: usage.cachedInputTokens,
          cache_write_tokens: usage.cacheWriteTokens,
        },
      }),
  ...(usage.reasoningTokens === undefined
    ? undefined
    : { completion_tokens_details: { reasoning_tokens: usage.reasoningTokens } }),
})

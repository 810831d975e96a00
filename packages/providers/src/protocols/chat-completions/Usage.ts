/**
 * The tokens of a Chat Completions answer. The API counts as `Chat.Usage` does: cached tokens within the input, reasoning
 * within the output; but xAI counts reasoning beside it, which its total shows, and DeepSeek has a word of its own for
 * what was cached.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"

/** Undefined where it counts nothing: the `usage` of most chunks is null. */
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
  const said = output ?? 0
  const beside = reasoning !== undefined && wire["total_tokens"] === inputTokens + said + reasoning
  return {
    inputTokens,
    outputTokens: beside ? said + reasoning : said,
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

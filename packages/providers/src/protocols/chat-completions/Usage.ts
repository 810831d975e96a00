/**
 * The tokens of a Chat Completions answer. The API counts as `Chat.Usage` does: cached tokens within the input, reasoning
 * within the output; but xAI counts reasoning beside it, which its total shows, and DeepSeek has a word of its own for
 * what was cached.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"

/** Undefined where it counts nothing: the `usage` of most chunks is null. */
export const decode = (wire: unknown): Chat.Usage | undefined => {
  if (!Predicate.isObject(wire)) return undefined
  const { completion_tokens: output, prompt_tokens: input } = wire
  if (!Predicate.isNumber(input) && !Predicate.isNumber(output)) return undefined
  const read = wire["prompt_tokens_details"]
  const written = wire["completion_tokens_details"]
  const cached = (Predicate.isObject(read) ? read["cached_tokens"] : undefined) ?? wire["prompt_cache_hit_tokens"]
  const cacheWrite = Predicate.isObject(read) ? read["cache_write_tokens"] : undefined
  const reasoning = Predicate.isObject(written) ? written["reasoning_tokens"] : undefined
  const inputTokens = Predicate.isNumber(input) ? input : 0
  const said = Predicate.isNumber(output) ? output : 0
  const beside = Predicate.isNumber(reasoning) && wire["total_tokens"] === inputTokens + said + reasoning
  return {
    inputTokens,
    outputTokens: beside ? said + reasoning : said,
    ...(Predicate.isNumber(cached) ? { cachedInputTokens: cached } : undefined),
    ...(Predicate.isNumber(cacheWrite) ? { cacheWriteTokens: cacheWrite } : undefined),
    ...(Predicate.isNumber(reasoning) ? { reasoningTokens: reasoning } : undefined),
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

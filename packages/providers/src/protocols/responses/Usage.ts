/**
 * Token usage of Responses. Like `Chat.Usage`, the API counts cached tokens as part of the input, and reasoning as part
 * of the output.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"

/** `undefined` if there are no counts. */
export const decode = (wire: unknown): Chat.Usage | undefined => {
  if (!Predicate.isObject(wire)) return undefined
  const input = Json.count(wire["input_tokens"])
  const output = Json.count(wire["output_tokens"])
  if (input === undefined && output === undefined) return undefined
  const read = Json.fields(wire["input_tokens_details"])
  const cached = Json.count(read["cached_tokens"])
  const cacheWrite = Json.count(read["cache_write_tokens"])
  const reasoning = Json.count(Json.fields(wire["output_tokens_details"])["reasoning_tokens"])
  return {
    inputTokens: input ?? 0,
    outputTokens: output ?? 0,
    ...(cached === undefined ? undefined : { cachedInputTokens: cached }),
    ...(cacheWrite === undefined ? undefined : { cacheWriteTokens: cacheWrite }),
    ...(reasoning === undefined ? undefined : { reasoningTokens: reasoning }),
  }
}

/** Clients' types require every detail: a missing count is 0. */
export const encode = (usage: Chat.Usage): Record<string, unknown> => ({
  input_tokens: usage.inputTokens,
  input_tokens_details: {
    cached_tokens: usage.cachedInputTokens ?? 0,
    cache_write_tokens: usage.cacheWriteTokens ?? 0,
  },
  output_tokens: usage.outputTokens,
  output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
  total_tokens: usage.inputTokens + usage.outputTokens,
})

/**
 * The tokens of a Converse answer. The API counts cached tokens beside the input, `Chat.Usage` counts them in it.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"

/** `usage` as it stands in an answer or in a stream's `metadata`. Undefined where it counts nothing. */
export const decode = (usage: unknown): Chat.Usage | undefined => {
  if (!Predicate.isObject(usage)) return undefined
  const uncached = count(usage["inputTokens"])
  const output = count(usage["outputTokens"])
  if (uncached === undefined && output === undefined) return undefined
  const read = count(usage["cacheReadInputTokens"])
  const written = count(usage["cacheWriteInputTokens"])
  return {
    inputTokens: (uncached ?? 0) + (read ?? 0) + (written ?? 0),
    outputTokens: output ?? 0,
    ...(read === undefined ? undefined : { cachedInputTokens: read }),
    ...(written === undefined ? undefined : { cacheWriteTokens: written }),
  }
}

const count = Json.count

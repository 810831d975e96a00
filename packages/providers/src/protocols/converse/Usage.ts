/** Token usage of Converse. The API counts cached tokens separately, `Chat.Usage` counts them as input. */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"

/** Decodes the `usage` of a response or of a stream's `metadata`. `undefined` if it has no counts. */
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

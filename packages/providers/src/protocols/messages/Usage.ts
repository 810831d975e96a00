/**
 * Token usage of Messages. The API counts cached tokens separately, `Chat.Usage` counts them as input. A stream's
 * `message_delta` is cumulative and overrides the fields of `message_start`.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"

/** The `usage` of a message, a `message_start` or a `message_delta`: any field may be missing or null. */
export interface Wire {
  readonly input_tokens?: unknown
  readonly output_tokens?: unknown
  readonly cache_read_input_tokens?: unknown
  readonly cache_creation_input_tokens?: unknown
  readonly output_tokens_details?: { readonly thinking_tokens?: unknown } | null
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** Decodes `later`; `earlier` supplies missing fields. `undefined` if neither has counts. */
export const decode = (later: unknown, earlier?: unknown): Chat.Usage | undefined => {
  const now: Wire = Predicate.isObject(later) ? later : {}
  const before: Wire = Predicate.isObject(earlier) ? earlier : {}
  const uncached = count(now.input_tokens, before.input_tokens)
  const output = count(now.output_tokens, before.output_tokens)
  if (uncached === undefined && output === undefined) return undefined
  const read = count(now.cache_read_input_tokens, before.cache_read_input_tokens)
  const written = count(now.cache_creation_input_tokens, before.cache_creation_input_tokens)
  const reasoning = count(now.output_tokens_details?.thinking_tokens, before.output_tokens_details?.thinking_tokens)
  return {
    inputTokens: (uncached ?? 0) + (read ?? 0) + (written ?? 0),
    outputTokens: output ?? 0,
    ...(read === undefined ? undefined : { cachedInputTokens: read }),
    ...(written === undefined ? undefined : { cacheWriteTokens: written }),
    ...(reasoning === undefined ? undefined : { reasoningTokens: reasoning }),
  }
}

/** The usage completed by `known`, if it lacks fields that SDKs rely on; else `undefined`. */
export const completed = (wire: unknown, known: Chat.Usage | undefined): Record<string, unknown> | undefined => {
  const usage: Wire = Predicate.isObject(wire) ? wire : {}
  if (Json.count(usage.input_tokens) !== undefined && Json.count(usage.output_tokens) !== undefined) return undefined
  const present = Object.entries(usage).filter(([, value]) => value !== null)
  return { ...encode(known), ...Object.fromEntries(present) }
}

const count = (later: unknown, earlier: unknown): number | undefined => Json.count(later) ?? Json.count(earlier)

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** The usage for a client: SDKs rely on the first two fields. */
export const encode = (usage: Chat.Usage | undefined): Record<string, unknown> => {
  if (usage === undefined) return { input_tokens: 0, output_tokens: 0 }
  const { cachedInputTokens: read, cacheWriteTokens: written, inputTokens, outputTokens, reasoningTokens } = usage
  return {
    input_tokens: Math.max(0, inputTokens - (read ?? 0) - (written ?? 0)),
    ...(written === undefined ? undefined : { cache_creation_input_tokens: written }),
    ...(read === undefined ? undefined : { cache_read_input_tokens: read }),
    output_tokens: outputTokens,
    ...(reasoningTokens === undefined ? undefined : { output_tokens_details: { thinking_tokens: reasoningTokens } }),
  }
}

/**
 * The tokens of a Messages answer. The API counts cached tokens beside the input, `Chat.Usage` counts them in it; a
 * stream's `message_delta` is cumulative and overrides what `message_start` said, field by field.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"

/** `usage` as it stands in a message, a `message_start` or a `message_delta`: any field may be missing or null. */
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

/** Normalised; `earlier` supplies the fields that `later` leaves out. Undefined where neither counts anything. */
export const decode = (later: unknown, earlier?: unknown): Chat.Usage | undefined => {
  const now: Wire = Predicate.isObject(later) ? later : {}
  const before: Wire = Predicate.isObject(earlier) ? earlier : {}
  const uncached = count(now.input_tokens, before.input_tokens)
  const output = count(now.output_tokens, before.output_tokens)
  if (uncached === undefined && output === undefined) return undefined
  const read = count(now.cache_read_input_tokens, before.cache_read_input_tokens)
  const written = count(now.cache_creation_input_tokens, before.cache_creation_input_tokens)
  const thought = count(now.output_tokens_details?.thinking_tokens, before.output_tokens_details?.thinking_tokens)
  return {
    inputTokens: (uncached ?? 0) + (read ?? 0) + (written ?? 0),
    outputTokens: output ?? 0,
    ...(read === undefined ? undefined : { cachedInputTokens: read }),
    ...(written === undefined ? undefined : { cacheWriteTokens: written }),
    ...(thought === undefined ? undefined : { reasoningTokens: thought }),
  }
}

/** The usage filled up by what is `known`, where it lacks what SDKs rely on; undefined where it does not. */
export const amended = (wire: unknown, known: Chat.Usage | undefined): Record<string, unknown> | undefined => {
  const usage: Wire = Predicate.isObject(wire) ? wire : {}
  if (Json.count(usage.input_tokens) !== undefined && Json.count(usage.output_tokens) !== undefined) return undefined
  const said = Object.entries(usage).filter(([, value]) => value !== null)
  return { ...encode(known), ...Object.fromEntries(said) }
}

const count = (later: unknown, earlier: unknown): number | undefined => Json.count(later) ?? Json.count(earlier)

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** What a client is told: SDKs rely on the first two being there. */
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

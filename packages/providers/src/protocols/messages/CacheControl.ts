/** Cache hints: `cache_control` on the block that ends a prefix of the prompt. */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Block, Warn } from "../Lowering.ts"
import type * as Wire from "./Wire.ts"

/** The block with its cache hint, if any. The API supports the TTLs `5m` and `1h`. */
export const encode = (block: Block, cache: Chat.CacheHint | undefined, warn: Warn): Block => {
  if (cache === undefined) return block
  const ttl = cache.ttl === "5m" || cache.ttl === "1h" ? cache.ttl : undefined
  if (cache.ttl !== undefined && ttl === undefined) warn("a cache TTL other than 5m and 1h")
  block["cache_control"] = ttl === undefined ? { type: "ephemeral" } : { type: "ephemeral", ttl }
  return block
}

export const decode = (hint: Wire.CacheControl): { readonly cache?: Chat.CacheHint } => {
  if (hint === undefined || hint === null) return {}
  return { cache: Predicate.isString(hint.ttl) ? { ttl: hint.ttl } : {} }
}

/** The parts with a hint on the last one, unless it has one. */
export const mark = <P extends { readonly cache?: Chat.CacheHint | undefined }>(
  parts: ReadonlyArray<P>,
  hint: Wire.CacheControl,
): ReadonlyArray<P> => {
  const last = parts.at(-1)
  if (hint === undefined || hint === null || last === undefined || last.cache !== undefined) return parts
  return [...parts.slice(0, -1), { ...last, ...decode(hint) }]
}

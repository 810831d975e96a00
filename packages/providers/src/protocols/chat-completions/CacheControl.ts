/** OpenAI's cache breakpoint, shared by Chat Completions and Responses. */
import type * as Chat from "@understudy/core/Chat"
import type { Block, Warn } from "../Lowering.ts"
import type { Model } from "./Model.ts"

/** Sets the breakpoint if the model supports it. For other models, OpenAI caches automatically. */
export const set = (block: Block, { ttl }: Chat.CacheHint, model: Model, warn: Warn): Block => {
  if (!model.breakpoints) {
    warn("a cache hint")
    return block
  }
  const known = ttl === undefined || ttl === "30m" || ttl === "12h"
  if (!known) warn("a cache TTL other than 30m and 12h")
  block["prompt_cache_breakpoint"] = known && ttl !== undefined ? { mode: "explicit", ttl } : { mode: "explicit" }
  return block
}

/**
 * Drops parameters that a server does not support from a client's own body. A feature that cannot be dropped skips the
 * deployment; a hint is removed and reported, because a server may ignore it without an error.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Fields } from "../Json.ts"
import type { Warn } from "../Lowering.ts"
import * as Media from "../Media.ts"
import type { Compatibility, Feature } from "./Compatibility.ts"
import * as Tools from "./Tools.ts"

/** The first feature of the request that the server lacks and that cannot be dropped. */
export const missingFeature = (request: Chat.Request, { lacks }: Compatibility): string | undefined => {
  const { format, sampling } = request
  if ((sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0) && lacks.has("logprobs")) return "logprobs"
  if ((sampling?.n ?? 1) > 1 && lacks.has("n")) return "more than one choice (n)"
  if (format?.type === "json-schema" && lacks.has("json schemas")) return "JSON schema output"
  if (Tools.isForced(request) && lacks.has("forced tools")) return "forced tool calls"
  if (!lacks.has("image urls")) return undefined
  return Media.unsupported(request.messages, ({ source, type }) =>
    type === "image" && source.type === "url" ? "images by URL" : undefined,
  )
}

interface Hint {
  readonly feature: Feature
  readonly field: string
  readonly warning: string
}

/** Hints, by the feature that a server lacks. */
const hints: ReadonlyArray<Hint> = [
  { feature: "cache keys", field: "prompt_cache_key", warning: "prompt_cache_key" },
  { feature: "logit_bias", field: "logit_bias", warning: "logit_bias" },
  { feature: "parallel tool calls", field: "parallel_tool_calls", warning: "parallel_tool_calls" },
  { feature: "top_k", field: "top_k", warning: "top_k" },
  { feature: "user", field: "user", warning: "the end user's id" },
  { feature: "user", field: "safety_identifier", warning: "the end user's id" },
]

/**
 * Removes unsupported hints from `body`. If the server ignores `tool_choice`, tools that must not be called are removed
 * too.
 */
export const fields = (body: Record<string, unknown>, { lacks }: Compatibility, warn: Warn): void => {
  for (const { feature, field, warning } of hints) {
    if (body[field] === undefined || !lacks.has(feature)) continue
    if (body[field] !== null) warn(warning)
    delete body[field]
  }
  if (body["tool_choice"] === "none" && lacks.has("forced tools")) {
    delete body["tools"]
    delete body["tool_choice"]
  }
}

/** The message without its author's name, if it has one that the server rejects; else `undefined`. */
export const name = (message: Fields, { lacks }: Compatibility, warn: Warn): Fields | undefined => {
  if (message["name"] === undefined || message["role"] === "tool" || !lacks.has("names")) return undefined
  warn("message author names")
  const { name: _name, ...rest } = message
  return rest
}

/**
 * What a server lacks of a request in its own protocol: what the answer would be another without is for another to answer,
 * a mere hint is left out and named. A server that ignores it in silence would be taken at its word.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Fields } from "../Json.ts"
import type { Warn } from "../Lowering.ts"
import * as Media from "../Media.ts"
import type { Dialect, Feature } from "./Compatibility.ts"
import * as Tools from "./Tools.ts"

/** The first thing asked for that the server lacks and that the answer would be another without. */
export const needed = (request: Chat.Request, { lacks }: Dialect): string | undefined => {
  const { format, sampling } = request
  if ((sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0) && lacks.has("logprobs")) return "logprobs"
  if ((sampling?.n ?? 1) > 1 && lacks.has("n")) return "several answers at once (n)"
  if (format?.type === "json-schema" && lacks.has("json schemas")) return "JSON answers by a schema"
  if (Tools.isForced(request) && lacks.has("forced tools")) return "that a tool must be called"
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

/** Fields that are hints, by the feature that a server lacks. */
const hints: ReadonlyArray<Hint> = [
  { feature: "cache keys", field: "prompt_cache_key", warning: "prompt_cache_key" },
  { feature: "logit_bias", field: "logit_bias", warning: "logit_bias" },
  { feature: "parallel tool calls", field: "parallel_tool_calls", warning: "whether tools may be called at once" },
  { feature: "top_k", field: "top_k", warning: "top_k" },
  { feature: "user", field: "user", warning: "the id of the end user" },
  { feature: "user", field: "safety_identifier", warning: "the id of the end user" },
]

/** Takes from `body` the hints that the server lacks. Tools that may not be called are none, where the server follows no choice. */
export const fields = (body: Record<string, unknown>, { lacks }: Dialect, warn: Warn): void => {
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

/** A message without the name of its author, where it has one that the server does not take. */
export const name = (message: Fields, { lacks }: Dialect, warn: Warn): Fields | undefined => {
  if (message["name"] === undefined || message["role"] === "tool" || !lacks.has("names")) return undefined
  warn("the name of a message's author")
  const { name: _name, ...rest } = message
  return rest
}

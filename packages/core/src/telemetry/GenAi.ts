/**
 * Attributes of spans by OpenTelemetry's semantic conventions for generative AI, version 0.1.0: their names, and their values
 * from a request, a response and a usage.
 */
import type { AnyRequest, Operation } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as Outline from "../model/Outline.ts"

/** The version of the conventions, in https://github.com/open-telemetry/semantic-conventions-genai. */
export const version = "0.1.0"

/** Sets an attribute of a span. */
export type Set = (name: string, value: unknown) => void

/** The value of `gen_ai.operation.name`: one that the conventions have, or else the name of the operation. */
export const operationName = (operation: Operation): string => {
  switch (operation) {
    case "count":
      return "chat"
    case "completions":
      return "text_completion"
    default:
      return operation
  }
}

/** The attributes of what a request asks for, without its content. */
export const setRequest = (set: Set, request: AnyRequest, streaming: boolean): void => {
  if ("input" in request) {
    if (request.dimensions !== undefined) set("gen_ai.embeddings.dimension.count", request.dimensions)
    if (request.encoding !== undefined) set("gen_ai.request.encoding_formats", [request.encoding])
    return
  }
  if (streaming) set("gen_ai.request.stream", true)
  if ("operation" in request) return
  const { format } = Outline.settings(request)
  const { reasoning, sampling } = request
  if (format !== undefined) set("gen_ai.output.type", format.type === "text" ? "text" : "json")
  if (reasoning?.effort !== undefined) set("gen_ai.request.reasoning.level", reasoning.effort)
  if (sampling === undefined) return
  for (const [key, name] of samplingAttributes) if (sampling[key] !== undefined) set(name, sampling[key])
  if (sampling.n !== undefined && sampling.n !== 1) set("gen_ai.request.choice.count", sampling.n)
}

const samplingAttributes = [
  ["maxTokens", "gen_ai.request.max_tokens"],
  ["temperature", "gen_ai.request.temperature"],
  ["topP", "gen_ai.request.top_p"],
  ["topK", "gen_ai.request.top_k"],
  ["seed", "gen_ai.request.seed"],
  ["stop", "gen_ai.request.stop_sequences"],
  ["frequencyPenalty", "gen_ai.request.frequency_penalty"],
  ["presencePenalty", "gen_ai.request.presence_penalty"],
] as const satisfies ReadonlyArray<readonly [keyof Chat.Sampling, string]>

export const setUsage = (set: Set, usage: Chat.Usage, operation: Operation): void => {
  set("gen_ai.usage.input_tokens", usage.inputTokens)
  if (operation === "embeddings") return
  set("gen_ai.usage.output_tokens", usage.outputTokens)
  if (usage.cachedInputTokens !== undefined) set("gen_ai.usage.cache_read.input_tokens", usage.cachedInputTokens)
  if (usage.cacheWriteTokens !== undefined) set("gen_ai.usage.cache_write.input_tokens", usage.cacheWriteTokens)
  if (usage.reasoningTokens !== undefined) set("gen_ai.usage.reasoning.output_tokens", usage.reasoningTokens)
}

/** A value of `gen_ai.response.finish_reasons`. A choice that has not finished has `error`. */
export const finishReason = (reason: Chat.FinishReason | undefined): string => {
  switch (reason) {
    case undefined:
      return "error"
    case "tool-calls":
      return "tool_call"
    case "content-filter":
      return "content_filter"
    default:
      return reason
  }
}

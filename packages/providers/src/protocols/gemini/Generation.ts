/** `generationConfig`: sampling, response format and reasoning. */
import type * as Chat from "@understudy/core/Chat"
import * as Json from "../Json.ts"
import type { Block, Warn } from "../Lowering.ts"
import * as Overrides from "../Overrides.ts"
import type { Level, Model } from "./Model.ts"
import * as Schemas from "./Schemas.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

export const encode = (request: Chat.Request, model: Model, warn: Warn): Block => ({
  ...encodeSampling(request.sampling, model, warn),
  ...encodeFormat(request.format),
  ...encodeThinking(request.reasoning, model, warn),
})

/** A client's own configuration with the parameters that the deployment sets. Whether thoughts are shown is the client's. */
export const override = (
  config: Json.Fields,
  own: Chat.Request,
  overrides: Chat.Overrides,
  model: Model,
  warn: Warn,
): Block => {
  const { thinkingConfig, ...fields } = encode(own, model, warn)
  const replaced = Overrides.replace(config, names, overrides, fields)
  if (thinkingConfig === undefined) return replaced
  const { includeThoughts: _, ...thinking } = Json.fields(thinkingConfig)
  const { includeThoughts, include_thoughts: shown = includeThoughts } = Json.fields(
    config["thinkingConfig"] ?? config["thinking_config"],
  )
  replaced["thinkingConfig"] = shown === undefined ? thinking : { ...thinking, includeThoughts: shown }
  return replaced
}

/** The names of the parameters, in both spellings of the API. */
const names: Overrides.Names = {
  maxTokens: ["maxOutputTokens", "max_output_tokens"],
  temperature: ["temperature"],
  topP: ["topP", "top_p"],
  topK: ["topK", "top_k"],
  stop: ["stopSequences", "stop_sequences"],
  seed: ["seed"],
  frequencyPenalty: ["frequencyPenalty", "frequency_penalty"],
  presencePenalty: ["presencePenalty", "presence_penalty"],
  reasoning: ["thinkingConfig", "thinking_config"],
}

const encodeSampling = (sampling: Chat.Sampling | undefined, model: Model, warn: Warn): Block => {
  const config: Block = {}
  if (sampling === undefined) return config
  const set = (name: keyof Wire.GenerationConfig, value: unknown) => {
    if (value !== undefined) config[name] = value
  }
  const { maxTokens, seed, stop, topLogprobs } = sampling
  set("maxOutputTokens", maxTokens === undefined ? undefined : Math.min(maxTokens, model.maxTokens ?? maxTokens))
  set("temperature", sampling.temperature)
  set("topP", sampling.topP)
  set("topK", sampling.topK)
  if (stop !== undefined && stop.length > 0) config["stopSequences"] = stop
  if (seed === undefined || seed === (seed | 0)) set("seed", seed)
  else warn("a seed of more than 32 bits")
  set("presencePenalty", sampling.presencePenalty)
  set("frequencyPenalty", sampling.frequencyPenalty)
  set("candidateCount", sampling.n)
  set("responseLogprobs", topLogprobs === undefined ? sampling.logprobs : true)
  set("logprobs", topLogprobs === 0 ? undefined : topLogprobs)
  return config
}

/** The schema's name is dropped; its description becomes a part of the schema. */
const encodeFormat = (format: Chat.Format | undefined): Block => {
  switch (format?.type) {
    case undefined:
      return {}
    case "text":
      return { responseMimeType: "text/plain" }
    case "json":
      return { responseMimeType: "application/json" }
    case "json-schema": {
      const { description, schema } = format
      const described = description === undefined || "description" in schema ? schema : { ...schema, description }
      return { responseMimeType: "application/json", responseJsonSchema: described }
    }
  }
}

type Effort = NonNullable<Chat.ReasoningOptions["effort"]>

/** The budgets of Google's own OpenAI-compatible endpoint. */
const budgets: Record<Exclude<Effort, "none">, number> = {
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
  max: 32_768,
}

const levels: Record<Exclude<Effort, "none">, Level> = {
  minimal: "MINIMAL",
  low: "LOW",
  medium: "MEDIUM",
  high: "HIGH",
  xhigh: "HIGH",
  max: "HIGH",
}

/**
 * A given budget is sent to any model with reasoning. An effort becomes a level or a budget, as the model supports.
 */
const encodeThinking = (reasoning: Chat.ReasoningOptions | undefined, model: Model, warn: Warn): Block => {
  if (reasoning === undefined) return {}
  const { budget, effort } = reasoning
  const { thinking } = model
  const isOff = effort === "none" || (effort === undefined && budget === 0)
  if (thinking.by === "none") {
    if (!isOff) warn("reasoning, which this model does not support")
    return {}
  }
  if (isOff) return withoutReasoning(thinking, warn)
  const thoughtsIncluded = { includeThoughts: true }
  if (budget === undefined && effort === undefined) {
    return {
      thinkingConfig:
        thinking.by === "level" ? thoughtsIncluded : { thinkingBudget: dynamicBudget, ...thoughtsIncluded },
    }
  }
  if (thinking.by === "level") {
    if (budget !== undefined) return { thinkingConfig: { thinkingBudget: budget, ...thoughtsIncluded } }
    const level = nearestLevel(levels[effort ?? "medium"], thinking.levels)
    if (level.toLowerCase() !== effort) warn(`reasoning effort ${effort}, sent as ${level.toLowerCase()}`)
    return { thinkingConfig: { thinkingLevel: level, ...thoughtsIncluded } }
  }
  const requested = budget ?? budgets[effort ?? "medium"]
  const granted = Math.min(Math.max(requested, thinking.min), thinking.max)
  if (budget !== undefined && granted !== budget)
    warn(`a reasoning budget outside the model's range, sent as ${granted}`)
  return { thinkingConfig: { thinkingBudget: granted, ...thoughtsIncluded } }
}

/** The budget that lets the model decide. */
const dynamicBudget = -1

/** The least reasoning that the model supports. */
const withoutReasoning = (thinking: Exclude<Model["thinking"], { readonly by: "none" }>, warn: Warn): Block => {
  if (thinking.by === "budget" && thinking.off) return { thinkingConfig: { thinkingBudget: 0 } }
  warn("turning reasoning off, which this model does not support")
  return thinking.by === "budget"
    ? { thinkingConfig: { thinkingBudget: thinking.min } }
    : { thinkingConfig: { thinkingLevel: thinking.levels[0] } }
}

const order: ReadonlyArray<Level> = ["MINIMAL", "LOW", "MEDIUM", "HIGH"]

/** The lowest supported level that is not below the requested one. */
const nearestLevel = (requested: Level, known: ReadonlyArray<Level>): Level =>
  known.find((level) => order.indexOf(level) >= order.indexOf(requested)) ?? "HIGH"

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** The parameters of a client's `generationConfig` with a counterpart in `Chat`. */
export const decode = (config: Wire.GenerationConfig): Pick<Chat.Request, "sampling" | "format" | "reasoning"> => {
  const sampling = decodeSampling(config)
  const format = decodeFormat(config)
  const reasoning = decodeThinking(config.thinkingConfig)
  return {
    ...(sampling === undefined ? undefined : { sampling }),
    ...(format === undefined ? undefined : { format }),
    ...(reasoning === undefined ? undefined : { reasoning }),
  }
}

const decodeSampling = (config: Wire.GenerationConfig): Chat.Sampling | undefined =>
  Json.defined({
    maxTokens: config.maxOutputTokens,
    temperature: config.temperature,
    topP: config.topP,
    topK: config.topK,
    stop: config.stopSequences,
    seed: config.seed,
    frequencyPenalty: config.frequencyPenalty,
    presencePenalty: config.presencePenalty,
    n: config.candidateCount,
    logprobs: config.responseLogprobs,
    topLogprobs: config.logprobs,
  })

const decodeFormat = (config: Wire.GenerationConfig): Chat.Format | undefined => {
  const { responseJsonSchema: schema, responseMimeType: type, responseSchema: openApi } = config
  if (schema) return { type: "json-schema", name: "response", schema }
  // `text/x.enum` responds with a bare value, without JSON quotes: a JSON schema cannot express that.
  if (openApi && type !== "text/x.enum")
    return { type: "json-schema", name: "response", schema: Schemas.toJsonSchema(openApi) }
  if (type === "application/json") return { type: "json" }
  return type === "text/plain" ? { type: "text" } : undefined
}

const decodeThinking = (config: Wire.GenerationConfig["thinkingConfig"]): Chat.ReasoningOptions | undefined => {
  const { thinkingBudget: budget, thinkingLevel: level } = config ?? {}
  switch (level?.toUpperCase()) {
    case "MINIMAL":
      return { effort: "minimal" }
    case "LOW":
      return { effort: "low" }
    case "MEDIUM":
      return { effort: "medium" }
    case "HIGH":
      return { effort: "high" }
  }
  if (budget === undefined || budget === null) return undefined
  return budget === dynamicBudget ? {} : { budget }
}

const known: ReadonlySet<string> = new Set(Object.keys(Wire.GenerationConfig.fields))

/** The other fields; `undefined` if there are none. */
export const otherFields = (config: unknown): Block | undefined => {
  const rest = Object.entries(Json.fields(config)).filter(([name, value]) => !known.has(name) && value !== null)
  return rest.length === 0 ? undefined : Object.fromEntries(rest)
}

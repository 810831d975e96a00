/**
 * `generationConfig`: how the answer is written, in which form, and how much the model thinks about it.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Json from "../Json.ts"
import type { Block, Warn } from "../Lowering.ts"
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

/** The schema's name says nothing to the model; its description does, and finds a place in the schema. */
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
      const told = description === undefined || "description" in schema ? schema : { ...schema, description }
      return { responseMimeType: "application/json", responseJsonSchema: told }
    }
  }
}

type Effort = NonNullable<Chat.ReasoningOptions["effort"]>

/** As Google's own OpenAI-compatible endpoint has it. */
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

/** A budget that is given goes to any model that thinks; an effort, in the words of its generation. */
const encodeThinking = (reasoning: Chat.ReasoningOptions | undefined, model: Model, warn: Warn): Block => {
  if (reasoning === undefined) return {}
  const { budget, effort } = reasoning
  const { thinking } = model
  const unwanted = effort === "none" || (effort === undefined && budget === 0)
  if (thinking.by === "none") {
    if (!unwanted) warn("reasoning, which this model cannot do")
    return {}
  }
  if (unwanted) return withoutThought(thinking, warn)
  const shown = { includeThoughts: true }
  if (budget === undefined && effort === undefined) {
    return { thinkingConfig: thinking.by === "level" ? shown : { thinkingBudget: asItSeesFit, ...shown } }
  }
  if (thinking.by === "level") {
    if (budget !== undefined) return { thinkingConfig: { thinkingBudget: budget, ...shown } }
    const level = nearest(levels[effort ?? "medium"], thinking.levels)
    if (level.toLowerCase() !== effort) warn(`a reasoning effort of ${effort}, sent as ${level.toLowerCase()}`)
    return { thinkingConfig: { thinkingLevel: level, ...shown } }
  }
  const asked = budget ?? budgets[effort ?? "medium"]
  const granted = Math.min(Math.max(asked, thinking.least), thinking.most)
  if (budget !== undefined && granted !== budget)
    warn(`a reasoning budget that this model does not take, sent as ${granted}`)
  return { thinkingConfig: { thinkingBudget: granted, ...shown } }
}

/** The budget of a model that decides for itself. */
const asItSeesFit = -1

/** As little thought as the model can be held to. */
const withoutThought = (thinking: Exclude<Model["thinking"], { readonly by: "none" }>, warn: Warn): Block => {
  if (thinking.by === "budget" && thinking.off) return { thinkingConfig: { thinkingBudget: 0 } }
  warn("that it not reason at all, which this model cannot help")
  return thinking.by === "budget"
    ? { thinkingConfig: { thinkingBudget: thinking.least } }
    : { thinkingConfig: { thinkingLevel: thinking.levels[0] } }
}

const order: ReadonlyArray<Level> = ["MINIMAL", "LOW", "MEDIUM", "HIGH"]

/** The least of the model's levels that is no less than the one wanted. */
const nearest = (wanted: Level, known: ReadonlyArray<Level>): Level =>
  known.find((level) => order.indexOf(level) >= order.indexOf(wanted)) ?? "HIGH"

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** What a client's `generationConfig` asks for in words that `Chat` has. */
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
  // An enumeration is answered with one of its words, without the quotes of JSON: a schema could not say that to others.
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
  return budget === asItSeesFit ? {} : { budget }
}

const known: ReadonlySet<string> = new Set(Object.keys(Wire.GenerationConfig.fields))

/** What else it asks for; undefined if nothing. */
export const others = (config: unknown): Block | undefined => {
  const rest = Object.entries(Json.fields(config)).filter(([name, value]) => !known.has(name) && value !== null)
  return rest.length === 0 ? undefined : Object.fromEntries(rest)
}

/**
 * Requests: encodes `Chat` as the input of the SDK's `ConverseCommand`, and decodes such an input to `Chat`.
 *
 * A feature that cannot be dropped fails with `Unsupported`, so that another deployment is tried. A dropped parameter
 * is named in `warnings`. Parameters without a field in Converse go into `additionalModelRequestFields`, in Anthropic's
 * form for a Claude model.
 */
import * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import type { Address } from "../ClientProtocol.ts"
import * as ExactNumber from "../ExactNumber.ts"
import * as InvalidBody from "../InvalidBody.ts"
import * as Json from "../Json.ts"
import * as Lowering from "../Lowering.ts"
import type { Encoded } from "../Lowering.ts"
import * as Media from "../Media.ts"
import * as Overrides from "../Overrides.ts"
import * as JsonMode from "../JsonMode.ts"
import * as Thinking from "../messages/Reasoning.ts"
import * as Content from "./Content.ts"
import type { Block, Warn } from "../Lowering.ts"
import type { Context } from "./Content.ts"
import * as Documents from "./Documents.ts"
import * as SchemaTool from "../SchemaTool.ts"
import * as Model from "./Model.ts"
import * as Prompt from "./Prompt.ts"
import { protocol } from "./Protocol.ts"
import * as Tools from "./Tools.ts"
import * as Conversation from "./Conversation.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The input for `request.model`: the id of a model or an inference profile, or the ARN of either or of a prompt. */
export const encode = (original: Chat.Request): Result.Result<Encoded, ProviderError> => {
  const model = Model.of(original.model)
  const { change, changes, warn, warnings } = Lowering.warnings()
  const request = model.schemas ? original : SchemaTool.lower(original, model.choices.includes("tool"), warn)
  const feature = unsupported(request, model)
  if (feature !== undefined) return Lowering.unsupported("The Converse API", feature)

  const withoutTools = Tools.hasNoTools(request, model)
  const context: Context = { warn, model, withoutTools, documentName: Documents.namer() }
  const { system, turns } = Conversation.encode(request.messages, context)
  if (request.format?.type === "json") {
    warn(JsonMode.warning)
    system.push({ text: JsonMode.instruction })
  }

  const { effort, fields: thinking, samplingAllowed } = encodeReasoning(request, turns, model, warn, change)
  const { toolConfig, toolChoice } = Tools.encode(request, context)
  const { inferenceConfig, topK } = encodeSampling(request.sampling, model, samplingAllowed, warn)
  const format = encodeFormat(request.format)
  const metadata = encodeMetadata(request.metadata, warn)
  if (request.user !== undefined) warn("the end user's id")

  const body: Record<string, unknown> = { modelId: request.model, messages: turns }
  if (system.length > 0) body["system"] = system
  if (inferenceConfig !== undefined) body["inferenceConfig"] = inferenceConfig
  if (toolConfig !== undefined) body["toolConfig"] = toolConfig
  if (effort !== undefined || format !== undefined) {
    body["outputConfig"] = {
      ...(effort === undefined ? undefined : { effort }),
      ...(format === undefined ? undefined : { textFormat: format }),
    }
  }
  if (metadata !== undefined) body["requestMetadata"] = metadata
  if (model.claude !== undefined && inferenceConfig?.["stopSequences"] !== undefined) {
    body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
  }
  const additional = { ...thinking, ...topK, ...(toolChoice === undefined ? undefined : { tool_choice: toolChoice }) }
  const complete = withVendor(body, additional, request.vendor?.[protocol])
  if (Prompt.isPrompt(request.model)) {
    const unsupportedByPrompt = Prompt.unsupported(complete)
    if (unsupportedByPrompt !== undefined) return Lowering.unsupported("The Converse API", unsupportedByPrompt)
    Prompt.removeDefined(complete, warn)
  }
  return Result.succeed({ body: complete, warnings, ...Lowering.withChanges(changes) })
}

/**
 * The client's own input for `request.model`; `undefined` if the client spoke another protocol. Bytes in it are bytes,
 * as the SDK takes them.
 */
export const native = ({ model, native }: Chat.Request): Record<string, unknown> | undefined =>
  native?.protocol === protocol ? { ...native.body, modelId: model } : undefined

/** The client's own input with the parameters that the deployment sets. */
export const override = (
  body: Record<string, unknown>,
  request: Chat.Request,
  overrides: Chat.Overrides,
  change: Warn,
  warn: Warn,
): Result.Result<Record<string, unknown>, ProviderError> => {
  const model = Model.of(request.model)
  const isReasoningSet = overrides.reasoning !== undefined
  const turns = Json.list(body["messages"]).map((turn) => turn as Conversation.Turn)
  const reasoning = encodeReasoning(
    request,
    turns,
    model,
    isReasoningSet ? warn : () => {},
    isReasoningSet ? change : () => {},
  )
  const { temperature, topP } = overrides.sampling ?? {}
  const sampling =
    isReasoningSet || temperature !== undefined || topP !== undefined ? request.sampling : overrides.sampling
  const { inferenceConfig, topK } = encodeSampling(sampling, model, reasoning.samplingAllowed, warn)
  const set = { sampling, reasoning: overrides.reasoning }
  const replaced = { ...body }
  const put = (name: string, fields: Block) => {
    if (Object.keys(fields).length > 0) replaced[name] = fields
    else delete replaced[name]
  }
  put("inferenceConfig", Overrides.replace(Json.fields(body["inferenceConfig"]), names, set, inferenceConfig ?? {}))
  const additional = { ...topK, ...(isReasoningSet ? reasoning.fields : undefined) }
  put(
    "additionalModelRequestFields",
    Overrides.replace(Json.fields(body["additionalModelRequestFields"]), additionalNames, set, additional),
  )
  if (isReasoningSet) {
    const { effort: _, ...output } = Json.fields(body["outputConfig"])
    put("outputConfig", reasoning.effort === undefined ? output : { ...output, effort: reasoning.effort })
  }
  if (Prompt.isPrompt(request.model)) Prompt.removeDefined(replaced, warn)
  return Result.succeed(replaced)
}

const names: Overrides.Names = {
  maxTokens: ["maxTokens"],
  temperature: ["temperature"],
  topP: ["topP"],
  stop: ["stopSequences"],
}

const additionalNames: Overrides.Names = {
  topK: ["top_k"],
  reasoning: ["thinking", "reasoning_effort", "reasoningConfig"],
}

/** The first feature that this API does not support and that cannot be dropped. */
const unsupported = (request: Chat.Request, model: Model.Model): string | undefined => {
  const sampling = request.sampling
  if (sampling?.n !== undefined && sampling.n > 1) return "more than one choice (n)"
  if (sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0) return "logprobs"
  const unsupportedMedia = Media.unsupported(request.messages, (media) => Content.unsupported(media, model))
  return unsupportedMedia ?? Tools.unsupported(request, model)
}

/** The vendor's fields come last. Its `additionalModelRequestFields` are merged with ours. */
const withVendor = (
  body: Record<string, unknown>,
  additional: Block,
  vendor: Readonly<Record<string, unknown>> | undefined,
): Record<string, unknown> => {
  const vendorFields = vendor?.["additionalModelRequestFields"]
  const fields = Predicate.isObject(vendorFields) ? { ...additional, ...vendorFields } : additional
  Object.assign(body, vendor)
  if (Object.keys(fields).length > 0) body["additionalModelRequestFields"] = fields
  return body
}

// ---------------------------------------------------------------------------------------------------------------------
// Reasoning
// ---------------------------------------------------------------------------------------------------------------------

interface Reasoning {
  readonly effort?: string
  /** For `additionalModelRequestFields`. */
  readonly fields?: Block
  /** Whether sampling parameters are allowed; if not, why. */
  readonly samplingAllowed: true | string
}

const encodeReasoning = (
  request: Chat.Request,
  turns: ReadonlyArray<Conversation.Turn>,
  model: Model.Model,
  warn: Warn,
  change: Warn,
): Reasoning => {
  const { reasoning } = request
  if (model.claude !== undefined) {
    const toolForced = Tools.isForced(request)
    const requested = request.sampling?.maxTokens
    const maxTokens = requested === undefined ? undefined : Math.min(requested, model.maxOutput ?? Infinity)
    const context = {
      model: model.claude,
      maxTokens,
      toolForced,
      resumesWithoutReasoning: resumesWithoutReasoning(turns),
    }
    const { effort, thinking } = Thinking.encode(reasoning, context, warn)
    const usesReasoning = thinking !== undefined && thinking["type"] !== "disabled"
    return {
      ...(effort === undefined ? undefined : { effort }),
      ...(thinking === undefined ? undefined : { fields: { thinking } }),
      samplingAllowed: usesReasoning
        ? "while the model reasons"
        : model.claude.sampling === "none"
          ? "for this model"
          : true,
    }
  }
  if (reasoning === undefined) return { samplingAllowed: true }
  if (reasoning.effort === undefined && reasoning.budget === undefined) {
    change("reasoning without an effort, left to the model's default")
    return { samplingAllowed: true }
  }
  if (model.effort === undefined) {
    warn("the reasoning effort")
    return { samplingAllowed: true }
  }
  const effort = lowMediumHigh(reasoning)
  if (reasoning.effort !== effort) warn(`the reasoning effort, sent as ${effort}`)
  if (model.effort === "reasoning_effort")
    return { fields: { reasoning_effort: effort === "none" ? "low" : effort }, samplingAllowed: true }
  return {
    fields: {
      reasoningConfig: effort === "none" ? { type: "disabled" } : { type: "enabled", maxReasoningEffort: effort },
    },
    samplingAllowed: effort === "high" ? "at this effort" : true,
  }
}

/** The efforts of models other than Claude. */
const lowMediumHigh = ({ budget, effort }: Chat.ReasoningOptions): "none" | "low" | "medium" | "high" => {
  switch (effort) {
    case "none":
    case "low":
    case "medium":
    case "high":
      return effort
    case "minimal":
      return "low"
    case "xhigh":
    case "max":
      return "high"
    case undefined:
      if (budget === undefined || budget <= 0) return "none"
      return budget <= 2048 ? "low" : budget <= 8192 ? "medium" : "high"
  }
}

/** Whether the last turn has results for a turn that does not begin with reasoning. */
const resumesWithoutReasoning = (turns: ReadonlyArray<Conversation.Turn>): boolean => {
  const last = turns[turns.length - 1]?.content[0]
  const opening = turns[turns.length - 2]?.content[0]
  return last !== undefined && "toolResult" in last && (opening === undefined || !("reasoningContent" in opening))
}

// ---------------------------------------------------------------------------------------------------------------------
// Sampling, format and metadata
// ---------------------------------------------------------------------------------------------------------------------

const encodeSampling = (
  sampling: Chat.Sampling | undefined,
  model: Model.Model,
  samplingAllowed: Reasoning["samplingAllowed"],
  warn: Warn,
): { readonly inferenceConfig?: Block; readonly topK?: Block } => {
  if (sampling === undefined) return {}
  const config: Block = {}
  // At its highest effort, Nova sets this itself.
  if (sampling.maxTokens !== undefined) {
    const maxOutput = model.maxOutput ?? Infinity
    if (sampling.maxTokens > maxOutput) warn(`max_tokens above the model's maximum, reduced to ${maxOutput}`)
    if (samplingAllowed === "at this effort") warn("max_tokens at this effort")
    else config["maxTokens"] = Math.min(sampling.maxTokens, maxOutput)
  }
  if (sampling.stop !== undefined && sampling.stop.length > 0) config["stopSequences"] = sampling.stop
  if (sampling.seed !== undefined) warn("seed")
  if ((sampling.frequencyPenalty ?? 0) !== 0) warn("frequency_penalty")
  if ((sampling.presencePenalty ?? 0) !== 0) warn("presence_penalty")

  const { temperature, topP, topK } = sampling
  if (temperature !== undefined) {
    if (samplingAllowed !== true) {
      if (temperature !== 1) warn(`temperature ${samplingAllowed}`)
    } else {
      if (temperature > 1) warn(`temperature above 1, sent as 1`)
      config["temperature"] = Math.min(temperature, 1)
    }
  }
  if (topP !== undefined && topP !== 1) {
    if (samplingAllowed !== true) warn(`top_p ${samplingAllowed}`)
    else if (model.claude?.sampling === "one" && temperature !== undefined) warn("top_p together with temperature")
    else config["topP"] = topP
  }
  const supportsTopK = samplingAllowed === true && model.topK !== undefined
  if (topK !== undefined && !supportsTopK)
    warn(`top_k ${samplingAllowed === true ? "for this model" : samplingAllowed}`)
  return {
    ...(Object.keys(config).length === 0 ? undefined : { inferenceConfig: config }),
    ...(topK === undefined || !supportsTopK
      ? undefined
      : { topK: model.topK === "top_k" ? { top_k: topK } : { inferenceConfig: { topK } } }),
  }
}

const encodeFormat = (format: Chat.Format | undefined): Block | undefined => {
  if (format?.type !== "json-schema") return undefined
  const { name, schema, description } = format
  const jsonSchema: Block = { schema: JSON.stringify(schema), name }
  if (description !== undefined) jsonSchema["description"] = description
  return { type: "json_schema", structure: { jsonSchema } }
}

/** At most 16 labels with these characters: the API rejects a call with any other. */
const isLabel = /^[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}$/

const encodeMetadata = (
  metadata: Readonly<Record<string, string>> | undefined,
  warn: Warn,
): Record<string, string> | undefined => {
  const labels: Record<string, string> = {}
  let count = 0
  for (const [key, value] of Object.entries(metadata ?? {})) {
    if (count < 16 && key !== "" && isLabel.test(key) && isLabel.test(value)) {
      labels[key] = value
      count++
    } else warn(`the label ${JSON.stringify(key)}`)
  }
  return count === 0 ? undefined : labels
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: a body -> Chat
// ---------------------------------------------------------------------------------------------------------------------

const parse = SchemaParser.decodeUnknownResult(Wire.Request)

/**
 * Decodes a body, which is kept as `native`. `address` contains the model if the body does not. Fields without a
 * counterpart in `Chat` are also in `vendor.converse`.
 */
export const decode = (
  body: Record<string, unknown>,
  { model }: Address = {},
): Result.Result<Chat.Request, InvalidBody.InvalidBody> => {
  const named = model === undefined ? body : { ...body, modelId: model }
  const parsed = parse(ExactNumber.read(named, ["inferenceConfig"]))
  return Result.isFailure(parsed)
    ? Result.fail(InvalidBody.fromIssue(parsed.failure, named))
    : Result.succeed(fromWire(parsed.success, body))
}

const fromWire = (wire: Wire.Request, body: Record<string, unknown>): Chat.Request => {
  const additional = Json.fields(wire.additionalModelRequestFields)
  const format = decodeFormat(wire.outputConfig)
  const sampling = decodeSampling(wire.inferenceConfig, additional)
  const reasoning = decodeReasoning(wire.outputConfig?.effort, additional)
  const vendor = otherFields(body, additional)
  return {
    model: wire.modelId,
    messages: Conversation.decode(wire.system ?? [], wire.messages ?? []),
    native: { protocol, body },
    ...Tools.decode(wire.toolConfig, additional),
    ...(format === undefined ? undefined : { format }),
    ...(sampling === undefined ? undefined : { sampling }),
    ...(reasoning === undefined ? undefined : { reasoning }),
    ...(wire.requestMetadata === undefined ? undefined : { metadata: wire.requestMetadata }),
    ...(vendor === undefined ? undefined : { vendor: { [protocol]: vendor } }),
  }
}

const known: ReadonlySet<string> = new Set(Object.keys(Wire.Request.fields))

/** Additional fields with a counterpart in `Chat`. */
const knownAdditional: ReadonlySet<string> = new Set(["thinking", "tool_choice", "top_k"])

const otherFields = (body: Record<string, unknown>, additional: Json.Fields): Record<string, unknown> | undefined => {
  const fields = Object.entries(additional).filter(([name]) => !knownAdditional.has(name))
  const vendor = [
    ...Object.entries(body).filter(([name]) => !known.has(name)),
    ...(fields.length === 0 ? [] : [["additionalModelRequestFields", Object.fromEntries(fields)] as const]),
  ]
  return vendor.length === 0 ? undefined : Object.fromEntries(vendor)
}

const decodeFormat = (output: Wire.Request["outputConfig"]): Chat.Format | undefined => {
  if (output?.textFormat === undefined) return undefined
  const { description, name, schema } = output.textFormat.structure.jsonSchema
  return {
    type: "json-schema",
    name: name ?? "answer",
    schema: { ...Json.fields(Json.parseExact(schema)) },
    ...(description === undefined ? undefined : { description }),
  }
}

const decodeSampling = (config: Wire.Request["inferenceConfig"], { top_k }: Json.Fields): Chat.Sampling | undefined => {
  const { stopSequences: stop, ...rest } = config ?? {}
  const topK = Json.number(top_k)
  const sampling: Chat.Sampling = {
    ...rest,
    ...(stop === undefined ? undefined : { stop }),
    ...(topK === undefined ? undefined : { topK }),
  }
  return Object.keys(sampling).length === 0 ? undefined : sampling
}

const isEffort = Schema.is(Chat.ReasoningOptions.fields.effort)

const decodeReasoning = (effort: string | undefined, { thinking }: Json.Fields): Chat.ReasoningOptions | undefined => {
  const { budget_tokens: budget, type } = Json.fields(thinking)
  if (type === "disabled") return { effort: "none" }
  if (effort !== undefined && isEffort(effort)) return { effort }
  const tokens = Json.number(budget)
  return tokens === undefined ? undefined : { budget: tokens }
}

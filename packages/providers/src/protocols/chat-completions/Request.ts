/**
 * Requests: encodes `Chat` as an upstream's body, and decodes a client's body to `Chat`.
 *
 * A feature that cannot be dropped fails with `Unsupported`, so that another deployment is tried. A dropped parameter
 * is named in `warnings`. `Chat.Request.metadata` is only sent if OpenAI is to store the response (`store`).
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as Effort from "../Effort.ts"
import * as Endpoint from "../Endpoint.ts"
import * as ExactNumber from "../ExactNumber.ts"
import * as InvalidBody from "../InvalidBody.ts"
import * as Json from "../Json.ts"
import * as JsonMode from "../JsonMode.ts"
import type { Encoded } from "../Lowering.ts"
import * as Lowering from "../Lowering.ts"
import * as Media from "../Media.ts"
import * as Overrides from "../Overrides.ts"
import type { Target } from "./Content.ts"
import * as Content from "./Content.ts"
import type { Compatibility } from "./Compatibility.ts"
import { openAi } from "./Compatibility.ts"
import * as Format from "./Format.ts"
import * as Model from "./Model.ts"
import * as Native from "./Native.ts"
import { protocol } from "./Protocol.ts"
import * as Tools from "./Tools.ts"
import * as Conversation from "./Conversation.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The body for `request.model`, the vendor's id of the model. Some models accept fewer fields than others. */
export const encode = (
  request: Chat.Request,
  compatibility: Compatibility = openAi,
): Result.Result<Encoded, ProviderError> => {
  const model = Model.of(request.model)
  const feature = unsupported(request, model, compatibility)
  if (feature !== undefined) return Lowering.unsupported("Chat Completions", feature)

  const { change, changes, warn, warnings } = Lowering.warnings()
  const target: Target = { model, compatibility, warn }
  const isCustom = Tools.isCustom(target)
  const messages = Conversation.encode(request.messages, target, (call) => call.custom === true && isCustom)
  const body: Record<string, unknown> = { model: request.model, messages }
  Tools.encode(request, body, target)
  encodeFormat(request.format, messages, body, target)
  encodeSampling(request.sampling, body, target)
  encodeReasoning(request.reasoning, body, target, change)
  if (request.user !== undefined) {
    if (compatibility.lacks.has("user")) warn("the end user's id")
    else body["user"] = request.user
  }
  Object.assign(body, request.vendor?.[protocol])
  if (request.metadata !== undefined && body["store"] === true) body["metadata"] = request.metadata
  return Result.succeed({ body, warnings, ...Lowering.withChanges(changes) })
}

/** The fields shared with Responses. */
export const sharedFields = ({ lacks }: Compatibility): Lowering.RequestEncoder<never>["sharedFields"] =>
  lacks.has("cache keys") ? undefined : { responses: ["prompt_cache_key"] }

/** The client's own body: see `Native`. */
export const native = (
  request: Chat.Request,
  compatibility: Compatibility = openAi,
  endpoint: Endpoint.Endpoint = Endpoint.unlimited,
  warn?: Lowering.Warn,
): Record<string, unknown> | undefined => Native.encode(request, compatibility, endpoint, warn)

/** The client's own body with the parameters that the deployment sets. */
export const override = (
  body: Record<string, unknown>,
  request: Chat.Request,
  overrides: Chat.Overrides,
  change: Lowering.Warn,
  warn: Lowering.Warn,
  compatibility: Compatibility = openAi,
): Result.Result<Record<string, unknown>, ProviderError> => {
  const own = Overrides.only(request, overrides)
  const model = Model.of(request.model)
  const feature = unsupported(own, model, compatibility)
  if (feature !== undefined) return Lowering.unsupported("Chat Completions", feature)
  const target: Target = { model, compatibility, warn }
  const encoded: Record<string, unknown> = {}
  encodeSampling(own.sampling, encoded, target)
  encodeReasoning(own.reasoning, encoded, target, change)
  return Result.succeed(Overrides.replace(body, names, overrides, encoded))
}

/** The names that servers have for the parameters. */
const names: Overrides.Names = {
  maxTokens: ["max_tokens", "max_completion_tokens"],
  temperature: ["temperature"],
  topP: ["top_p"],
  topK: ["top_k"],
  stop: ["stop"],
  seed: ["seed", "random_seed"],
  frequencyPenalty: ["frequency_penalty"],
  presencePenalty: ["presence_penalty"],
  reasoning: ["reasoning_effort", "reasoning", "thinking"],
}

/** The first missing feature of the client's own body: see `Native`. */
export const missingFeature = (request: Chat.Request, compatibility: Compatibility = openAi): string | undefined =>
  Native.missingFeature(request, compatibility)

/** Asks for a stream with its usage, and with the client's `stream_options`. */
export const streamed = (
  body: Record<string, unknown>,
  { native }: Chat.Request,
  { streamOptions }: Compatibility = openAi,
): Record<string, unknown> => {
  if (!streamOptions) return { ...body, stream: true }
  const options = native?.protocol === protocol ? native.body["stream_options"] : undefined
  return {
    ...body,
    stream: true,
    stream_options: Predicate.isObject(options) ? { ...options, include_usage: true } : { include_usage: true },
  }
}

/** The first feature that this server does not support and that cannot be dropped. */
const unsupported = (request: Chat.Request, model: Model.Model, compatibility: Compatibility): string | undefined => {
  const sampling = request.sampling
  const logprobs = sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0
  if (logprobs && (!model.samples || compatibility.lacks.has("logprobs"))) return "logprobs"
  if ((sampling?.n ?? 1) > 1 && compatibility.lacks.has("n")) return "more than one choice (n)"
  if ((sampling?.stop?.length ?? 0) > 4) return "more than four stop sequences"
  if (request.format?.type === "json-schema" && compatibility.lacks.has("json schemas")) return "JSON schema output"
  if (Tools.isForced(request) && compatibility.lacks.has("forced tools")) return "forced tool calls"
  return Media.unsupported(request.messages, (media, role) => Content.unsupported(media, role, compatibility))
}

const encodeFormat = (
  format: Chat.Format | undefined,
  messages: Array<Lowering.Block>,
  body: Record<string, unknown>,
  { compatibility }: Target,
): void => {
  switch (format?.type) {
    case undefined:
      return
    case "text":
      body["response_format"] = { type: "text" }
      return
    case "json":
      body["response_format"] = { type: "json_object" }
      // OpenAI requires that a message mentions JSON.
      if (!/json/i.test(JSON.stringify(messages))) {
        messages.unshift({ role: compatibility.developer, content: JsonMode.instruction })
      }
      return
    case "json-schema": {
      const { description, name, schema, strict } = format
      body["response_format"] = { type: "json_schema", json_schema: { name, description, schema, strict } }
      return
    }
  }
}

const encodeSampling = (
  sampling: Chat.Sampling | undefined,
  body: Record<string, unknown>,
  { compatibility, model, warn }: Target,
): void => {
  if (sampling === undefined) return
  const set = (name: string, value: unknown) => {
    if (value !== undefined) body[name] = value
  }
  const setSampling = (name: string, value: number | undefined, usual: number) => {
    if (model.samples) set(name, value)
    else if (value !== undefined && value !== usual) warn(`${name} for this model`)
  }
  const maxOutput = model.maxOutput ?? Infinity
  if (sampling.maxTokens !== undefined && sampling.maxTokens > maxOutput) {
    warn(`${compatibility.maxTokens} above the model's maximum, reduced to ${maxOutput}`)
  }
  set(compatibility.maxTokens, sampling.maxTokens === undefined ? undefined : Math.min(sampling.maxTokens, maxOutput))
  setSampling("temperature", sampling.temperature, 1)
  setSampling("top_p", sampling.topP, 1)
  setSampling("frequency_penalty", sampling.frequencyPenalty, 0)
  setSampling("presence_penalty", sampling.presencePenalty, 0)
  if (sampling.topK !== undefined && compatibility.lacks.has("top_k")) warn("top_k")
  else set("top_k", sampling.topK)
  if (sampling.stop !== undefined && sampling.stop.length > 0) body["stop"] = sampling.stop
  set(compatibility.seed, sampling.seed)
  if (!compatibility.lacks.has("n")) set("n", sampling.n)
  if (!model.samples || compatibility.lacks.has("logprobs")) return
  set("logprobs", sampling.topLogprobs === undefined ? sampling.logprobs : true)
  set("top_logprobs", sampling.topLogprobs)
}

const encodeReasoning = (
  reasoning: Chat.ReasoningOptions | undefined,
  body: Record<string, unknown>,
  { compatibility, model, warn }: Target,
  change: Lowering.Warn,
): void => {
  const budget = reasoning?.budget
  const effort = reasoning?.effort ?? (budget === undefined ? undefined : Effort.ofBudget(budget))
  if (reasoning === undefined) return
  if (effort === undefined) {
    if (!model.reasons) warn("reasoning, which this model does not support")
    else if (compatibility.effort === "reasoning") body["reasoning"] = { enabled: true }
    else if (compatibility.effort === "thinking") body["thinking"] = { type: "enabled" }
    else change("reasoning without an effort, left to the model's default")
    return
  }
  if (!model.reasons) {
    if (effort !== "none") warn("reasoning, which this model does not support")
    return
  }
  if (compatibility.effort === "reasoning") {
    body["reasoning"] = budget !== undefined && budget > 0 ? { max_tokens: budget } : { effort }
    return
  }
  if (compatibility.effort === "thinking" && effort === "none") {
    body["thinking"] = { type: "disabled" }
    return
  }
  if (budget !== undefined && budget > 0) warn(`a reasoning budget, sent as effort ${effort}`)
  body["reasoning_effort"] = effort
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: a client's body -> Chat
// ---------------------------------------------------------------------------------------------------------------------

const parse = SchemaParser.decodeUnknownResult(Wire.Request)

/**
 * Decodes a client's body, which is kept as `native`. Fields without a counterpart in `Chat` are also in
 * `vendor["chat-completions"]`, so that a provider of another protocol reports them as dropped.
 */
export const decode = (body: Record<string, unknown>): Result.Result<Chat.Request, InvalidBody.InvalidBody> => {
  const parsed = parse(ExactNumber.read(body))
  return Result.isFailure(parsed)
    ? Result.fail(InvalidBody.fromIssue(parsed.failure, body))
    : Result.succeed(fromWire(parsed.success, body))
}

/** Whether the client asks for a stream. */
export const isStream = (body: Record<string, unknown>): boolean => body["stream"] === true

const fromWire = (wire: Wire.Request, body: Record<string, unknown>): Chat.Request => {
  const request: { -readonly [K in keyof Chat.Request]: Chat.Request[K] } = {
    model: wire.model,
    messages: Conversation.decode(wire.messages),
    native: { protocol, body },
  }
  const vendor = otherFields(body)
  if (vendor !== undefined) request.vendor = { [protocol]: vendor }
  Object.assign(request, Tools.decode(wire))
  const format = decodeFormat(wire.response_format)
  if (format !== undefined) request.format = format
  const sampling = decodeSampling(wire)
  if (sampling !== undefined) request.sampling = sampling
  const reasoning = decodeReasoning(wire)
  if (reasoning !== undefined) request.reasoning = reasoning
  if (wire.metadata) request.metadata = wire.metadata
  const user = wire.user ?? wire.safety_identifier
  if (Predicate.isString(user)) request.user = user
  return request
}

const known: ReadonlySet<string> = new Set(Object.keys(Wire.Request.fields))

/** The fields without a counterpart in `Chat`. */
const otherFields = (body: Record<string, unknown>): Record<string, unknown> | undefined => {
  let vendor: Record<string, unknown> | undefined
  for (const name in body) {
    if (known.has(name) || body[name] === null) continue
    vendor ??= {}
    vendor[name] = body[name]
  }
  return vendor
}

const decodeFormat = (format: Wire.Request["response_format"]): Chat.Format | undefined =>
  Format.decode(format?.type, format?.type === "json_schema" ? format.json_schema : undefined)

const decodeSampling = (wire: Wire.Request): Chat.Sampling | undefined =>
  Json.defined({
    maxTokens: wire.max_completion_tokens ?? wire.max_tokens,
    temperature: wire.temperature,
    topP: wire.top_p,
    // In vLLM, -1 means all.
    topK: positive(Json.number(wire.top_k)),
    stop: Predicate.isString(wire.stop) ? [wire.stop] : wire.stop,
    seed: wire.seed,
    frequencyPenalty: wire.frequency_penalty,
    presencePenalty: wire.presence_penalty,
    n: wire.n,
    logprobs: wire.logprobs,
    topLogprobs: wire.top_logprobs,
  })

const isEffort = Schema.is(Wire.Effort)

const positive = (value: number | undefined): number | undefined =>
  value !== undefined && value > 0 ? value : undefined

/** OpenAI's field takes precedence over other servers' fields. Reasoning without an amount is `{}`. */
const decodeReasoning = (wire: Wire.Request): Chat.ReasoningOptions | undefined => {
  const reasoning = Json.fields(wire.reasoning)
  const thinking = Json.fields(wire.thinking)
  const effort = wire.reasoning_effort ?? reasoning["effort"]
  if (isEffort(effort)) return { effort }
  if (thinking["type"] === "disabled" || reasoning["enabled"] === false) return { effort: "none" }
  const budget = Json.number(reasoning["max_tokens"] ?? thinking["budget_tokens"])
  if (budget !== undefined) return { budget }
  return reasoning["enabled"] === true || thinking["type"] === "enabled" || thinking["type"] === "adaptive"
    ? {}
    : undefined
}

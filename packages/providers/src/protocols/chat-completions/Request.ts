/**
 * A request, from both ends: `Chat` said in the words of Chat Completions, and a client's words read as a `Chat`.
 *
 * What would change the answer's meaning and cannot be said fails with `Unsupported`, so that another candidate is asked;
 * a mere wish that cannot be said is named in `warnings`. `Chat.Request.metadata` stays with the router unless the caller
 * has OpenAI store the answer: it takes labels for nothing else.
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
import type { Target } from "./Content.ts"
import * as Content from "./Content.ts"
import type { Dialect } from "./Compatibility.ts"
import { openAi } from "./Compatibility.ts"
import * as Model from "./Model.ts"
import * as Native from "./Native.ts"
import { protocol } from "./Protocol.ts"
import * as Tools from "./Tools.ts"
import * as Conversation from "./Conversation.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The body for `request.model`, which is the vendor's own id of the model: some models take fewer fields than others. */
export const encode = (request: Chat.Request, dialect: Dialect = openAi): Result.Result<Encoded, ProviderError> => {
  const model = Model.of(request.model)
  const feature = unsupported(request, model, dialect)
  if (feature !== undefined) return Lowering.unsupported("Chat Completions", feature)

  const { change, changes, warn, warnings } = Lowering.warnings()
  const target: Target = { model, dialect, warn }
  const isCustom = Tools.isCustom(target)
  const messages = Conversation.encode(request.messages, target, (call) => call.custom === true && isCustom)
  const body: Record<string, unknown> = { model: request.model, messages }
  Tools.encode(request, body, target)
  encodeFormat(request.format, messages, body, target)
  encodeSampling(request.sampling, body, target)
  encodeReasoning(request.reasoning, body, target, change)
  if (request.user !== undefined) {
    if (dialect.lacks.has("user")) warn("the id of the end user")
    else body["user"] = request.user
  }
  Object.assign(body, request.vendor?.[protocol])
  if (request.metadata !== undefined && body["store"] === true) body["metadata"] = request.metadata
  return Result.succeed({ body, warnings, ...Lowering.withChanges(changes) })
}

/** What OpenAI's other API says in the same words: see there. */
export const sharedFields = ({ lacks }: Dialect): Lowering.RequestEncoder<never>["sharedFields"] =>
  lacks.has("cache keys") ? undefined : { responses: ["prompt_cache_key"] }

/** The body that the client sent, where it spoke this protocol: see `Native`. */
export const native = (
  request: Chat.Request,
  dialect: Dialect = openAi,
  endpoint: Endpoint.Endpoint = Endpoint.unlimited,
  warn?: Lowering.Warn,
): Record<string, unknown> | undefined => Native.encode(request, dialect, endpoint, warn)

/** What the server lacks of the body that the client sent: see `Native`. */
export const missingFeature = (request: Chat.Request, dialect: Dialect = openAi): string | undefined =>
  Native.missingFeature(request, dialect)

/** Asks for the answer as a stream, with its usage, and with what else the client wished of a stream. */
export const streamed = (
  body: Record<string, unknown>,
  { native }: Chat.Request,
  { streamOptions }: Dialect = openAi,
): Record<string, unknown> => {
  if (!streamOptions) return { ...body, stream: true }
  const options = native?.protocol === protocol ? native.body["stream_options"] : undefined
  return {
    ...body,
    stream: true,
    stream_options: Predicate.isObject(options) ? { ...options, include_usage: true } : { include_usage: true },
  }
}

/** The first thing asked for that this server cannot be told and that the answer would be another without. */
const unsupported = (request: Chat.Request, model: Model.Model, dialect: Dialect): string | undefined => {
  const sampling = request.sampling
  const logprobs = sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0
  if (logprobs && (!model.samples || dialect.lacks.has("logprobs"))) return "logprobs"
  if ((sampling?.n ?? 1) > 1 && dialect.lacks.has("n")) return "several answers at once (n)"
  if ((sampling?.stop?.length ?? 0) > 4) return "more than four stop sequences"
  if (request.format?.type === "json-schema" && dialect.lacks.has("json schemas")) return "JSON answers by a schema"
  if (Tools.isForced(request) && dialect.lacks.has("forced tools")) return "that a tool must be called"
  return Media.unsupported(request.messages, (media, role) => Content.unsupported(media, role, dialect))
}

const encodeFormat = (
  format: Chat.Format | undefined,
  messages: Array<Lowering.Block>,
  body: Record<string, unknown>,
  { dialect }: Target,
): void => {
  switch (format?.type) {
    case undefined:
      return
    case "text":
      body["response_format"] = { type: "text" }
      return
    case "json":
      body["response_format"] = { type: "json_object" }
      // OpenAI refuses the mode where no message speaks of JSON.
      if (!/json/i.test(JSON.stringify(messages))) {
        messages.unshift({ role: dialect.developer, content: JsonMode.instruction })
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
  { dialect, model, warn }: Target,
): void => {
  if (sampling === undefined) return
  const set = (name: string, value: unknown) => {
    if (value !== undefined) body[name] = value
  }
  const wish = (name: string, value: number | undefined, usual: number) => {
    if (model.samples) set(name, value)
    else if (value !== undefined && value !== usual) warn(`${name} for this model`)
  }
  const most = model.maxOutput ?? Infinity
  if (sampling.maxTokens !== undefined && sampling.maxTokens > most) {
    warn(`${dialect.maxTokens} beyond what the model writes, cut to ${most}`)
  }
  set(dialect.maxTokens, sampling.maxTokens === undefined ? undefined : Math.min(sampling.maxTokens, most))
  wish("temperature", sampling.temperature, 1)
  wish("top_p", sampling.topP, 1)
  wish("frequency_penalty", sampling.frequencyPenalty, 0)
  wish("presence_penalty", sampling.presencePenalty, 0)
  if (sampling.topK !== undefined && dialect.lacks.has("top_k")) warn("top_k")
  else set("top_k", sampling.topK)
  if (sampling.stop !== undefined && sampling.stop.length > 0) body["stop"] = sampling.stop
  set(dialect.seed, sampling.seed)
  if (!dialect.lacks.has("n")) set("n", sampling.n)
  if (!model.samples || dialect.lacks.has("logprobs")) return
  set("logprobs", sampling.topLogprobs === undefined ? sampling.logprobs : true)
  set("top_logprobs", sampling.topLogprobs)
}

const encodeReasoning = (
  reasoning: Chat.ReasoningOptions | undefined,
  body: Record<string, unknown>,
  { dialect, model, warn }: Target,
  change: Lowering.Warn,
): void => {
  const budget = reasoning?.budget
  const effort = reasoning?.effort ?? (budget === undefined ? undefined : Effort.ofBudget(budget))
  if (reasoning === undefined) return
  if (effort === undefined) {
    if (!model.reasons) warn("reasoning, which this model cannot do")
    else if (dialect.effort === "reasoning") body["reasoning"] = { enabled: true }
    else if (dialect.effort === "thinking") body["thinking"] = { type: "enabled" }
    else change("reasoning as the model sees fit, left to its default")
    return
  }
  if (!model.reasons) {
    if (effort !== "none") warn("reasoning, which this model cannot do")
    return
  }
  if (dialect.effort === "reasoning") {
    body["reasoning"] = budget !== undefined && budget > 0 ? { max_tokens: budget } : { effort }
    return
  }
  if (dialect.effort === "thinking" && effort === "none") {
    body["thinking"] = { type: "disabled" }
    return
  }
  if (budget !== undefined && budget > 0) warn(`a budget for reasoning, sent as the effort ${effort}`)
  body["reasoning_effort"] = effort
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: a client's body -> Chat
// ---------------------------------------------------------------------------------------------------------------------

const parse = SchemaParser.decodeUnknownResult(Wire.Request)

/**
 * The request in `body`, which travels along as `native`. Fields that `Chat` has no word for stand in
 * `vendor["chat-completions"]` too, so that what they ask for is not lost on a provider that speaks another protocol.
 */
export const decode = (body: Record<string, unknown>): Result.Result<Chat.Request, InvalidBody.InvalidBody> => {
  const parsed = parse(ExactNumber.read(body))
  return Result.isFailure(parsed)
    ? Result.fail(InvalidBody.fromIssue(parsed.failure, body))
    : Result.succeed(fromWire(parsed.success, body))
}

/** Whether the answer is to be streamed. */
export const isStream = (body: Record<string, unknown>): boolean => body["stream"] === true

const fromWire = (wire: Wire.Request, body: Record<string, unknown>): Chat.Request => {
  const request: { -readonly [K in keyof Chat.Request]: Chat.Request[K] } = {
    model: wire.model,
    messages: Conversation.decode(wire.messages),
    native: { protocol, body },
  }
  const vendor = others(body)
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

/** What the client asked for in words that `Chat` lacks. */
const others = (body: Record<string, unknown>): Record<string, unknown> | undefined => {
  let vendor: Record<string, unknown> | undefined
  for (const name in body) {
    if (known.has(name) || body[name] === null) continue
    vendor ??= {}
    vendor[name] = body[name]
  }
  return vendor
}

const decodeFormat = (format: Wire.Request["response_format"]): Chat.Format | undefined => {
  switch (format?.type) {
    case undefined:
      return undefined
    case "text":
      return { type: "text" }
    case "json_object":
      return { type: "json" }
    case "json_schema": {
      const { description, name, schema, strict } = format.json_schema
      return {
        type: "json-schema",
        name,
        schema: schema ?? {},
        ...(Predicate.isString(description) ? { description } : undefined),
        ...(Predicate.isBoolean(strict) ? { strict } : undefined),
      }
    }
  }
}

const decodeSampling = (wire: Wire.Request): Chat.Sampling | undefined =>
  Json.defined({
    maxTokens: wire.max_completion_tokens ?? wire.max_tokens,
    temperature: wire.temperature,
    topP: wire.top_p,
    // vLLM takes -1 for all of them.
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

/** OpenAI's own word first, then those of others. To be told to reason, but not how much, is to be told nothing more. */
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

/**
 * A request, from both ends: `Chat` said in the words of Chat Completions, and a client's words read as a `Chat`.
 *
 * What would change the answer's meaning and cannot be said fails with `Unsupported`, so that another candidate is asked;
 * a mere wish that cannot be said is named in `warnings`. `Chat.Request.metadata` stays with the router unless the caller
 * has OpenAI store the answer: it takes labels for nothing else.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as SchemaParser from "effect/SchemaParser"
import * as Lowering from "../Lowering.ts"
import type { Encoded } from "../Lowering.ts"
import * as Content from "./Content.ts"
import type { Warn } from "../Lowering.ts"
import * as InvalidBody from "../InvalidBody.ts"
import * as Model from "./Model.ts"
import { protocol } from "./Protocol.ts"
import * as Turns from "./Turns.ts"
import * as Wire from "./Wire.ts"

/** Where OpenAI's words have changed, and the servers that followed it once have not. */
export interface Dialect {
  readonly developer: Turns.DeveloperRole
  readonly maxTokens: "max_completion_tokens" | "max_tokens"
}

/** OpenAI's own. */
export const openAi: Dialect = { developer: "developer", maxTokens: "max_completion_tokens" }

/** What nearly every server that calls itself compatible understands. */
export const compatible: Dialect = { developer: "system", maxTokens: "max_tokens" }

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The body for `request.model`, which is the vendor's own id of the model: some models take fewer fields than others. */
export const encode = (request: Chat.Request, dialect: Dialect = openAi): Result.Result<Encoded, ProviderError> => {
  const model = Model.of(request.model)
  const feature = unsupported(request, model)
  if (feature !== undefined) {
    const message = `Chat Completions cannot say: ${feature}`
    return Result.fail(new ProviderError({ reason: { _tag: "Unsupported", feature }, message }))
  }

  const { warn, warnings } = Lowering.warnings()
  const body: Record<string, unknown> = {
    model: request.model,
    messages: Turns.encode(request.messages, model, dialect.developer, warn),
  }
  encodeTools(request, body, warn)
  encodeFormat(request.format, body)
  encodeSampling(request.sampling, model, dialect, body, warn)
  encodeReasoning(request.reasoning, model, body, warn)
  if (request.user !== undefined) body["user"] = request.user
  Object.assign(body, request.vendor?.[protocol])
  if (request.metadata !== undefined && body["store"] === true) body["metadata"] = request.metadata
  return Result.succeed({ body, warnings })
}

/** The body that the client sent, where it spoke this protocol: as it came, but for the model and what asks for a stream. */
export const native = ({ model, native }: Chat.Request): Record<string, unknown> | undefined => {
  if (native?.protocol !== protocol) return undefined
  const { stream: _stream, stream_options: _options, ...body } = native.body
  return { ...body, model }
}

/** Asks for the answer as a stream, with its usage, and with what else the client wished of a stream. */
export const streamed = (body: Record<string, unknown>, { native }: Chat.Request): Record<string, unknown> => {
  const options = native?.protocol === protocol ? native.body["stream_options"] : undefined
  return {
    ...body,
    stream: true,
    stream_options: Predicate.isObject(options) ? { ...options, include_usage: true } : { include_usage: true },
  }
}

/** The first thing asked for that this API cannot say and that the answer would be another without. */
const unsupported = (request: Chat.Request, model: Model.Model): string | undefined => {
  const sampling = request.sampling
  if (!model.samples && (sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0)) return "logprobs"
  if ((sampling?.stop?.length ?? 0) > 4) return "more than four stop sequences"
  for (const message of request.messages) {
    for (const part of message.content) {
      const feature = Content.unsupported(part, message.role)
      if (feature !== undefined) return feature
    }
  }
  return undefined
}

const encodeTools = (request: Chat.Request, body: Record<string, unknown>, warn: Warn): void => {
  if (request.tools === undefined || request.tools.length === 0) return
  body["tools"] = request.tools.map(({ cache, description, name, parameters, strict }) => {
    if (cache !== undefined) warn("a cache hint on a tool")
    return { type: "function", function: { name, description, parameters, strict } }
  })
  const choice = request.toolChoice
  if (choice !== undefined) {
    body["tool_choice"] = Predicate.isString(choice) ? choice : { type: "function", function: { name: choice.name } }
  }
  if (request.parallelToolCalls !== undefined) body["parallel_tool_calls"] = request.parallelToolCalls
}

const encodeFormat = (format: Chat.Format | undefined, body: Record<string, unknown>): void => {
  switch (format?.type) {
    case undefined:
      return
    case "text":
      body["response_format"] = { type: "text" }
      return
    case "json":
      body["response_format"] = { type: "json_object" }
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
  model: Model.Model,
  dialect: Dialect,
  body: Record<string, unknown>,
  warn: Warn,
): void => {
  if (sampling === undefined) return
  const set = (name: string, value: unknown) => {
    if (value !== undefined) body[name] = value
  }
  const wish = (name: string, value: number | undefined, usual: number) => {
    if (model.samples) set(name, value)
    else if (value !== undefined && value !== usual) warn(`${name} for this model`)
  }
  set(dialect.maxTokens, sampling.maxTokens)
  wish("temperature", sampling.temperature, 1)
  wish("top_p", sampling.topP, 1)
  wish("frequency_penalty", sampling.frequencyPenalty, 0)
  wish("presence_penalty", sampling.presencePenalty, 0)
  if (sampling.topK !== undefined) warn("top_k")
  if (sampling.stop !== undefined && sampling.stop.length > 0) body["stop"] = sampling.stop
  set("seed", sampling.seed)
  set("n", sampling.n)
  if (!model.samples) return
  set("logprobs", sampling.topLogprobs === undefined ? sampling.logprobs : true)
  set("top_logprobs", sampling.topLogprobs)
}

/** Budgets in tokens as efforts, each the least that would think so long. */
const effortOf = (budget: number): NonNullable<Chat.ReasoningOptions["effort"]> => {
  if (budget <= 0) return "none"
  if (budget <= 2048) return "low"
  return budget <= 8192 ? "medium" : "high"
}

const encodeReasoning = (
  reasoning: Chat.ReasoningOptions | undefined,
  model: Model.Model,
  body: Record<string, unknown>,
  warn: Warn,
): void => {
  const budget = reasoning?.budget
  const effort = reasoning?.effort ?? (budget === undefined ? undefined : effortOf(budget))
  if (effort === undefined) return
  if (!model.reasons) {
    if (effort !== "none") warn("reasoning, which this model cannot do")
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
  const parsed = parse(body)
  return Result.isFailure(parsed)
    ? Result.fail(InvalidBody.fromIssue(parsed.failure, body))
    : Result.succeed(fromWire(parsed.success, body))
}

/** Whether the answer is to be streamed. */
export const isStream = (body: Record<string, unknown>): boolean => body["stream"] === true

const fromWire = (wire: Wire.Request, body: Record<string, unknown>): Chat.Request => {
  const request: { -readonly [K in keyof Chat.Request]: Chat.Request[K] } = {
    model: wire.model,
    messages: Turns.decode(wire.messages),
    native: { protocol, body },
  }
  const vendor = others(wire, body)
  if (vendor !== undefined) request.vendor = { [protocol]: vendor }
  const tools = decodeTools(wire)
  if (tools.length > 0) request.tools = tools
  const choice = decodeToolChoice(wire.tool_choice)
  if (choice !== undefined) request.toolChoice = choice
  if (Predicate.isBoolean(wire.parallel_tool_calls)) request.parallelToolCalls = wire.parallel_tool_calls
  const format = decodeFormat(wire.response_format)
  if (format !== undefined) request.format = format
  const sampling = decodeSampling(wire)
  if (sampling !== undefined) request.sampling = sampling
  if (wire.reasoning_effort) request.reasoning = { effort: wire.reasoning_effort }
  if (wire.metadata) request.metadata = wire.metadata
  if (Predicate.isString(wire.user)) request.user = wire.user
  return request
}

const known: ReadonlySet<string> = new Set(Object.keys(Wire.Request.fields))

/** What the client asked for in words that `Chat` lacks: unknown fields, and tools that are not functions. */
const others = (wire: Wire.Request, body: Record<string, unknown>): Record<string, unknown> | undefined => {
  let vendor: Record<string, unknown> | undefined
  const add = (name: string) => {
    vendor ??= {}
    vendor[name] = body[name]
  }
  for (const name in body) if (!known.has(name) && body[name] !== null) add(name)
  const choice = Predicate.isObject(wire.tool_choice) ? wire.tool_choice.type : "function"
  if (choice === "allowed_tools" || wire.tools?.some(({ type }) => type !== "function") === true) add("tools")
  if (choice !== "function") add("tool_choice")
  return vendor
}

/** Where only some of the tools are allowed, those alone: other protocols know no other way to say it. */
const decodeTools = ({ tool_choice: choice, tools }: Wire.Request): ReadonlyArray<Chat.Tool> => {
  const allowed = Predicate.isObject(choice) && choice.type === "allowed_tools" ? choice.allowed_tools.tools : undefined
  const functions: Array<Chat.Tool> = []
  for (const tool of tools ?? []) {
    if (tool.type !== "function") continue
    if (allowed !== undefined && !allowed.some((other) => other.function?.name === tool.function.name)) continue
    functions.push(decodeTool(tool))
  }
  return functions
}

const decodeTool = ({
  cache_control,
  function: { description, name, parameters, strict },
}: Wire.FunctionTool): Chat.Tool => ({
  name,
  ...(Predicate.isString(description) ? { description } : undefined),
  ...(parameters ? { parameters } : undefined),
  ...(Predicate.isBoolean(strict) ? { strict } : undefined),
  ...Content.decodeCache({ cache_control }),
})

const decodeToolChoice = (choice: Wire.Request["tool_choice"]): Chat.ToolChoice | undefined => {
  if (choice === undefined || choice === null) return undefined
  if (Predicate.isString(choice)) return choice
  switch (choice.type) {
    case "function":
      return { name: choice.function.name }
    case "custom":
      return { name: choice.custom.name }
    case "allowed_tools":
      return choice.allowed_tools.mode
  }
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

const decodeSampling = (wire: Wire.Request): Chat.Sampling | undefined => {
  let sampling: Record<string, unknown> | undefined
  const set = (name: keyof Chat.Sampling, value: unknown) => {
    if (value === undefined || value === null) return
    sampling ??= {}
    sampling[name] = value
  }
  set("maxTokens", wire.max_completion_tokens ?? wire.max_tokens)
  set("temperature", wire.temperature)
  set("topP", wire.top_p)
  set("stop", Predicate.isString(wire.stop) ? [wire.stop] : wire.stop)
  set("seed", wire.seed)
  set("frequencyPenalty", wire.frequency_penalty)
  set("presencePenalty", wire.presence_penalty)
  set("n", wire.n)
  set("logprobs", wire.logprobs)
  set("topLogprobs", wire.top_logprobs)
  return sampling
}

/**
 * Requests, between the AI SDK and `Chat`.
 */
import type { InvalidArgumentError, LanguageModelV4CallOptions, LanguageModelV4Prompt } from "@ai-sdk/provider"
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../protocols/Json.ts"
import * as Lowering from "../protocols/Lowering.ts"
import * as Files from "./Files.ts"
import * as Metadata from "./Metadata.ts"
import * as Native from "./Native.ts"
import * as Prompts from "./Prompts.ts"
import * as Settings from "./Settings.ts"
import * as Tools from "./Tools.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The AI SDK -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** The fields of every request that the AI SDK does not set. */
export type RequestDefaults = Omit<
  Partial<Chat.Request>,
  "model" | "messages" | "tools" | "toolChoice" | "format" | "native"
>

/** The request to a route. A deployment that is a model of the AI SDK gets the given options unchanged. */
export const toChat = (
  route: string,
  defaults: RequestDefaults | undefined,
  given: LanguageModelV4CallOptions,
): Result.Result<Settings.Called<Chat.Request>, InvalidArgumentError> =>
  Result.map(Settings.read(given.providerOptions), (settings) => ({
    request: requestOf(route, defaults, given, settings),
    options: Settings.callOptions(settings, given.headers),
  }))

const requestOf = (
  route: string,
  defaults: RequestDefaults | undefined,
  given: LanguageModelV4CallOptions,
  settings: Settings.Settings,
): Chat.Request => {
  const { abortSignal: _, headers: __, ...options } = { ...given, prompt: asText(given.prompt) }
  const conversation = Prompts.toMessages(options.prompt)
  const tools = Tools.toChat(options.tools, options.toolChoice)
  const required = [...conversation.required, ...tools.required]
  const dropped = [...conversation.dropped, ...tools.dropped, ...foreign(options)]
  const format = formatOf(options.responseFormat)
  const sampling = { ...defaults?.sampling, ...samplingOf(options) }
  const reasoning = reasoningOf(options.reasoning, settings.reasoningBudget)
  const { metadata, parallelToolCalls, user, vendor } = settings
  return {
    ...defaults,
    model: route,
    messages: conversation.messages,
    ...(tools.tools.length === 0 ? undefined : { tools: tools.tools }),
    ...(tools.tools.length === 0 || options.toolChoice === undefined
      ? undefined
      : { toolChoice: Tools.choice(options.toolChoice) }),
    ...(format === undefined ? undefined : { format }),
    ...(Object.keys(sampling).length === 0 ? undefined : { sampling }),
    ...(reasoning === undefined ? undefined : { reasoning }),
    ...(metadata === undefined ? undefined : { metadata }),
    ...(parallelToolCalls === undefined ? undefined : { parallelToolCalls }),
    ...(user === undefined ? undefined : { user }),
    ...(vendor === undefined ? undefined : { vendor }),
    ...(required.length === 0 ? undefined : { requiredUnsupported: required }),
    ...(dropped.length === 0 ? undefined : { droppedParams: dropped }),
    native: { protocol: Native.protocol, body: options },
  }
}

/** The prompt with its bytes as base64, which every model of the AI SDK accepts. */
const asText = (prompt: LanguageModelV4Prompt): LanguageModelV4Prompt =>
  prompt.map((message) => {
    if (message.role === "system") return message
    return { ...message, content: message.content.map(partAsText) } as typeof message
  })

type Part = Exclude<LanguageModelV4Prompt[number]["content"], string>[number]

const partAsText = (part: Part): Part => {
  if (part.type === "file" || part.type === "reasoning-file") return { ...part, ...dataAsText(part) } as Part
  if (part.type !== "tool-result" || part.output.type !== "content") return part
  const value = part.output.value.map((each) => (each.type === "file" ? { ...each, ...dataAsText(each) } : each))
  return { ...part, output: { ...part.output, value } }
}

const dataAsText = ({ data }: Pick<Files.FilePart, "data">): Partial<Pick<Files.FilePart, "data">> | undefined =>
  data.type === "data" ? { data: { type: "data", data: Files.base64(data.data) } } : undefined

/** The options of vendors, which only their models of the AI SDK read. */
const foreign = ({
  providerOptions = {},
}: Pick<LanguageModelV4CallOptions, "providerOptions">): ReadonlyArray<string> =>
  Object.entries(providerOptions).flatMap(([vendor, fields]) =>
    vendor === Metadata.namespace ? [] : Object.keys(fields).map((field) => `providerOptions.${vendor}.${field}`),
  )

const formatOf = (format: LanguageModelV4CallOptions["responseFormat"]): Chat.Format | undefined => {
  if (format?.type !== "json") return undefined
  const { description, name = "response", schema } = format
  if (schema === undefined) return { type: "json" }
  return {
    type: "json-schema",
    name,
    schema: { ...schema },
    ...(description === undefined ? undefined : { description }),
    ...(isStrict(schema) ? { strict: true } : undefined),
  }
}

/** Whether a schema is within what vendors can enforce: every field of every object is listed and required. */
const isStrict = (schema: unknown): boolean => {
  if (Array.isArray(schema)) return schema.every(isStrict)
  if (!Json.isObject(schema)) return true
  const { additionalProperties, properties, required } = schema
  if (schema["type"] === "object" || properties !== undefined) {
    const names = Object.keys(Json.fields(properties))
    const all = new Set(Json.list(required))
    if (additionalProperties !== false || names.some((name) => !all.has(name))) return false
    return Object.values(Json.fields(properties)).every(isStrict) && isStrict(schema["$defs"] && defined(schema))
  }
  return ["items", "anyOf"].every((key) => isStrict(schema[key])) && isStrict(defined(schema))
}

const defined = (schema: Json.Fields): ReadonlyArray<unknown> => [
  ...Object.values(Json.fields(schema["$defs"])),
  ...Object.values(Json.fields(schema["definitions"])),
]

const samplingOf = (options: LanguageModelV4CallOptions): Chat.Sampling => {
  const { maxOutputTokens: maxTokens, stopSequences: stop, temperature, topP, topK, seed } = options
  const { frequencyPenalty, presencePenalty } = options
  const given = { maxTokens, temperature, topP, topK, stop, seed, frequencyPenalty, presencePenalty }
  return Json.defined(given) ?? {}
}

const reasoningOf = (
  effort: LanguageModelV4CallOptions["reasoning"],
  budget: number | undefined,
): Chat.ReasoningOptions | undefined => {
  if (effort === undefined || effort === "provider-default") return budget === undefined ? undefined : { budget }
  return { effort, ...(budget === undefined ? undefined : { budget }) }
}

// ---------------------------------------------------------------------------------------------------------------------
// Chat -> the AI SDK
// ---------------------------------------------------------------------------------------------------------------------

/** The encoder of requests for one model. `host` is the one whose metadata its conversation may contain. */
export const encoder = (
  readsUrl: Files.ReadsUrl,
  host: string,
): Lowering.RequestEncoder<LanguageModelV4CallOptions> => ({
  native: ({ native }) =>
    native?.protocol === Native.protocol ? returned(native.body as LanguageModelV4CallOptions, host) : undefined,
  override: (options, _request, overrides, _change, warn) => {
    if (overrides.reasoning?.budget !== undefined) warn("the budget of reasoning tokens")
    return Result.succeed({ ...options, ...parametersOf(overrides) })
  },
  encode: (request) => encode(request, readsUrl),
})

/** The sampling and the effort of a request. */
const parametersOf = ({
  reasoning,
  sampling = {},
}: Pick<Chat.Request, "reasoning" | "sampling">): Partial<LanguageModelV4CallOptions> => {
  const { maxTokens, stop, temperature, topP, topK, seed, frequencyPenalty, presencePenalty } = sampling
  return {
    ...Json.defined({ temperature, topP, topK, seed, frequencyPenalty, presencePenalty }),
    ...(maxTokens === undefined ? undefined : { maxOutputTokens: maxTokens }),
    ...(stop === undefined ? undefined : { stopSequences: [...stop] }),
    ...(reasoning?.effort === undefined ? undefined : { reasoning: reasoning.effort }),
  }
}

/** The issuer of metadata that is kept as encrypted reasoning, before its host is added. */
export const issuer = "ai-sdk"

/**
 * The options without the metadata that other hosts wrote into the conversation: ids of items, signatures and encrypted
 * reasoning, which a vendor rejects if it did not issue them.
 */
const returned = (options: LanguageModelV4CallOptions, host: string): LanguageModelV4CallOptions => {
  const isForeign = (part: Part): boolean => {
    const { host: writer } = Metadata.read(part.providerOptions)
    return writer !== undefined && writer !== host
  }
  const { prompt } = options
  if (!prompt.some(({ content, role }) => role === "assistant" && content.some(isForeign))) return options
  return {
    ...options,
    prompt: prompt.map((message) =>
      message.role === "assistant"
        ? {
            ...message,
            content: message.content.map((part) => {
              if (!isForeign(part)) return part
              const { providerOptions: _, ...rest } = part
              return rest
            }),
          }
        : message,
    ),
  }
}

type Encoded = Lowering.Encoded<LanguageModelV4CallOptions>

const encode = (request: Chat.Request, readsUrl: Files.ReadsUrl): Result.Result<Encoded, ProviderError> => {
  const feature = unsupportedFeature(request)
  if (feature !== undefined) return Lowering.unsupported(Native.protocol, feature)
  const { warn, warnings } = Lowering.warnings()
  const prompt = Prompts.fromMessages(request.messages, { readsUrl, returned: metadataOf })
  if (Result.isFailure(prompt)) return Lowering.unsupported(Native.protocol, prompt.failure)
  if (request.messages.some((message) => "name" in message && message.name !== undefined)) warn("names of messages")
  if (request.parallelToolCalls === false) warn("parallelToolCalls: false")
  if (request.user !== undefined) warn("the end user's id")
  if (request.reasoning?.budget !== undefined) warn("the budget of reasoning tokens")
  const { tools = [] } = request
  const responseFormat = responseFormatOf(request.format, warn)
  return Result.succeed({
    body: {
      prompt: prompt.success,
      ...parametersOf(request),
      ...(responseFormat === undefined ? undefined : { responseFormat }),
      ...(tools.length === 0 ? undefined : { tools: Tools.fromChat(tools) }),
      ...(tools.length === 0 || request.toolChoice === undefined
        ? undefined
        : { toolChoice: Tools.choiceOf(request.toolChoice) }),
      ...ownOptions(request.vendor),
    },
    warnings,
  })
}

const unsupportedFeature = ({ sampling }: Chat.Request): string | undefined => {
  if ((sampling?.n ?? 1) > 1) return "more than one choice (n)"
  return sampling?.logprobs === true ? "logprobs" : undefined
}

/** What a model of this host wrote: see `Lowering`, which marks what others wrote. */
const metadataOf = ({ issuer: writer, value }: Chat.EncryptedReasoning) =>
  writer === issuer
    ? (Json.parseObject(value) as NonNullable<LanguageModelV4CallOptions["providerOptions"]> | undefined)
    : undefined

const responseFormatOf = (
  format: Chat.Format | undefined,
  warn: Lowering.Warn,
): LanguageModelV4CallOptions["responseFormat"] => {
  if (format === undefined || format.type === "text") return undefined
  if (format.type === "json") return { type: "json" }
  if (format.strict === false) warn("a JSON schema that is not strict")
  return {
    type: "json",
    schema: format.schema,
    name: format.name,
    ...(format.description === undefined ? undefined : { description: format.description }),
  }
}

/** The provider options of a request that is not an application's of the AI SDK: `vendor["ai-sdk"]`. */
const ownOptions = (vendor: Chat.Vendor | undefined) => {
  const own = vendor?.[Native.protocol]?.["providerOptions"]
  return Predicate.isObject(own)
    ? { providerOptions: own as NonNullable<LanguageModelV4CallOptions["providerOptions"]> }
    : undefined
}

/**
 * Requests, between `effect/ai` and `Chat`.
 */
import * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as OpenAiStructuredOutput from "effect/ai/OpenAiStructuredOutput"
import type * as Prompt from "effect/ai/Prompt"
import type * as Toolkit from "effect/ai/Toolkit"
import * as JsonSchema from "effect/JsonSchema"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"
import type * as Chat from "../../model/Chat.ts"
import { ProviderError } from "../../model/ProviderError.ts"
import * as Prompts from "./Prompts.ts"
import * as Tools from "./Tools.ts"

// ---------------------------------------------------------------------------------------------------------------------
// effect/ai -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** The fields of a request that `effect/ai` does not set, such as sampling, reasoning and the end user. */
export type RequestDefaults = Omit<
  Partial<Chat.Request>,
  "model" | "messages" | "tools" | "toolChoice" | "format" | "native"
>

/** OpenAI supports the smallest part of JSON Schema: a schema that it supports works with every vendor. */
export const codecTransformer = OpenAiStructuredOutput.toCodecOpenAI

/** The request to a route; fails if a route does not support a part of it. */
export const toChat = (
  route: string,
  defaults: RequestDefaults | undefined,
  { prompt, responseFormat, toolChoice, tools }: LanguageModel.ProviderOptions,
): Result.Result<Chat.Request, AiError.AiErrorReason> =>
  Result.gen(function* () {
    const messages = yield* messagesOf(prompt)
    const declared = yield* Result.mapError(
      Tools.toChat(tools),
      (toolName) =>
        new AiError.ToolConfigurationError({
          toolName,
          description: "it is a tool of a vendor, which a route does not support",
        }),
    )
    const format = yield* formatOf(responseFormat)
    return {
      ...defaults,
      model: route,
      messages,
      ...(declared.length === 0 ? undefined : { tools: declared, toolChoice: Tools.choice(toolChoice) }),
      ...(format === undefined ? undefined : { format }),
    }
  })

/** The messages of a prompt; fails if a route does not support a part of it. */
export const messagesOf = (prompt: Prompt.Prompt): Result.Result<ReadonlyArray<Chat.Message>, AiError.AiErrorReason> =>
  Result.mapError(
    Prompts.toMessages(prompt),
    (part) => new AiError.InvalidUserInputError({ description: `not supported in a prompt: ${part}` }),
  )

const formatOf = (
  format: LanguageModel.ProviderOptions["responseFormat"],
): Result.Result<Chat.Format | undefined, AiError.AiErrorReason> =>
  format.type === "text"
    ? Result.succeed(undefined)
    : Result.try({
        try: (): Chat.Format => ({
          type: "json-schema",
          name: format.objectName,
          schema: codecTransformer(format.schema).jsonSchema,
          strict: true,
        }),
        catch: (cause) => new AiError.UnsupportedSchemaError({ description: String(cause) }),
      })

// ---------------------------------------------------------------------------------------------------------------------
// Chat -> effect/ai
// ---------------------------------------------------------------------------------------------------------------------

/** A request to a LanguageModel, and the parameters that it drops. */
export interface ConvertedPrompt {
  readonly prompt: Prompt.Prompt
  readonly options: {
    readonly prompt: Prompt.Prompt
    readonly toolkit: Toolkit.WithHandler<Record<string, Tools.Declared>>
    readonly toolChoice: LanguageModel.ToolChoice<string>
    readonly disableToolCallResolution: true
    readonly toolCallValidation: "deferred"
  }
  readonly format: StructuredFormat | undefined
  /** The names of custom tools, which take free text. */
  readonly custom: ReadonlySet<string>
  readonly droppedParams: ReadonlyArray<string> | undefined
}

/** The schema of a structured response. */
export interface StructuredFormat {
  readonly name: string
  readonly schema: Schema.Codec<unknown, Record<string, unknown>>
}

/** The prompt of a request; fails with `Unsupported` if a LanguageModel does not support it. */
export const fromChat = (request: Chat.Request): Result.Result<ConvertedPrompt, ProviderError> =>
  Result.gen(function* () {
    const feature = unsupportedFeature(request)
    if (feature !== undefined) return yield* unsupported(feature)
    const prompt = yield* Result.orElse(Prompts.fromMessages(request.messages), unsupported)
    const format = yield* structuredFormat(request.format)
    const params = unsupportedParamsOf(request)
    if (params.length > 0 && request.unsupportedParams === "skip") return yield* unsupported(params.join("; "))
    return {
      prompt,
      options: {
        prompt,
        toolkit: Tools.toolkit(request.tools),
        toolChoice: Tools.choiceOf(request.toolChoice),
        disableToolCallResolution: true as const,
        toolCallValidation: "deferred" as const,
      },
      format,
      custom: new Set(request.tools?.flatMap(({ custom, name }) => (custom === undefined ? [] : [name]))),
      droppedParams: params.length === 0 || request.unsupportedParams === "drop" ? undefined : params,
    }
  })

const unsupported = (feature: string): Result.Result<never, ProviderError> =>
  Result.fail(
    new ProviderError({
      reason: { _tag: "Unsupported", feature },
      message: `a LanguageModel of effect/ai does not support: ${feature}`,
    }),
  )

/** A required feature that a LanguageModel does not support, if the request has one. */
const unsupportedFeature = ({ format, sampling, tools }: Chat.Request): string | undefined => {
  if ((sampling?.n ?? 1) > 1) return "more than one choice (n)"
  if (sampling?.logprobs === true) return "logprobs"
  if (format?.type === "json") return "JSON without a schema"
  if (format?.type === "json-schema" && tools !== undefined && tools.length > 0)
    return "a JSON schema together with tools"
  return undefined
}

/** The parameters that a LanguageModel does not support. */
const unsupportedParamsOf = ({
  overrides,
  parallelToolCalls,
  reasoning,
  sampling,
  droppedParams,
  user,
  vendor,
}: Chat.Request): ReadonlyArray<string> => [
  ...Object.entries(sampling ?? {}).flatMap(([name, value]) => (value === undefined || name === "n" ? [] : [name])),
  ...(reasoning === undefined ? [] : ["reasoning options"]),
  ...(parallelToolCalls === false ? ["parallelToolCalls: false"] : []),
  ...(user === undefined ? [] : ["the end user's id"]),
  ...Object.values(vendor ?? {}).flatMap((fields) => Object.keys(fields)),
  ...Object.keys({ ...overrides?.extraBody?.params, ...overrides?.extraBody?.force }),
  ...(droppedParams ?? []),
]

const structuredFormat = (
  format: Chat.Format | undefined,
): Result.Result<StructuredFormat | undefined, ProviderError> =>
  format?.type !== "json-schema"
    ? Result.succeed(undefined)
    : Result.orElse(
        Result.try(() => {
          const document = JsonSchema.fromSchemaDraft2020_12(format.schema)
          const schema = SchemaRepresentation.fromJsonSchemaDocument(document, { patterns: "ignore" })
          return { name: format.name, schema: schema as StructuredFormat["schema"] }
        }),
        (cause) => unsupported(`the JSON schema (${cause instanceof Error ? cause.message : String(cause)})`),
      )

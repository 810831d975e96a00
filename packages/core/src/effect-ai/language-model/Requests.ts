/**
 * A request in each other's words.
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

/** What a request may say besides: sampling, how much to think, who asks. */
export type RequestDefaults = Omit<
  Partial<Chat.Request>,
  "model" | "messages" | "tools" | "toolChoice" | "format" | "native"
>

/** Of all vendors, OpenAI's schemas are the narrowest: what it takes, all take. */
export const codecTransformer = OpenAiStructuredOutput.toCodecOpenAI

/** The request to a route, or why there can be none. */
export const toChat = (
  route: string,
  said: RequestDefaults | undefined,
  { prompt, responseFormat, toolChoice, tools }: LanguageModel.ProviderOptions,
): Result.Result<Chat.Request, AiError.AiErrorReason> =>
  Result.gen(function* () {
    const messages = yield* Result.mapError(
      Prompts.toMessages(prompt),
      (what) => new AiError.InvalidUserInputError({ description: `no model can be shown ${what}` }),
    )
    const declared = yield* Result.mapError(
      Tools.toChat(tools),
      (toolName) =>
        new AiError.ToolConfigurationError({ toolName, description: "only its own vendor can run it, not a route" }),
    )
    const format = yield* formatOf(responseFormat)
    return {
      ...said,
      model: route,
      messages,
      ...(declared.length === 0 ? undefined : { tools: declared, toolChoice: Tools.choice(toolChoice) }),
      ...(format === undefined ? undefined : { format }),
    }
  })

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

/** A request as this interface has it, and what there is no word for in it. */
export interface ConvertedPrompt {
  readonly prompt: Prompt.Prompt
  readonly asked: {
    readonly prompt: Prompt.Prompt
    readonly toolkit: Toolkit.WithHandler<Record<string, Tools.Declared>>
    readonly toolChoice: LanguageModel.ToolChoice<string>
    readonly disableToolCallResolution: true
    readonly toolCallValidation: "deferred"
  }
  readonly formed: StructuredFormat | undefined
  /** The names of tools that take free text. */
  readonly custom: ReadonlySet<string>
  readonly droppedParams: ReadonlyArray<string> | undefined
}

/** The form of an answer by a schema. */
export interface StructuredFormat {
  readonly name: string
  readonly schema: Schema.Codec<unknown, Record<string, unknown>>
}

/** The request to a model, or what cannot be asked of it. */
export const fromChat = (request: Chat.Request): Result.Result<ConvertedPrompt, ProviderError> =>
  Result.gen(function* () {
    const feature = unable(request)
    if (feature !== undefined) return yield* unsupported(feature)
    const prompt = yield* Result.orElse(Prompts.fromMessages(request.messages), unsupported)
    const formed = yield* formedBy(request.format)
    const wishes = unheard(request)
    if (wishes.length > 0 && request.unsupportedParams === "skip") return yield* unsupported(wishes.join("; "))
    return {
      prompt,
      asked: {
        prompt,
        toolkit: Tools.toolkit(request.tools),
        toolChoice: Tools.choiceOf(request.toolChoice),
        disableToolCallResolution: true as const,
        toolCallValidation: "deferred" as const,
      },
      formed,
      custom: new Set(request.tools?.flatMap(({ custom, name }) => (custom === undefined ? [] : [name]))),
      droppedParams: wishes.length === 0 || request.unsupportedParams === "drop" ? undefined : wishes,
    }
  })

const unsupported = (feature: string): Result.Result<never, ProviderError> =>
  Result.fail(
    new ProviderError({
      reason: { _tag: "Unsupported", feature },
      message: `a LanguageModel of effect/ai cannot be asked for: ${feature}`,
    }),
  )

/** What the answer would be another without. */
const unable = ({ format, sampling, tools }: Chat.Request): string | undefined => {
  if ((sampling?.n ?? 1) > 1) return "more than one choice (n)"
  if (sampling?.logprobs === true) return "logprobs"
  if (format?.type === "json") return "JSON answers without a schema"
  if (format?.type === "json-schema" && tools !== undefined && tools.length > 0) return "a schema beside tools"
  return undefined
}

/** What is wished for and not said. */
const unheard = ({
  parallelToolCalls,
  reasoning,
  sampling,
  droppedParams,
  user,
  vendor,
}: Chat.Request): ReadonlyArray<string> => [
  ...Object.entries(sampling ?? {}).flatMap(([name, value]) => (value === undefined || name === "n" ? [] : [name])),
  ...(reasoning === undefined ? [] : ["how much to think"]),
  ...(parallelToolCalls === false ? ["one tool call at a time"] : []),
  ...(user === undefined ? [] : ["the end user's id"]),
  ...Object.values(vendor ?? {}).flatMap((fields) => Object.keys(fields)),
  ...(droppedParams ?? []),
]

const formedBy = (format: Chat.Format | undefined): Result.Result<StructuredFormat | undefined, ProviderError> =>
  format?.type !== "json-schema"
    ? Result.succeed(undefined)
    : Result.orElse(
        Result.try(() => {
          const document = JsonSchema.fromSchemaDraft2020_12(format.schema)
          const schema = SchemaRepresentation.fromJsonSchemaDocument(document, { patterns: "ignore" })
          return { name: format.name, schema: schema as StructuredFormat["schema"] }
        }),
        (cause) => unsupported(`this schema (${cause instanceof Error ? cause.message : String(cause)})`),
      )

/**
 * Models and providers of the AI SDK's specifications 3 and 4, as those of 4.
 */
import type {
  EmbeddingModelV3,
  EmbeddingModelV4,
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3Content,
  LanguageModelV3StreamPart,
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4GenerateResult,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
  ProviderV3,
  ProviderV4,
  SharedV4FileData,
  SharedV4Warning,
} from "@ai-sdk/provider"
import { UnsupportedFunctionalityError } from "@ai-sdk/provider"
import * as Files from "./Files.ts"

/** A language model of the AI SDK. */
export type LanguageModel = LanguageModelV3 | LanguageModelV4

/** An embedding model of the AI SDK. */
export type EmbeddingModel = EmbeddingModelV3 | EmbeddingModelV4

/** What a vendor's package of the AI SDK gives: a model, or the provider of all its models. */
export type Source = LanguageModel | EmbeddingModel | ProviderV3 | ProviderV4

/**
 * The models of a source, by the vendor's id. `undefined` if the source has none of that kind. A function throws an error of
 * the AI SDK if the vendor's package has no such model, or one of another specification.
 */
export interface Models {
  readonly language: ((id: string) => LanguageModelV4) | undefined
  readonly embedding: ((id: string) => EmbeddingModelV4) | undefined
}

export const models = (source: Source): Models => {
  if ("doGenerate" in source) return { language: () => language(source), embedding: undefined }
  if ("doEmbed" in source) return { language: undefined, embedding: () => embedding(source) }
  return {
    language: (id) => language(source.languageModel(id)),
    embedding: (id) => embedding(source.embeddingModel(id)),
  }
}

/** Packages of another specification compile where types are not checked. */
const check = ({ modelId, specificationVersion: version }: LanguageModel | EmbeddingModel): void => {
  if (version === "v3" || version === "v4") return
  const functionality = `models of specification ${String(version)}`
  throw new UnsupportedFunctionalityError({
    functionality,
    message: `${modelId} is one of the ${functionality}, not of 3 or 4: update the vendor's package`,
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Specification 3
// ---------------------------------------------------------------------------------------------------------------------

const embedding = (model: EmbeddingModel): EmbeddingModelV4 => {
  check(model)
  return model.specificationVersion === "v4" ? model : embeddingOf(model)
}

const embeddingOf = (model: EmbeddingModelV3): EmbeddingModelV4 => ({
  specificationVersion: "v4",
  provider: model.provider,
  modelId: model.modelId,
  maxEmbeddingsPerCall: model.maxEmbeddingsPerCall,
  supportsParallelCalls: model.supportsParallelCalls,
  doEmbed: ({ dimensions, ...options }) =>
    model.doEmbed(options).then((result) => ({
      ...result,
      warnings: [...result.warnings, ...unsupported(dimensions !== undefined, "dimensions")],
    })),
})

const language = (model: LanguageModel): LanguageModelV4 => {
  check(model)
  return model.specificationVersion === "v4" ? model : languageOf(model)
}

const languageOf = (model: LanguageModelV3): LanguageModelV4 => ({
  specificationVersion: "v4",
  provider: model.provider,
  modelId: model.modelId,
  supportedUrls: model.supportedUrls,
  doGenerate: (options) =>
    model.doGenerate(optionsOf(options)).then((result): LanguageModelV4GenerateResult => ({
      ...result,
      content: result.content.map(contentOf),
      warnings: [...result.warnings, ...lost(options)],
    })),
  doStream: (options) =>
    model.doStream(optionsOf(options)).then((result) => ({
      ...result,
      stream: result.stream.pipeThrough(
        new TransformStream<LanguageModelV3StreamPart, LanguageModelV4StreamPart>({
          transform: (part, controller) => controller.enqueue(partOf(part, options)),
        }),
      ),
    })),
})

/** A generated file. The rest is alike. */
const contentOf = (content: LanguageModelV3Content): LanguageModelV4Content =>
  content.type === "file" ? { ...content, data: { type: "data", data: content.data } } : content

const partOf = (part: LanguageModelV3StreamPart, options: LanguageModelV4CallOptions): LanguageModelV4StreamPart => {
  if (part.type === "stream-start") return { ...part, warnings: [...part.warnings, ...lost(options)] }
  return part.type === "file" ? { ...part, data: { type: "data", data: part.data } } : part
}

const lost = ({ reasoning = "provider-default" }: LanguageModelV4CallOptions): ReadonlyArray<SharedV4Warning> =>
  unsupported(reasoning !== "provider-default", "reasoning")

const unsupported = (isGiven: boolean, feature: string): ReadonlyArray<SharedV4Warning> =>
  isGiven ? [{ type: "unsupported", feature, details: "the model is one of specification 3" }] : []

/** Without `reasoning`, which came with specification 4. */
const optionsOf = (given: LanguageModelV4CallOptions): LanguageModelV3CallOptions => {
  const { prompt, reasoning: _, ...options } = given
  return { ...options, prompt: prompt.map(messageOf) }
}

const messageOf = (message: LanguageModelV4Prompt[number]): LanguageModelV3CallOptions["prompt"][number] => {
  if (message.role === "system") return message
  const content = message.content.flatMap((part): ReadonlyArray<unknown> => {
    switch (part.type) {
      case "file":
        return [{ ...part, mediaType: fullType(part.mediaType), data: dataOf(part.data) }]
      case "tool-result":
        return [
          part.output.type === "content"
            ? { ...part, output: { ...part.output, value: part.output.value.map(resultOf) } }
            : part,
        ]
      // Both came with specification 4.
      case "custom":
      case "reasoning-file":
        return []
      default:
        return [part]
    }
  })
  return { ...message, content } as LanguageModelV3CallOptions["prompt"][number]
}

const fullType = (mediaType: string): string => (mediaType.includes("/") ? mediaType : `${mediaType}/*`)

const dataOf = (data: SharedV4FileData): unknown => {
  switch (data.type) {
    case "data":
      return data.data
    case "url":
      return data.url
    case "text":
      return new TextEncoder().encode(data.text)
    case "reference":
      return data
  }
}

type Output = Extract<
  Extract<
    Extract<LanguageModelV4Prompt[number], { role: "tool" }>["content"][number],
    { type: "tool-result" }
  >["output"],
  { type: "content" }
>["value"][number]

const resultOf = (part: Output): unknown => {
  if (part.type !== "file") return part
  const { data, providerOptions, mediaType, filename } = part
  switch (data.type) {
    case "data":
      return { type: "file-data", data: Files.base64(data.data), mediaType, filename, providerOptions }
    case "url":
      return { type: "file-url", url: data.url.href, providerOptions }
    case "reference":
      return { type: "file-id", fileId: data.reference, providerOptions }
    case "text":
      return { type: "text", text: data.text, providerOptions }
  }
}

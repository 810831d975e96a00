/**
 * Files, between the AI SDK and `Chat`. The AI SDK has one kind of file part; `Chat` has images, files and audio, told apart
 * by the media type.
 */
import type { LanguageModelV4FilePart, SharedV4FileData, SharedV4ProviderOptions } from "@ai-sdk/provider"
import type * as Chat from "@understudy/core/Chat"
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Metadata from "./Metadata.ts"

/** The content of a user message besides text. */
export type Media = Chat.Image | Chat.File | Chat.Audio

// ---------------------------------------------------------------------------------------------------------------------
// The AI SDK -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** The fields of a file part, of a prompt or of a tool result. */
export type FilePart = Pick<LanguageModelV4FilePart, "data" | "filename" | "mediaType" | "providerOptions">

export const toChat = ({ data, filename, mediaType, providerOptions }: FilePart): Media => {
  const source = sourceOf(data, mediaType)
  const cache = Metadata.cache(providerOptions)
  if (/^image(?:\/|$)/.test(mediaType)) return { type: "image", source, ...detail(providerOptions), ...cache }
  if (/^audio(?:\/|$)/.test(mediaType)) return { type: "audio", source, format: formatOf(mediaType) }
  return {
    type: "file",
    source,
    ...(filename === undefined ? undefined : { name: filename }),
    ...document(providerOptions),
    ...cache,
  }
}

const sourceOf = (data: SharedV4FileData, mediaType: string): Chat.Source => {
  switch (data.type) {
    case "url":
      return { type: "url", url: data.originalUrl ?? data.url.href }
    case "data": {
      const text = base64(data.data)
      return { type: "base64", data: text, mediaType: /\/[^*]/.test(mediaType) ? mediaType : detect(text, mediaType) }
    }
    // Vendors that do not know the id are skipped: see `Media.foreignId`.
    case "reference":
      return { type: "id", id: Object.values(data.reference)[0] ?? "" }
    case "text":
      return { type: "base64", data: Base64.encode(data.text), mediaType: "text/plain" }
  }
}

export const base64 = (data: Uint8Array | string): string => (Predicate.isString(data) ? data : Base64.encode(data))

/** The base64 of the first bytes of a file, by media type. */
const signatures: ReadonlyArray<readonly [start: string, mediaType: string]> = [
  ["iVBORw", "image/png"],
  ["/9j/", "image/jpeg"],
  ["R0lGOD", "image/gif"],
  ["UklGR", "image/webp"],
  ["JVBERi", "application/pdf"],
  ["SUQz", "audio/mpeg"],
]

/** The media type of a file whose part has only the first half of one, such as `image`. */
const detect = (data: string, mediaType: string): string =>
  signatures.find(([start]) => data.startsWith(start))?.[1] ?? mediaType

const formatOf = (mediaType: string): string => {
  const format = mediaType.slice("audio/".length).replace(/^x-/, "")
  return format === "mpeg" || format === "" || format === "*" ? "mp3" : format
}

/** The AI SDK has the detail of an image in OpenAI's options. */
const detail = (options: SharedV4ProviderOptions | undefined): Pick<Chat.Image, "detail"> | undefined => {
  const value = options?.["openai"]?.["imageDetail"]
  return value === "auto" || value === "low" || value === "high" || value === "original" ? { detail: value } : undefined
}

/** The AI SDK has the description of a document, and whether it may be cited, in Anthropic's options. */
const document = (options: SharedV4ProviderOptions | undefined): Pick<Chat.File, "context" | "citable"> => {
  const { citations, context } = options?.["anthropic"] ?? {}
  return {
    ...(Predicate.isString(context) ? { context } : undefined),
    ...(Predicate.hasProperty(citations, "enabled") && Predicate.isBoolean(citations.enabled)
      ? { citable: citations.enabled }
      : undefined),
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Chat -> the AI SDK
// ---------------------------------------------------------------------------------------------------------------------

/** Whether a model reads a URL itself. `ai` downloads all others, and a route does not. */
export type ReadsUrl = (url: string, mediaType: string) => boolean

/** Fails with a description of the part if a model does not support it. */
export const fromChat = (part: Media, readsUrl: ReadsUrl): Result.Result<LanguageModelV4FilePart, string> => {
  const { source } = part
  const rest = {
    type: "file" as const,
    ...(part.type === "file" && part.name !== undefined ? { filename: part.name } : undefined),
    ...optionsOf(part),
  }
  switch (source.type) {
    case "base64":
      return Result.succeed({ ...rest, mediaType: source.mediaType, data: { type: "data", data: source.data } })
    case "url": {
      const mediaType = mediaTypeOf(part)
      if (!URL.canParse(source.url)) return Result.fail("a file with an invalid URL")
      return readsUrl(source.url, mediaType)
        ? Result.succeed({ ...rest, mediaType, data: { type: "url", url: new URL(source.url) } })
        : Result.fail("a file at a URL")
    }
    case "id":
      return Result.fail("a file by a vendor's id")
  }
}

const optionsOf = (part: Media) => {
  switch (part.type) {
    case "audio":
      return undefined
    case "image":
      return Metadata.options(
        Metadata.writeCache(part.cache),
        part.detail === undefined ? undefined : { openai: { imageDetail: part.detail } },
      )
    case "file": {
      const anthropic = {
        ...(part.context === undefined ? undefined : { context: part.context }),
        ...(part.citable === undefined ? undefined : { citations: { enabled: part.citable } }),
      }
      return Metadata.options(
        Metadata.writeCache(part.cache),
        Object.keys(anthropic).length === 0 ? undefined : { anthropic },
      )
    }
  }
}

/** The media type of a file at a URL, by the kind of its part. */
const mediaTypeOf = (part: Media): string => {
  switch (part.type) {
    case "image":
      return "image/*"
    case "audio":
      return part.format === undefined || part.format === "mp3" ? "audio/mpeg" : `audio/${part.format}`
    case "file":
      return "application/pdf"
  }
}

/** `ReadsUrl` of a model's `supportedUrls`. */
export const urls =
  (supported: Readonly<Record<string, ReadonlyArray<RegExp>>>): ReadsUrl =>
  (url, mediaType) =>
    Object.entries(supported).some(([pattern, expressions]) => {
      const prefix = pattern === "*" ? "" : pattern.toLowerCase().replace(/\*.*$/, "")
      const fits = prefix === "" || prefix.endsWith("/") ? mediaType.startsWith(prefix) : mediaType === prefix
      // A global expression of the model would go on from its last match.
      return fits && expressions.some((expression) => new RegExp(expression).test(url))
    })

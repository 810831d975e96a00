/**
 * Converts content between `Chat` parts and Converse blocks as the SDK takes them (bytes, not base64).
 *
 * Every function is total. `unsupported` finds features that cannot be dropped; other losses are reported through
 * `warn`.
 *
 * Sources: docs.aws.amazon.com, "ImageSource", "DocumentSource" and "AudioSource" (bytes or an S3 location: there is no
 * URL), "DocumentBlock" and "ToolResultBlock".
 */
import type * as Chat from "@understudy/core/Chat"
import { Buffer } from "node:buffer"
import * as Predicate from "effect/Predicate"
import * as CustomTools from "../CustomTools.ts"
import type { Block, Part, Warn } from "../Lowering.ts"
import type { Media } from "../Media.ts"
import * as ToolArguments from "../ToolArguments.ts"
import { issuer } from "../messages/Protocol.ts"
import * as Citations from "./Citations.ts"
import * as Documents from "./Documents.ts"
import type { Model } from "./Model.ts"
import type * as Wire from "./Wire.ts"

/** The context of one request. */
export interface Context {
  readonly warn: Warn
  readonly model: Model
  /** Whether the request has no tools. Earlier calls are then sent as text, because the API rejects them otherwise. */
  readonly withoutTools: boolean
  readonly documentName: Documents.Namer
}

// ---------------------------------------------------------------------------------------------------------------------
// Unsupported
// ---------------------------------------------------------------------------------------------------------------------

/** The feature of this part that Converse does not support, if any. */
export const unsupported = (part: Media, model: Model): string | undefined => {
  switch (part.type) {
    case "audio":
      return model.audio ? unsupportedSource(part.source, "audio", () => audioFormat(part)) : "audio"
    case "image":
      return unsupportedSource(part.source, "images", imageFormat)
    case "file":
      return unsupportedSource(part.source, "documents", Documents.format)
  }
}

const unsupportedSource = (
  source: Chat.Source,
  what: string,
  format: (source: Chat.Source) => string | undefined,
): string | undefined => {
  if (source.type === "id") return "another vendor's file id"
  if (source.type === "url" && !source.url.startsWith("s3://")) return `${what} by URL`
  if (format(source) === undefined) {
    return source.type === "base64" ? `${what} of type ${source.mediaType}` : `${what} whose name shows no known type`
  }
  return source.type === "base64" && !isBase64.test(source.data) ? `${what} that are not base64` : undefined
}

const isBase64 = /^[\w+/-]*={0,2}$/

const imageFormats: Readonly<Record<string, string>> = {
  gif: "gif",
  jpeg: "jpeg",
  jpg: "jpeg",
  png: "png",
  webp: "webp",
}

const imageFormat = (source: Chat.Source): string | undefined => {
  switch (source.type) {
    case "base64":
      return imageFormats[source.mediaType.toLowerCase().replace(/^image\//, "")]
    case "url":
      return imageFormats[Documents.extension(source.url)]
    case "id":
      return undefined
  }
}

/** The API's audio format: the subtype, or the newer name of a type. */
const audioFormat = ({ format, source }: Chat.Audio): string | undefined => {
  const subtype =
    source.type === "base64" ? source.mediaType.toLowerCase().replace(/^audio\/(?:x-|vnd\.)?/, "") : undefined
  const named = format ?? subtype ?? (source.type === "url" ? Documents.extension(source.url) : undefined)
  return named === undefined ? undefined : (audioFormats[named] ?? undefined)
}

const audioFormats: Readonly<Record<string, string>> = {
  aac: "aac",
  flac: "flac",
  m4a: "m4a",
  mp3: "mp3",
  mp4: "mp4",
  mpeg: "mp3",
  ogg: "ogg",
  opus: "opus",
  pcm: "pcm",
  wav: "wav",
  wave: "wav",
  webm: "webm",
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** Adds a part to `blocks`. Blank text is left out, as the API rejects it; what cannot be sent is reported. */
export const encode = (part: Part, blocks: Array<Block>, context: Context): void => {
  const before = blocks.length
  encodeBlock(part, blocks, context)
  const cache = cacheOf(part)
  if (cache === undefined || blocks.length === before) return
  if (context.model.caches === "nowhere") context.warn("a cache hint, which this model does not support")
  else blocks.push(cachePoint(cache, context.warn))
}

/** A cache point. The API supports the TTLs `5m` and `1h`. */
export const cachePoint = (cache: Chat.CacheHint, warn: Warn): Block => {
  const ttl = cache.ttl === "5m" || cache.ttl === "1h" ? cache.ttl : undefined
  if (cache.ttl !== undefined && ttl === undefined) warn("a cache TTL other than 5m and 1h")
  return { cachePoint: ttl === undefined ? { type: "default" } : { type: "default", ttl } }
}

/** Cache points are not allowed in a tool result: a hint there moves after the result. */
const cacheOf = (part: Part): Chat.CacheHint | undefined => {
  if (part.type === "tool-result")
    return part.cache ?? part.content.findLast((inner) => inner.cache !== undefined)?.cache
  return "cache" in part ? part.cache : undefined
}

const encodeBlock = (part: Part, blocks: Array<Block>, context: Context): void => {
  switch (part.type) {
    case "text":
      if (!blank(part.text)) blocks.push(encodeText(part, context))
      return
    case "image":
      if (part.detail !== undefined && part.detail !== "auto") context.warn("image detail")
      blocks.push({ image: { format: imageFormat(part.source), source: encodeSource(part.source) } })
      return
    case "file":
      blocks.push({ document: encodeFile(part, context) })
      return
    case "reasoning":
      encodeReasoning(part, blocks, context)
      return
    case "refusal":
      context.warn("a refusal, sent as text")
      if (!blank(part.text)) blocks.push({ text: part.text })
      return
    case "tool-call":
      if (context.withoutTools) {
        context.warn("earlier tool calls, sent as text")
        blocks.push({ text: `[Called the tool ${part.name}: ${part.arguments}]` })
      } else {
        blocks.push({
          toolUse: {
            toolUseId: part.id,
            name: part.name,
            input: ToolArguments.toObject(CustomTools.argumentsOf(part), context.warn),
          },
        })
      }
      return
    case "tool-result":
      if (context.withoutTools) {
        blocks.push({ text: part.isError === true ? "[The tool failed:]" : "[The tool answered:]" })
        for (const inner of part.content) encodeBlock(inner, blocks, context)
      } else blocks.push({ toolResult: encodeResult(part, context) })
      return
    case "audio":
      blocks.push({ audio: { format: audioFormat(part), source: encodeSource(part.source) } })
      return
  }
}

/** Claude accepts citations of earlier responses. */
const encodeText = ({ citations = [], text }: Chat.Text, { model, warn }: Context): Block => {
  if (citations.length === 0) return { text }
  if (model.claude !== undefined) {
    return { citationsContent: { content: [{ text }], citations: citations.map(Citations.encode) } }
  }
  warn("citations in earlier responses")
  return { text }
}

const blank = (text: string): boolean => !/\S/.test(text)

const encodeFile = (part: Chat.File, context: Context): Block => {
  const block: Block = {
    format: Documents.format(part.source),
    name: context.documentName(part.name),
    source: encodeSource(part.source),
  }
  if (part.context !== undefined) block["context"] = part.context
  if (part.citable === true) block["citations"] = { enabled: true }
  return block
}

const encodeSource = (source: Chat.Source): Block => {
  switch (source.type) {
    case "url":
      return { s3Location: { uri: source.url } }
    case "base64":
      return { bytes: bytes(source.data) }
    case "id":
      return {}
  }
}

const encodeReasoning = (part: Chat.Reasoning, blocks: Array<Block>, { model, warn }: Context): void => {
  if (model.claude === undefined) return warn("reasoning of earlier responses, which this model does not support")
  const { redacted, signature, text } = part
  if (redacted?.issuer === issuer) blocks.push({ reasoningContent: { redactedContent: bytes(redacted.value) } })
  else if (signature?.issuer === issuer) {
    blocks.push({ reasoningContent: { reasoningText: { text, signature: signature.value } } })
  } else warn("reasoning not signed by Anthropic, left out")
}

/** A failed result needs content: the API rejects an error without it. */
const encodeResult = (part: Chat.ToolResult, context: Context): Block => {
  const content: Array<Block> = []
  for (const inner of part.content) encodeBlock(inner, content, context)
  const toolUseId = part.id
  if (part.isError !== true) return { toolUseId, content }
  return { toolUseId, content: content.length > 0 ? content : [{ text: "(no output)" }], status: "error" }
}

const bytes = (base64: string): Uint8Array => Buffer.from(base64, "base64")

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** The parts of blocks. A cache point is a hint on the preceding part. */
export const decode = (blocks: ReadonlyArray<Wire.Block>): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  for (const block of blocks) {
    const part = decodeBlock(block)
    if (part !== undefined) parts.push(part)
    const last = block.cachePoint === undefined ? undefined : parts.pop()
    if (last === undefined || block.cachePoint === undefined) continue
    const acceptsHint = last.type !== "reasoning" && last.type !== "refusal" && last.type !== "audio"
    parts.push(acceptsHint ? { ...last, cache: decodeCache(block.cachePoint) } : last)
  }
  return parts
}

export const decodeCache = ({ ttl }: Wire.CachePoint): Chat.CacheHint => (ttl === undefined ? {} : { ttl })

const decodeBlock = (block: Wire.Block): Part | undefined => {
  const { audio, citationsContent, reasoningContent, toolResult, toolUse } = block
  if (toolUse !== undefined) {
    const { input = {}, name, toolUseId: id } = toolUse
    return { type: "tool-call", id, name, arguments: JSON.stringify(input) }
  }
  if (toolResult !== undefined) return decodeResult(toolResult)
  if (reasoningContent !== undefined) return decodeReasoning(reasoningContent)
  if (citationsContent !== undefined) {
    const { citations = [], content } = citationsContent
    const cited = citations.flatMap((each) => Citations.decode(each) ?? [])
    const text = content.map(({ text = "" }) => text).join("")
    return cited.length === 0 ? { type: "text", text } : { type: "text", text, citations: cited }
  }
  if (audio !== undefined) {
    return { type: "audio", source: decodeSource(audio.source, `audio/${audio.format}`), format: audio.format }
  }
  return decodeMedia(block)
}

const decodeMedia = ({
  document,
  image,
  text,
}: Pick<Wire.Block, "document" | "image" | "text">): Chat.Text | Chat.Image | Chat.File | undefined => {
  if (text !== undefined) return { type: "text", text }
  if (image !== undefined) return { type: "image", source: decodeSource(image.source, `image/${image.format}`) }
  if (document === undefined) return undefined
  const { citations, context, format, name, source } = document
  return {
    type: "file",
    source: decodeSource(source, Documents.mediaType(format ?? "txt")),
    name,
    ...(context === undefined ? undefined : { context }),
    ...(citations?.enabled === true ? { citable: true } : undefined),
  }
}

const decodeSource = ({ bytes, s3Location, text }: Wire.Source, mediaType: string): Chat.Source => {
  if (s3Location !== undefined) return { type: "url", url: s3Location.uri }
  return { type: "base64", mediaType, data: text === undefined ? asBase64(bytes) : asBase64(Buffer.from(text)) }
}

const asBase64 = (bytes: string | Uint8Array = ""): string =>
  Predicate.isString(bytes) ? bytes : Buffer.from(bytes).toString("base64")

const decodeResult = ({ content, status, toolUseId: id }: Wire.ToolResult): Chat.ToolResult => ({
  type: "tool-result",
  id,
  content: content.flatMap((block): Chat.ToolResult["content"] => {
    if (block.json !== undefined) return [{ type: "text", text: JSON.stringify(block.json) }]
    const media = decodeMedia(block)
    return media === undefined ? [] : [media]
  }),
  ...(status === "error" ? { isError: true } : undefined),
})

const decodeReasoning = ({
  reasoningText,
  redactedContent,
}: NonNullable<Wire.Block["reasoningContent"]>): Chat.Reasoning | undefined => {
  if (redactedContent !== undefined) {
    return { type: "reasoning", text: "", redacted: { issuer, value: asBase64(redactedContent) } }
  }
  if (reasoningText === undefined) return undefined
  const { signature, text } = reasoningText
  return {
    type: "reasoning",
    text,
    ...(signature === undefined ? undefined : { signature: { issuer, value: signature } }),
  }
}

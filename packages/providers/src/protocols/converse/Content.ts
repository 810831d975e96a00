/**
 * Content, block by block: a `Chat` part as a Converse content block, as the SDK takes it (bytes are bytes, not base64).
 *
 * Every function here is total. What a block cannot say is found beforehand by `unsupported`, and a lesser loss is named
 * through `warn`.
 */
import type * as Chat from "@understudy/core/Chat"
import { Buffer } from "node:buffer"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Block, Part, Warn } from "../Lowering.ts"
import { issuer } from "../messages/Protocol.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Documents from "./Documents.ts"

/** What is the same for every block of one request. */
export interface Context {
  readonly warn: Warn
  /** Whether the model is a Claude: only these take signed thoughts back. */
  readonly claude: boolean
  readonly documentName: Documents.Namer
}

// ---------------------------------------------------------------------------------------------------------------------
// What cannot be said
// ---------------------------------------------------------------------------------------------------------------------

/** The feature this part needs and Converse lacks, if there is one. */
export const unsupported = (part: Part): string | undefined => {
  switch (part.type) {
    case "audio":
      return "audio"
    case "image":
      return unsupportedSource(part.source, "images", imageFormat)
    case "file":
      return unsupportedSource(part.source, "documents", Documents.format)
    case "tool-result":
      for (const inner of part.content) {
        const feature = unsupported(inner)
        if (feature !== undefined) return feature
      }
      return undefined
    case "text":
    case "reasoning":
    case "refusal":
    case "tool-call":
      return undefined
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

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** Adds this part to `blocks`, unless it is blank, which the API refuses, or cannot be shown to it, which is warned of. */
export const encode = (part: Part, blocks: Array<Block>, context: Context): void => {
  const before = blocks.length
  encodeBlock(part, blocks, context)
  const cache = cacheOf(part)
  if (cache !== undefined && blocks.length > before) blocks.push(cachePoint(cache, context.warn))
}

/** A point up to which the prompt may be cached: `5m` and `1h` are the times to live that the API knows. */
export const cachePoint = (cache: Chat.CacheHint, warn: Warn): Block => {
  const ttl = cache.ttl === "5m" || cache.ttl === "1h" ? cache.ttl : undefined
  if (cache.ttl !== undefined && ttl === undefined) warn(`a cache hint's ttl of ${cache.ttl}`)
  return { cachePoint: ttl === undefined ? { type: "default" } : { type: "default", ttl } }
}

/** Within a tool's result no point may stand: what is hinted there is hinted after it. */
const cacheOf = (part: Part): Chat.CacheHint | undefined => {
  if (part.type === "tool-result")
    return part.cache ?? part.content.findLast((inner) => inner.cache !== undefined)?.cache
  return "cache" in part ? part.cache : undefined
}

const encodeBlock = (part: Part, blocks: Array<Block>, context: Context): void => {
  switch (part.type) {
    case "text":
      if (part.citations !== undefined && part.citations.length > 0) context.warn("citations of earlier answers")
      if (!blank(part.text)) blocks.push({ text: part.text })
      return
    case "image":
      if (part.detail !== undefined && part.detail !== "auto") context.warn("the detail of an image")
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
      blocks.push({
        toolUse: {
          toolUseId: ToolIds.fit(part.id, longestId),
          name: part.name,
          input: input(part.arguments, context.warn),
        },
      })
      return
    case "tool-result":
      blocks.push({ toolResult: encodeResult(part, context) })
      return
    case "audio":
      return
  }
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

const encodeReasoning = (part: Chat.Reasoning, blocks: Array<Block>, { claude, warn }: Context): void => {
  if (!claude) return warn("reasoning of earlier answers, which this model does not take")
  const { redacted, signature, text } = part
  if (redacted?.issuer === issuer) blocks.push({ reasoningContent: { redactedContent: bytes(redacted.value) } })
  else if (signature?.issuer === issuer) {
    blocks.push({ reasoningContent: { reasoningText: { text, signature: signature.value } } })
  } else warn("reasoning that is not signed by Anthropic, left out")
}

/** A failed tool must have said something: the API refuses an error without content. */
const encodeResult = (part: Chat.ToolResult, context: Context): Block => {
  const content: Array<Block> = []
  for (const inner of part.content) encodeBlock(inner, content, context)
  const toolUseId = ToolIds.fit(part.id, longestId)
  if (part.isError !== true) return { toolUseId, content }
  return { toolUseId, content: content.length > 0 ? content : [{ text: "(no output)" }], status: "error" }
}

const bytes = (base64: string): Uint8Array => Buffer.from(base64, "base64")

const longestId = 64

/**
 * The API takes an object. What the model wrote may not be one: it is then shown its own words under `INVALID_JSON`, as
 * Anthropic's documentation of fine-grained tool streaming advises.
 */
const input = (text: string, warn: Warn): unknown => {
  if (blank(text)) return {}
  const value = Json.parse(text)
  if (Predicate.isObject(value)) return value
  warn("a tool call's arguments that are not a JSON object, sent as INVALID_JSON")
  return { INVALID_JSON: text }
}

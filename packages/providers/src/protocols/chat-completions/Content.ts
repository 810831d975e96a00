/**
 * Converts content parts between `Chat` and Chat Completions.
 *
 * Every function is total. `unsupported` finds features that cannot be dropped; other losses are reported through
 * `warn`.
 *
 * Sources: developers.openai.com, "File inputs" (Chat Completions takes a file's data or its id, URLs only Responses)
 * and "Images and vision" (a URL or data); openrouter.ai, "PDF inputs"; docs.mistral.ai, "Document QnA".
 */
import type * as Chat from "@understudy/core/Chat"
import type { Block, Warn } from "../Lowering.ts"
import * as Media from "../Media.ts"
import * as TextDocument from "../TextDocument.ts"
import * as CacheControl from "./CacheControl.ts"
import type { Compatibility } from "./Compatibility.ts"
import type { Model } from "./Model.ts"
import type * as Wire from "./Wire.ts"

/** The target of a request's encoding, and the report of dropped parameters. */
export interface Target {
  readonly model: Model
  readonly compatibility: Compatibility
  readonly warn: Warn
}

// ---------------------------------------------------------------------------------------------------------------------
// Unsupported
// ---------------------------------------------------------------------------------------------------------------------

/** The feature of this part that the server does not support, if any. */
export const unsupported = (
  part: Media.Media,
  role: Chat.Message["role"],
  compatibility: Compatibility,
): string | undefined => {
  switch (part.type) {
    case "image":
      if (part.source.type === "id") return "images by file id"
      return part.source.type === "url" && compatibility.lacks.has("image urls") ? "images by URL" : undefined
    case "file":
      return unsupportedFile(part.source, compatibility)
    case "audio":
      if (role === "assistant")
        return part.source.type === "id" ? undefined : "audio of earlier responses other than by id"
      if (part.source.type !== "base64") return "audio by URL or id"
      return audioFormat(part, part.source.mediaType) === undefined
        ? `audio of type ${part.source.mediaType}`
        : undefined
  }
}

const unsupportedFile = (source: Chat.Source, { documents }: Compatibility): string | undefined => {
  switch (source.type) {
    case "id":
      return documents === "file" ? Media.foreignId(source, "openai") : "another vendor's file id"
    case "url":
      return documents === "file" || documents === "text" ? "documents by URL" : undefined
    case "base64":
      return documents === "text" && TextDocument.read(source) === undefined
        ? `documents of type ${source.mediaType}`
        : undefined
  }
}

const audioFormat = ({ format }: Chat.Audio, mediaType: string): string | undefined => {
  if (format !== undefined) return format
  if (/^audio\/(?:x-|vnd\.)?wave?$/.test(mediaType)) return "wav"
  return mediaType === "audio/mpeg" || mediaType === "audio/mp3" ? "mp3" : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** Adds a part of a user, tool or system message to `blocks`. */
export const encode = (part: Chat.UserMessage["content"][number], blocks: Array<Block>, target: Target): void => {
  switch (part.type) {
    case "text":
      blocks.push(encodeText(part, target))
      return
    case "image": {
      const image: Block = { url: Media.toUrl(part.source) }
      if (part.detail !== undefined) image["detail"] = part.detail
      blocks.push(withCache({ type: "image_url", image_url: image }, part.cache, target))
      return
    }
    case "file":
      encodeFile(part, blocks, target)
      return
    case "audio": {
      const { data, mediaType } = part.source.type === "base64" ? part.source : { data: "", mediaType: "" }
      blocks.push({ type: "input_audio", input_audio: { data, format: audioFormat(part, mediaType) } })
      return
    }
  }
}

export const encodeText = (part: Chat.Text, target: Target): Block => {
  if (part.citations !== undefined && part.citations.length > 0) target.warn("citations")
  return withCache({ type: "text", text: part.text }, part.cache, target)
}

/**
 * A text document becomes part of the prompt if the server does not support documents, or is not known to accept text
 * documents.
 */
const encodeFile = (part: Chat.File, blocks: Array<Block>, target: Target): void => {
  const { documents } = target.compatibility
  if (part.citable === true) target.warn("document citations")
  const text = documents === "file" ? undefined : TextDocument.read(part.source)
  if (text !== undefined) {
    blocks.push(withCache({ type: "text", text: TextDocument.inline(part, text) }, part.cache, target))
    return
  }
  if (part.context !== undefined) blocks.push({ type: "text", text: part.context })
  blocks.push(withCache(documentPart(part, documents), part.cache, target))
}

const documentPart = ({ name, source }: Chat.File, documents: Compatibility["documents"]): Block => {
  if (documents === "document_url") {
    return {
      type: "document_url",
      document_url: Media.toUrl(source),
      ...(name === undefined ? undefined : { document_name: name }),
    }
  }
  const file: Block = source.type === "id" ? { file_id: source.id } : { file_data: Media.toUrl(source) }
  // Data requires a name.
  if (name !== undefined || source.type !== "id") file["filename"] = name ?? "document"
  return { type: "file", file }
}

/** Sets the server's own cache field, else OpenAI's. */
const withCache = (block: Block, cache: Chat.CacheHint | undefined, { compatibility, model, warn }: Target): Block => {
  if (cache === undefined) return block
  if (compatibility.cache !== undefined) {
    block[compatibility.cache] = cache.ttl === undefined ? { type: "ephemeral" } : { type: "ephemeral", ttl: cache.ttl }
    return block
  }
  return CacheControl.set(block, cache, model, warn)
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

export const decode = (part: Wire.UserPart): Chat.UserMessage["content"][number] => {
  switch (part.type) {
    case "text":
      return decodeText(part)
    case "image_url":
      return decodeImage(part)
    case "input_audio": {
      const { data, format } = part.input_audio
      const mediaType = format === "mp3" ? "audio/mpeg" : `audio/${format}`
      return { type: "audio", source: { type: "base64", data, mediaType }, format }
    }
    case "file":
      return decodeFile(part)
  }
}

const decodeImage = (part: Wire.Image): Chat.Image => {
  const { detail, url } = part.image_url
  const image = { type: "image" as const, source: Media.fromUrl(url), ...decodeCache(part) }
  return detail === undefined || detail === null ? image : { ...image, detail }
}

const decodeFile = (part: Wire.File): Chat.File => {
  const { file_data: data, file_id: id, filename: name } = part.file
  const source: Chat.Source = typeof id === "string" ? { type: "id", id } : decodeData(data ?? "")
  const file = { type: "file" as const, source, ...decodeCache(part) }
  return name === undefined || name === null ? file : { ...file, name }
}

/** A part of a tool result. */
export const decodeResultPart = (part: Wire.ResultPart): Chat.ToolResult["content"][number] =>
  part.type === "text" ? decodeText(part) : part.type === "image_url" ? decodeImage(part) : decodeFile(part)

export const decodeText = (part: Wire.Text): Chat.Text => {
  const { text } = part
  return part.cache_control || part.prompt_cache_breakpoint
    ? { type: "text", text, ...decodeCache(part) }
    : { type: "text", text }
}

type Cached = Pick<Wire.Text, "cache_control" | "prompt_cache_breakpoint">

export const decodeCache = ({ cache_control, prompt_cache_breakpoint }: Cached): { cache?: Chat.CacheHint } => {
  const hint = prompt_cache_breakpoint ?? cache_control
  if (hint === undefined || hint === null) return {}
  return { cache: typeof hint.ttl === "string" ? { ttl: hint.ttl } : {} }
}

/** A file's data is a `data:` URL, bare base64 (assumed to be a PDF), or on some servers a URL. */
const decodeData = (data: string): Chat.Source => {
  const source = Media.fromUrl(data)
  if (source.type === "base64" || /^https?:/.test(data)) return source
  return { type: "base64", mediaType: "application/pdf", data }
}

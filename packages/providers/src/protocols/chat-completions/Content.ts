/**
 * Content, part by part: a `Chat` part as a Chat Completions content part, and back.
 *
 * Every function here is total. What a part cannot say is found beforehand by `unsupported`, and a lesser loss is named
 * through `warn`.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Block, Part, Warn } from "../Lowering.ts"
import type { Model } from "./Model.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// What cannot be said
// ---------------------------------------------------------------------------------------------------------------------

/** The feature this part needs and Chat Completions lacks, if there is one. */
export const unsupported = (part: Part, role: Chat.Message["role"]): string | undefined => {
  switch (part.type) {
    case "image":
      return part.source.type === "id" ? "images by file id" : undefined
    case "file":
      if (part.source.type === "url") return "documents by URL"
      // Anthropic's ids begin with `file_`, OpenAI's with `file-`: to each other they are worth nothing.
      return part.source.type === "id" && part.source.id.startsWith("file_") ? "another vendor's file id" : undefined
    case "audio":
      if (role === "assistant")
        return part.source.type === "id" ? undefined : "audio of an earlier answer but by its id"
      if (part.source.type !== "base64") return "audio by URL or id"
      return audioFormat(part, part.source.mediaType) === undefined
        ? `audio of type ${part.source.mediaType}`
        : undefined
    case "tool-result": {
      const other = part.content.find(({ type }) => type !== "text")
      return other === undefined ? undefined : `${other.type}s in a tool's result`
    }
    case "text":
    case "reasoning":
    case "refusal":
    case "tool-call":
      return undefined
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

/** A user's or the system's part. */
export const encode = (part: Chat.UserMessage["content"][number], model: Model, warn: Warn): Block => {
  switch (part.type) {
    case "text":
      return encodeText(part, model, warn)
    case "image": {
      const image: Block = { url: url(part.source) }
      if (part.detail !== undefined) image["detail"] = part.detail
      return withCache({ type: "image_url", image_url: image }, part.cache, model, warn)
    }
    case "file":
      return withCache({ type: "file", file: encodeFile(part, warn) }, part.cache, model, warn)
    case "audio": {
      const { data, mediaType } = part.source.type === "base64" ? part.source : { data: "", mediaType: "" }
      return { type: "input_audio", input_audio: { data, format: audioFormat(part, mediaType) } }
    }
  }
}

export const encodeText = (part: Chat.Text, model: Model, warn: Warn): Block => {
  if (part.citations !== undefined && part.citations.length > 0) warn("citations")
  return withCache({ type: "text", text: part.text }, part.cache, model, warn)
}

const encodeFile = (part: Chat.File, warn: Warn): Block => {
  if (part.context !== undefined) warn("the context of a document")
  if (part.citable === true) warn("that a document may be cited")
  const file: Block = part.source.type === "id" ? { file_id: part.source.id } : { file_data: url(part.source) }
  // Data must have a name.
  if (part.name !== undefined || part.source.type === "base64") file["filename"] = part.name ?? "document"
  return file
}

/** Where the API takes it, a breakpoint; elsewhere OpenAI caches by itself. */
const withCache = (block: Block, cache: Chat.CacheHint | undefined, model: Model, warn: Warn): Block => {
  if (cache === undefined) return block
  if (!model.breakpoints) {
    warn("a cache hint")
    return block
  }
  const known = cache.ttl === undefined || cache.ttl === "30m" || cache.ttl === "12h"
  if (!known) warn("a cache hint's ttl other than 30m and 12h")
  block["prompt_cache_breakpoint"] =
    known && cache.ttl !== undefined ? { mode: "explicit", ttl: cache.ttl } : { mode: "explicit" }
  return block
}

const url = (source: Chat.Source): string => {
  switch (source.type) {
    case "url":
      return source.url
    case "base64":
      return `data:${source.mediaType};base64,${source.data}`
    case "id":
      return source.id
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

export const decode = (part: Wire.UserPart): Chat.UserMessage["content"][number] => {
  switch (part.type) {
    case "text":
      return decodeText(part)
    case "image_url": {
      const { detail, url } = part.image_url
      const image = { type: "image" as const, source: decodeUrl(url), ...decodeCache(part) }
      return detail === undefined || detail === null ? image : { ...image, detail }
    }
    case "input_audio": {
      const { data, format } = part.input_audio
      const mediaType = format === "mp3" ? "audio/mpeg" : `audio/${format}`
      return { type: "audio", source: { type: "base64", data, mediaType }, format }
    }
    case "file": {
      const { file_data: data, file_id: id, filename: name } = part.file
      const source: Chat.Source = typeof id === "string" ? { type: "id", id } : decodeData(data ?? "")
      const file = { type: "file" as const, source, ...decodeCache(part) }
      return name === undefined || name === null ? file : { ...file, name }
    }
  }
}

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

/** A `data:` URL in base64 is the data itself. Large ones are searched no further than their head. */
const decodeUrl = (url: string): Chat.Source => {
  if (!url.startsWith("data:")) return { type: "url", url }
  const comma = url.indexOf(",")
  const head = url.slice("data:".length, comma)
  return comma >= 0 && head.endsWith(";base64")
    ? { type: "base64", mediaType: head.slice(0, -";base64".length), data: url.slice(comma + 1) }
    : { type: "url", url }
}

/** A file's data is a `data:` URL, or base64 alone, of what clients mostly send. */
const decodeData = (data: string): Chat.Source => {
  const source = decodeUrl(data)
  return source.type === "base64" ? source : { type: "base64", mediaType: "application/pdf", data }
}

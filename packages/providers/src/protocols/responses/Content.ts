/**
 * Converts content between `Chat` parts and parts of Responses items.
 *
 * Every function is total. `unsupported` finds features that cannot be dropped; other losses are reported through
 * `warn`.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as CacheControl from "../chat-completions/CacheControl.ts"
import type { Model } from "../chat-completions/Model.ts"
import type { Block, Warn } from "../Lowering.ts"
import * as Media from "../Media.ts"
import * as Citations from "./Citations.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Unsupported
// ---------------------------------------------------------------------------------------------------------------------

/** The feature of this part that Responses does not support, if any. */
export const unsupported = (part: Media.Media): string | undefined => {
  switch (part.type) {
    case "audio":
      return "audio"
    case "image":
    case "file":
      return Media.foreignId(part.source, "openai")
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** An input part of a system, user or tool message. */
export const encode = (part: Chat.UserMessage["content"][number], model: Model, warn: Warn): Block => {
  switch (part.type) {
    case "text":
      if (part.citations !== undefined && part.citations.length > 0) warn("citations")
      return withCache({ type: "input_text", text: part.text }, part.cache, model, warn)
    case "image": {
      const { detail = "auto", source } = part
      const where = source.type === "id" ? { file_id: source.id } : { image_url: Media.toUrl(source) }
      return withCache({ type: "input_image", ...where, detail }, part.cache, model, warn)
    }
    case "file":
      return withCache(encodeFile(part, warn), part.cache, model, warn)
    case "audio":
      return { type: "input_audio", input_audio: { data: Media.toUrl(part.source), format: part.format } }
  }
}

const encodeFile = ({ citable, context, name, source }: Chat.File, warn: Warn): Block => {
  if (context !== undefined) warn("document context")
  if (citable === true) warn("document citations")
  switch (source.type) {
    case "base64":
      // Data requires a name.
      return { type: "input_file", filename: name ?? "document", file_data: Media.toUrl(source) }
    case "url":
    case "id":
      if (name !== undefined) warn("the name of a document sent by reference")
      return source.type === "url"
        ? { type: "input_file", file_url: source.url }
        : { type: "input_file", file_id: source.id }
  }
}

/** An output part of an earlier response. */
export const encodeOutput = (part: Chat.Text | Chat.Refusal, warn: Warn): Block => {
  if (part.type === "refusal") return { type: "refusal", refusal: part.text }
  if (part.cache !== undefined) warn("a cache hint on an earlier response")
  const annotations = Citations.encodeAll(part)
  if (annotations.length < (part.citations?.length ?? 0)) warn("citations of documents")
  const block: Block = { type: "output_text", text: part.text }
  if (annotations.length > 0) block["annotations"] = annotations
  return block
}

const withCache = (block: Block, cache: Chat.CacheHint | undefined, model: Model, warn: Warn): Block =>
  cache === undefined ? block : CacheControl.set(block, cache, model, warn)

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

export const decode = (part: Wire.UserPart): Chat.UserMessage["content"][number] => {
  if (part.type !== "input_audio") return decodeInput(part)
  const { data, format } = part.input_audio
  const mediaType = format === "mp3" ? "audio/mpeg" : `audio/${format}`
  return { type: "audio", source: { type: "base64", data, mediaType }, format }
}

/** An input part that a tool result may contain too. */
export const decodeInput = (part: Wire.ResultPart): Chat.Text | Chat.Image | Chat.File => {
  switch (part.type) {
    case "input_text":
      return decodeText(part)
    case "input_image": {
      const { detail, file_id: id, image_url: url } = part
      const source: Chat.Source = Predicate.isString(id) ? { type: "id", id } : Media.fromUrl(url ?? "")
      const image = { type: "image" as const, source, ...decodeCache(part) }
      return Predicate.isString(detail) ? { ...image, detail } : image
    }
    case "input_file": {
      const file = { type: "file" as const, source: decodeFile(part), ...decodeCache(part) }
      return Predicate.isString(part.filename) ? { ...file, name: part.filename } : file
    }
  }
}

const decodeFile = ({
  file_data: data,
  file_id: id,
  file_url: url,
}: Extract<Wire.ResultPart, { readonly type: "input_file" }>): Chat.Source => {
  if (Predicate.isString(id)) return { type: "id", id }
  return Predicate.isString(url) ? { type: "url", url } : decodeData(data ?? "")
}

export const decodeText = (part: Wire.InputText): Chat.Text =>
  part.prompt_cache_breakpoint
    ? { type: "text", text: part.text, ...decodeCache(part) }
    : { type: "text", text: part.text }

/** A part of an earlier response. Some clients return it as an input part. */
export const decodeOutput = (part: Wire.AssistantPart): Chat.Text | Chat.Refusal => {
  switch (part.type) {
    case "input_text":
      return decodeText(part)
    case "refusal":
      return { type: "refusal", text: part.refusal }
    case "output_text": {
      const citations = Citations.decodeAll(part.annotations)
      return citations.length > 0 ? { type: "text", text: part.text, citations } : { type: "text", text: part.text }
    }
  }
}

const decodeCache = ({
  prompt_cache_breakpoint: hint,
}: Pick<Wire.InputText, "prompt_cache_breakpoint">): { cache?: Chat.CacheHint } => {
  if (hint === undefined || hint === null) return {}
  return { cache: Predicate.isString(hint.ttl) ? { ttl: hint.ttl } : {} }
}

/** A file's data is a `data:` URL, or bare base64, assumed to be a PDF. */
const decodeData = (data: string): Chat.Source => {
  const source = Media.fromUrl(data)
  return source.type === "base64" ? source : { type: "base64", mediaType: "application/pdf", data }
}

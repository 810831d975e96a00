/**
 * Content, block by block: a `Chat` part as a Messages content block.
 *
 * Every function here is total. What a block cannot say is found beforehand by `unsupported`, and a lesser loss is named
 * through `warn`.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Base64 from "effect/encoding/Base64"
import * as Json from "../Json.ts"
import type { Block, Part, Warn } from "../Lowering.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Citations from "./Citations.ts"
import { issuer } from "./Protocol.ts"

// ---------------------------------------------------------------------------------------------------------------------
// What cannot be said
// ---------------------------------------------------------------------------------------------------------------------

/** The feature this part needs and Messages lacks, if there is one. */
export const unsupported = (part: Part): string | undefined => {
  switch (part.type) {
    case "audio":
      return "audio"
    case "image":
      return foreignId(part.source)
    case "file":
      return foreignId(part.source) ?? undocumented(part.source)
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

/** Ids of uploaded files are worth nothing to another vendor. Anthropic's begin with `file_`, OpenAI's with `file-`. */
const foreignId = (source: Chat.Source): string | undefined =>
  source.type === "id" && !source.id.startsWith("file_") ? "another vendor's file id" : undefined

const undocumented = (source: Chat.Source): string | undefined => {
  if (source.type !== "base64" || source.mediaType === "application/pdf") return undefined
  if (!isText(source.mediaType)) return `documents of type ${source.mediaType}`
  return Result.isFailure(Base64.decodeString(source.data)) ? "documents that are not base64" : undefined
}

const isText = (mediaType: string): boolean => mediaType.startsWith("text/") || mediaType === "application/json"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** Adds this part to `blocks`, unless it is blank, which the API refuses, or cannot be shown to it, which is warned of. */
export const encode = (part: Part, blocks: Array<Block>, warn: Warn): void => {
  switch (part.type) {
    case "text":
      if (!blank(part.text)) blocks.push(encodeText(part, warn))
      return
    case "image":
      if (part.detail !== undefined && part.detail !== "auto") warn("the detail of an image")
      blocks.push(withCache({ type: "image", source: encodeSource(part.source) }, part.cache, warn))
      return
    case "file":
      blocks.push(encodeFile(part, warn))
      return
    case "reasoning":
      if (part.redacted?.issuer === issuer) blocks.push({ type: "redacted_thinking", data: part.redacted.value })
      else if (part.signature?.issuer === issuer) {
        blocks.push({ type: "thinking", thinking: part.text, signature: part.signature.value })
      } else warn("reasoning that is not signed by Anthropic, left out")
      return
    case "refusal":
      warn("a refusal, sent as text")
      if (!blank(part.text)) blocks.push({ type: "text", text: part.text })
      return
    case "tool-call":
      blocks.push(
        withCache(
          {
            type: "tool_use",
            id: ToolIds.fit(part.id, longestId),
            name: part.name,
            input: input(part.arguments, warn),
          },
          part.cache,
          warn,
        ),
      )
      return
    case "tool-result": {
      const content: Array<Block> = []
      for (const inner of part.content) encode(inner, content, warn)
      const block: Block = { type: "tool_result", tool_use_id: ToolIds.fit(part.id, longestId) }
      if (content.length > 0) block["content"] = content
      if (part.isError === true) block["is_error"] = true
      blocks.push(withCache(block, part.cache, warn))
      return
    }
    case "audio":
      return
  }
}

/** `cache_control`, where a hint was given: `5m` and `1h` are the times to live that the API knows. */
export const withCache = (block: Block, cache: Chat.CacheHint | undefined, warn: Warn): Block => {
  if (cache === undefined) return block
  const ttl = cache.ttl === "5m" || cache.ttl === "1h" ? cache.ttl : undefined
  if (cache.ttl !== undefined && ttl === undefined) warn("a cache hint's ttl other than 5m and 1h")
  block["cache_control"] = ttl === undefined ? { type: "ephemeral" } : { type: "ephemeral", ttl }
  return block
}

const blank = (text: string): boolean => !/\S/.test(text)

const encodeText = (part: Chat.Text, warn: Warn): Block => {
  const block: Block = { type: "text", text: part.text }
  if (part.citations !== undefined && part.citations.length > 0) {
    const citations = part.citations.flatMap((citation) => Citations.encode(citation) ?? [])
    if (citations.length < part.citations.length) warn("another vendor's citations")
    if (citations.length > 0) block["citations"] = citations
  }
  return withCache(block, part.cache, warn)
}

const encodeFile = (part: Chat.File, warn: Warn): Block => {
  const block: Block = { type: "document", source: encodeDocument(part.source) }
  if (part.name !== undefined) block["title"] = part.name
  if (part.context !== undefined) block["context"] = part.context
  if (part.citable === true) block["citations"] = { enabled: true }
  return withCache(block, part.cache, warn)
}

const encodeDocument = (source: Chat.Source): Block =>
  source.type === "base64" && isText(source.mediaType)
    ? { type: "text", media_type: "text/plain", data: Result.getOrElse(Base64.decodeString(source.data), () => "") }
    : encodeSource(source)

const encodeSource = (source: Chat.Source): Block => {
  switch (source.type) {
    case "url":
      return { type: "url", url: source.url }
    case "base64":
      return { type: "base64", media_type: source.mediaType, data: source.data }
    case "id":
      return { type: "file", file_id: source.id }
  }
}

/** The API sets no bound of its own; the same model on Bedrock does. */
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

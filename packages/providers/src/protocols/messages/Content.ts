/**
 * Converts content between `Chat` parts and Messages blocks.
 *
 * Every function is total. `unsupported` finds features that cannot be dropped; other losses are reported through
 * `warn`.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as CustomTools from "../CustomTools.ts"
import type { Block, Part, Warn } from "../Lowering.ts"
import * as Media from "../Media.ts"
import * as ToolArguments from "../ToolArguments.ts"
import * as ToolIds from "../ToolIds.ts"
import * as CacheControl from "./CacheControl.ts"
import * as Citations from "./Citations.ts"
import * as Documents from "./Documents.ts"
import { issuer } from "./Protocol.ts"
import * as TextPart from "../TextPart.ts"
import * as UserContent from "./UserContent.ts"
import * as MediaSource from "./MediaSource.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Unsupported
// ---------------------------------------------------------------------------------------------------------------------

/** The feature of this part that Messages does not support, if any. */
export const unsupported = (part: Media.Media): string | undefined => {
  switch (part.type) {
    case "audio":
      return "audio"
    case "image":
      return Media.foreignId(part.source, issuer) ?? unsupportedImage(part.source)
    case "file":
      return Media.foreignId(part.source, issuer) ?? Documents.unsupported(part.source)
  }
}

const unsupportedImage = (source: Chat.Source): string | undefined =>
  source.type === "base64" && !/^image\/(?:jpeg|png|gif|webp)$/.test(source.mediaType)
    ? `images of type ${source.mediaType}`
    : undefined

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** Adds a part to `blocks`. Blank text is left out, as the API rejects it; what cannot be sent is reported. */
export const encode = (part: Part, blocks: Array<Block>, warn: Warn): void => {
  switch (part.type) {
    case "text":
      if (!blank(part.text)) blocks.push(encodeText(part, warn))
      return
    case "image":
      if (part.detail !== undefined && part.detail !== "auto") warn("image detail")
      blocks.push(CacheControl.encode({ type: "image", source: MediaSource.encode(part.source) }, part.cache, warn))
      return
    case "file":
      blocks.push(Documents.encode(part, warn))
      return
    case "reasoning":
      if (part.redacted?.issuer === issuer) blocks.push({ type: "redacted_thinking", data: part.redacted.value })
      else if (part.signature?.issuer === issuer) {
        blocks.push({ type: "thinking", thinking: part.text, signature: part.signature.value })
      } else warn("reasoning not signed by Anthropic, left out")
      return
    case "refusal":
      warn("a refusal, sent as text")
      if (!blank(part.text)) blocks.push({ type: "text", text: part.text })
      return
    case "tool-call":
      blocks.push(
        CacheControl.encode(
          {
            type: "tool_use",
            id: part.id,
            name: part.name,
            input: ToolArguments.toObject(CustomTools.argumentsOf(part), warn),
          },
          part.cache,
          warn,
        ),
      )
      return
    case "tool-result": {
      const content: Array<Block> = []
      for (const inner of part.content) encode(inner, content, warn)
      const block: Block = { type: "tool_result", tool_use_id: part.id }
      if (content.length > 0) block["content"] = content
      if (part.isError === true) block["is_error"] = true
      blocks.push(CacheControl.encode(block, part.cache, warn))
      return
    }
    case "audio":
      return
  }
}

const blank = (text: string): boolean => !/\S/.test(text)

const encodeText = (part: Chat.Text, warn: Warn): Block => {
  const block: Block = { type: "text", text: part.text }
  if (part.citations !== undefined && part.citations.length > 0) {
    const citations = part.citations.flatMap((citation) => Citations.encode(citation) ?? [])
    if (citations.length < part.citations.length) warn("another vendor's citations")
    if (citations.length > 0) block["citations"] = citations
  }
  return CacheControl.encode(block, part.cache, warn)
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** The parts of a block. Blocks of Anthropic's own are reported. */
export const decodeMedia = (block: Wire.MediaBlock, warn: Warn): ReadonlyArray<UserContent.MediaPart> => {
  switch (block.type) {
    case "text":
      return [UserContent.decodeText(block)]
    case "image":
      return [UserContent.decodeImage(block)]
    case "document":
      return Documents.decode(block, warn)
    case "search_result":
      return [Documents.decodeSearchResult(block, warn)]
    case "other":
      warn(other(block.name))
      return []
  }
}

/** The name of a block without a counterpart in `Chat`, for reports. */
export const other = (type: string): string => `content of type ${type}`

/** A call, with the id and signature as issued. */
export const decodeCall = ({ cache_control, id, input, name }: Wire.ToolUse): Chat.ToolCall => ({
  type: "tool-call",
  ...ToolIds.read(id),
  name,
  arguments: ToolArguments.toText(input),
  ...CacheControl.decode(cache_control),
})

export const decodeResult = (block: Wire.ToolResult, warn: Warn): Chat.ToolResult => ({
  type: "tool-result",
  id: ToolIds.read(block.tool_use_id).id,
  content: Predicate.isString(block.content)
    ? TextPart.fromString(block.content)
    : (block.content ?? []).flatMap((inner) => decodeMedia(inner, warn)),
  ...(block.is_error === true ? { isError: true } : undefined),
  ...CacheControl.decode(block.cache_control),
})

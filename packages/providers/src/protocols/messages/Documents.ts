/**
 * Documents. The API supports PDFs and text. A client may also send a document as blocks, and results of its own
 * search.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Base64 from "effect/encoding/Base64"
import type { Block, Warn } from "../Lowering.ts"
import * as TextDocument from "../TextDocument.ts"
import * as CacheControl from "./CacheControl.ts"
import * as UserContent from "./UserContent.ts"
import * as MediaSource from "./MediaSource.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** The feature of this document that the API does not support, if any. */
export const unsupported = (source: Chat.Source): string | undefined => {
  if (source.type !== "base64" || source.mediaType === "application/pdf") return undefined
  if (!TextDocument.isText(source.mediaType)) return `documents of type ${source.mediaType}`
  return TextDocument.read(source) === undefined ? "documents that are not base64" : undefined
}

export const encode = (part: Chat.File, warn: Warn): Block => {
  const block: Block = { type: "document", source: encodeSource(part.source) }
  if (part.name !== undefined) block["title"] = part.name
  if (part.context !== undefined) block["context"] = part.context
  if (part.citable === true) block["citations"] = { enabled: true }
  return CacheControl.encode(block, part.cache, warn)
}

const encodeSource = (source: Chat.Source): Block => {
  const data = TextDocument.read(source)
  return data === undefined ? MediaSource.encode(source) : { type: "text", media_type: "text/plain", data }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** A document. One made of blocks that contain images becomes those blocks, under its title. */
export const decode = (block: Wire.Document, warn: Warn): ReadonlyArray<UserContent.MediaPart> => {
  const { cache_control, citations, context, source, title } = block
  const named = Predicate.isString(title) ? title : undefined
  const file = (source: Chat.Source): ReadonlyArray<UserContent.MediaPart> => [
    {
      type: "file",
      source,
      ...(named === undefined ? undefined : { name: named }),
      ...(Predicate.isString(context) ? { context } : undefined),
      ...(citations?.enabled === true ? { citable: true } : undefined),
      ...CacheControl.decode(cache_control),
    },
  ]
  switch (source.type) {
    case "base64":
    case "url":
    case "file":
      return file(MediaSource.decode(source))
    case "text":
      return file(text(source.data))
    case "content": {
      if (Predicate.isString(source.content)) return file(text(source.content))
      if (source.content.every((inner) => inner.type === "text")) {
        return file(text(source.content.map(({ text }) => text).join("\n")))
      }
      if (citations?.enabled === true) warn("document citations")
      const heading = [named, Predicate.isString(context) ? context : undefined].filter((line) => line !== undefined)
      return CacheControl.mark(
        [
          ...(heading.length === 0 ? [] : [{ type: "text" as const, text: heading.join("\n") }]),
          ...source.content.map((inner) =>
            inner.type === "text" ? UserContent.decodeText(inner) : UserContent.decodeImage(inner),
          ),
        ],
        cache_control,
      )
    }
  }
}

/** A result of the client's own search, as text with its source. */
export const decodeSearchResult = (block: Wire.SearchResult, warn: Warn): Chat.Text => {
  if (block.citations?.enabled === true) warn("search result citations")
  const text = [`${block.title} (${block.source})`, ...block.content.map(({ text }) => text)].join("\n")
  return { type: "text", text, ...CacheControl.decode(block.cache_control) }
}

const text = (data: string): Chat.Source => ({ type: "base64", mediaType: "text/plain", data: Base64.encode(data) })

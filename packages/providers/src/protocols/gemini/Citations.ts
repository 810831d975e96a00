/**
 * Citations of Gemini: `groundingMetadata` has pages and the text ranges that each supports; `citationMetadata` has
 * recited sources. Both count in bytes, `Chat` counts in characters.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Block } from "../Lowering.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** The citations of a candidate, as positions in its complete text. `text` is only called if there are any. */
export const decode = (candidate: Fields, text: () => string): ReadonlyArray<Chat.Citation> => {
  const { citationMetadata, groundingMetadata } = candidate
  if (!Predicate.isObject(citationMetadata) && !Predicate.isObject(groundingMetadata)) return none
  const { groundingChunks, groundingSupports } = Json.fields(groundingMetadata)
  const { citationSources, citations } = Json.fields(citationMetadata)
  const sources = Json.list(groundingChunks).map(sourceOf)
  const toCharacter = characters(text())
  const cited = new Set<number>()
  const found: Array<Chat.Citation> = []
  const add = (source: Chat.Citation["source"] | undefined, segment: Fields) => {
    if (source === undefined) return
    const end = Json.number(segment["endIndex"])
    const start = Json.number(segment["startIndex"]) ?? 0
    found.push(
      end === undefined ? { source } : { source, supports: { start: toCharacter(start), end: toCharacter(end) } },
    )
  }
  for (const support of Json.list(groundingSupports).map(Json.fields)) {
    for (const index of Json.list(support["groundingChunkIndices"])) {
      if (!Predicate.isNumber(index)) continue
      cited.add(index)
      add(sources[index], Json.fields(support["segment"]))
    }
  }
  for (const [index, source] of sources.entries()) if (!cited.has(index)) add(source, {})
  for (const recited of Json.list(citationSources ?? citations).map(Json.fields)) add(page(recited), recited)
  return found
}

const none: ReadonlyArray<Chat.Citation> = []

/** `undefined` if it does not name a page. */
const sourceOf = (chunk: unknown): Chat.Citation["source"] | undefined => {
  const { maps, retrievedContext, web } = Json.fields(chunk)
  return page(Json.fields(web ?? retrievedContext ?? maps))
}

const page = ({ title, uri }: Fields): Chat.Citation["source"] | undefined => {
  const url = Json.nonEmptyString(uri)
  const pageTitle = Json.nonEmptyString(title)
  return url === undefined
    ? undefined
    : { type: "url", url, ...(pageTitle === undefined ? undefined : { title: pageTitle }) }
}

/** Converts a byte position to a character position. */
const characters = (text: string): ((byte: number) => number) => {
  const bytes = Buffer.from(text)
  return bytes.length === text.length ? (byte) => byte : (byte) => bytes.subarray(0, byte).toString().length
}

/**
 * The content with each citation at the text it supports, else at the last text. Positions are relative to that text.
 */
export const attach = (
  content: ReadonlyArray<Chat.AssistantContent>,
  citations: ReadonlyArray<Chat.Citation>,
): ReadonlyArray<Chat.AssistantContent> => {
  if (citations.length === 0) return content
  const last = content.findLastIndex(({ type }) => type === "text")
  let from = 0
  return content.map((part, index) => {
    if (part.type !== "text") return part
    const [start, end] = [from, from + part.text.length]
    from = end
    const own = citations.flatMap((citation) => {
      const { supports } = citation
      if (supports === undefined) return index === last ? [citation] : []
      if (supports.start < start || (supports.start >= end && index !== last)) return []
      return [{ ...citation, supports: { start: supports.start - start, end: supports.end - start } }]
    })
    return own.length === 0 ? part : { ...part, citations: own }
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** The citation fields of a candidate; no fields if there are none. `citations` are positions in `text`. */
export const encode = (citations: ReadonlyArray<Chat.Citation>, text: string): Block => {
  if (citations.length === 0) return {}
  const indexes = new Map<string, number>()
  const chunks: Array<Block> = []
  const supports: Array<Block> = []
  for (const { quote, source, supports: range } of citations) {
    const key = JSON.stringify([source, source.type === "document" ? quote : undefined])
    let index = indexes.get(key)
    if (index === undefined) {
      index = chunks.push(encodeSource(source, quote)) - 1
      indexes.set(key, index)
    }
    if (range === undefined) continue
    const segment = {
      startIndex: Buffer.byteLength(text.slice(0, range.start)),
      endIndex: Buffer.byteLength(text.slice(0, range.end)),
      text: text.slice(range.start, range.end),
    }
    supports.push({ segment, groundingChunkIndices: [index] })
  }
  return {
    groundingMetadata: {
      groundingChunks: chunks,
      ...(supports.length === 0 ? undefined : { groundingSupports: supports }),
    },
  }
}

const encodeSource = (source: Chat.Citation["source"], quote: string | undefined): Block => {
  const title = source.title === undefined ? undefined : { title: source.title }
  return source.type === "url"
    ? { web: { uri: source.url, ...title } }
    : {
        retrievedContext: {
          title: `Document ${source.index + 1}`,
          ...title,
          ...(quote === undefined ? {} : { text: quote }),
        },
      }
}

/**
 * Citations, as Gemini has them beside an answer: `groundingMetadata`, with pages and which stretches of the text each
 * supports, and `citationMetadata`, with what was recited. Both count in bytes, `Chat` in characters.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Block } from "../Lowering.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** What a candidate cites, by positions in its whole text, which is asked for only if there is anything. */
export const decode = (candidate: Fields, text: () => string): ReadonlyArray<Chat.Citation> => {
  const { citationMetadata, groundingMetadata } = candidate
  if (!Predicate.isObject(citationMetadata) && !Predicate.isObject(groundingMetadata)) return none
  const { groundingChunks, groundingSupports } = Json.fields(groundingMetadata)
  const { citationSources, citations } = Json.fields(citationMetadata)
  const sources = Json.list(groundingChunks).map(sourceOf)
  const at = characters(text())
  const cited = new Set<number>()
  const found: Array<Chat.Citation> = []
  const add = (source: Chat.Citation["source"] | undefined, segment: Fields) => {
    if (source === undefined) return
    const end = Json.number(segment["endIndex"])
    const start = Json.number(segment["startIndex"]) ?? 0
    found.push(end === undefined ? { source } : { source, supports: { start: at(start), end: at(end) } })
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

/** `undefined` for one that names no page. */
const sourceOf = (chunk: unknown): Chat.Citation["source"] | undefined => {
  const { maps, retrievedContext, web } = Json.fields(chunk)
  return page(Json.fields(web ?? retrievedContext ?? maps))
}

const page = ({ title, uri }: Fields): Chat.Citation["source"] | undefined => {
  const url = Json.nonEmptyString(uri)
  const named = Json.nonEmptyString(title)
  return url === undefined ? undefined : { type: "url", url, ...(named === undefined ? undefined : { title: named }) }
}

/** From a position in a text's bytes to one in its characters. */
const characters = (text: string): ((byte: number) => number) => {
  const bytes = Buffer.from(text)
  return bytes.length === text.length ? (byte) => byte : (byte) => bytes.subarray(0, byte).toString().length
}

/** The content with each citation at the text it supports, or the last: positions are then that text's own. */
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

/** Citations as a candidate has them, for a text of which these are positions; no fields where there are none. */
export const encode = (citations: ReadonlyArray<Chat.Citation>, text: string): Block => {
  if (citations.length === 0) return {}
  const indexes = new Map<string, number>()
  const chunks: Array<Block> = []
  const supports: Array<Block> = []
  for (const { quote, source, supports: stretch } of citations) {
    const key = JSON.stringify([source, source.type === "document" ? quote : undefined])
    let index = indexes.get(key)
    if (index === undefined) {
      index = chunks.push(encodeSource(source, quote)) - 1
      indexes.set(key, index)
    }
    if (stretch === undefined) continue
    const segment = {
      startIndex: Buffer.byteLength(text.slice(0, stretch.start)),
      endIndex: Buffer.byteLength(text.slice(0, stretch.end)),
      text: text.slice(stretch.start, stretch.end),
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

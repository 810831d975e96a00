/**
 * Citations, as Responses has them: `annotations` of an output text, of which those that name a page are understood. Its
 * own files (`file_citation` and the like) are known to nobody else, and travel as they came.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"

/** `undefined` for one that names no page. */
export const decode = (annotation: unknown): Chat.Citation | undefined => {
  const { end_index: end, start_index: start, title, type, url } = Json.fields(annotation)
  if (type !== "url_citation" || !Predicate.isString(url)) return undefined
  return {
    source: { type: "url", url, ...(Predicate.isString(title) ? { title } : undefined) },
    ...supports(Json.integer(start), Json.integer(end)),
  }
}

const supports = (start: number | undefined, end: number | undefined): Pick<Chat.Citation, "supports"> | undefined =>
  start === undefined || end === undefined ? undefined : { supports: { start, end } }

/** Those of `annotations` that are understood. */
export const decodeAll = (annotations: unknown): ReadonlyArray<Chat.Citation> =>
  Json.list(annotations).flatMap((each) => decode(each) ?? [])

/** `undefined` for one that cannot be said. One that does not say what it supports supports all of `length` characters. */
export const encode = ({ source, supports }: Chat.Citation, length: number): Block | undefined => {
  if (source.type !== "url") return undefined
  return {
    type: "url_citation",
    start_index: Json.integer(supports?.start) ?? 0,
    end_index: Json.integer(supports?.end) ?? length,
    url: source.url,
    title: source.title ?? source.url,
  }
}

/** One that this protocol's own upstream said of a text of that length, with all that is due; `undefined` for none. */
export const complete = (annotation: unknown, length: number): Block | undefined => {
  const said = Json.fields(annotation)
  if (said["type"] !== "url_citation") return Predicate.isString(said["type"]) ? { ...said } : undefined
  const citation = decode(said)
  return citation && { ...said, ...encode(citation, length) }
}

/** Those that can be said of a text. */
export const encodeAll = ({ citations, text }: Chat.Text): ReadonlyArray<Block> =>
  (citations ?? []).map((each) => encode(each, text.length)).filter((block) => block !== undefined)

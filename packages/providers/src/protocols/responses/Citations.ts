/**
 * Citations of Responses: the `annotations` of an output text. Those that name a page are decoded. Citations of
 * OpenAI's files (`file_citation` and the like) are passed on unchanged.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"

/** `undefined` if the annotation does not name a page. */
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

/** The annotations that name a page. */
export const decodeAll = (annotations: unknown): ReadonlyArray<Chat.Citation> =>
  Json.list(annotations).flatMap((each) => decode(each) ?? [])

/** `undefined` for a citation of a document. One without a range covers all `length` characters. */
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

/**
 * Completes an annotation from an upstream of this protocol, for a text of that length; `undefined` if it is not one.
 */
export const complete = (annotation: unknown, length: number): Block | undefined => {
  const wire = Json.fields(annotation)
  if (wire["type"] !== "url_citation") return Predicate.isString(wire["type"]) ? { ...wire } : undefined
  const citation = decode(wire)
  return citation && { ...wire, ...encode(citation, length) }
}

/** The annotations of a text. */
export const encodeAll = ({ citations, text }: Chat.Text): ReadonlyArray<Block> =>
  (citations ?? []).map((each) => encode(each, text.length)).filter((block) => block !== undefined)

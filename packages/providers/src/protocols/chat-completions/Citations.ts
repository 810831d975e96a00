/**
 * Citations, as Chat Completions has them: `annotations` that name a page. It has no word for documents.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"

/** `undefined` for one that names no page. */
export const decode = (annotation: unknown): Chat.Citation | undefined => {
  if (!Predicate.isObject(annotation)) return undefined
  const { end_index: end, start_index: start, title, url } = Json.fields(annotation["url_citation"])
  if (!Predicate.isString(url)) return undefined
  return {
    source: { type: "url", url, ...(Predicate.isString(title) ? { title } : undefined) },
    ...(Predicate.isNumber(start) && Predicate.isNumber(end) ? { supports: { start, end } } : undefined),
  }
}

/**
 * Of a text that begins at `start` of the content and ends at `end`. `undefined` for one that cannot be said: clients look
 * for the page, and break where there is none.
 */
export const encode = ({ source, supports }: Chat.Citation, start: number, end: number): Block | undefined => {
  if (source.type !== "url") return undefined
  return {
    type: "url_citation",
    url_citation: {
      url: source.url,
      title: source.title ?? source.url,
      start_index: supports === undefined ? start : start + supports.start,
      end_index: supports === undefined ? end : start + supports.end,
    },
  }
}

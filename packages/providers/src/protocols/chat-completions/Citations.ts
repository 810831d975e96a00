/** Citations of Chat Completions: `annotations` that refer to a web page. Documents cannot be cited. */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"

/** `undefined` if the annotation does not refer to a page. */
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
 * The annotation of a text between `start` and `end` of the content. `undefined` for a citation of a document: clients
 * require a page.
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

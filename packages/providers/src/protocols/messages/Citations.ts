/**
 * Citations of Messages: the `citations` of a text block, each with its quote and its location in a document or on a
 * page.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"
import { protocol } from "./Protocol.ts"

type Unit = NonNullable<Chat.Citation["range"]>["unit"]

/** The fields of each kind of location. */
const locations: Readonly<Record<Unit, readonly [type: string, start: string, end: string]>> = {
  character: ["char_location", "start_char_index", "end_char_index"],
  page: ["page_location", "start_page_number", "end_page_number"],
  block: ["content_block_location", "start_block_index", "end_block_index"],
}

/** `undefined` for an unknown kind. */
export const decode = (citation: unknown): Chat.Citation | undefined => {
  if (!Predicate.isObject(citation)) return undefined
  const {
    cited_text: quote,
    document_index: index,
    document_title: documentTitle,
    source: page,
    title: pageTitle,
    url,
  } = citation
  const title = Json.nonEmptyString(pageTitle) ?? Json.nonEmptyString(documentTitle)
  const address = Json.nonEmptyString(url) ?? Json.nonEmptyString(page)
  const source: Chat.Citation["source"] | undefined = Predicate.isNumber(index)
    ? { type: "document", index, ...(title === undefined ? undefined : { title }) }
    : address === undefined
      ? undefined
      : { type: "url", url: address, ...(title === undefined ? undefined : { title }) }
  if (source === undefined) return undefined
  const range = decodeRange(citation)
  const isOwn = citation["encrypted_index"] !== ""
  return {
    source,
    ...(Predicate.isString(quote) ? { quote } : undefined),
    ...(range === undefined ? undefined : { range }),
    ...(isOwn ? { vendor: { [protocol]: citation } } : undefined),
  }
}

const decodeRange = (citation: Json.Fields): Chat.Citation["range"] => {
  for (const unit of ["character", "page", "block"] as const) {
    const [, from, to] = locations[unit]
    const [start, end] = [citation[from], citation[to]]
    if (Predicate.isNumber(start) && Predicate.isNumber(end)) return { unit, start, end }
  }
  return undefined
}

/**
 * The citation for the API. `undefined` for a page of another vendor's search: the API requires its own proof of one.
 */
export const encode = (citation: Chat.Citation): Block | undefined =>
  citation.source.type === "url" ? citation.vendor?.[protocol] : encodeForClient(citation)

/** The citation for a client. A page of another vendor's search has no proof: see `ForeignContent`. */
export const encodeForClient = ({ quote, range, source, vendor }: Chat.Citation): Block => {
  const own = vendor?.[protocol]
  if (own !== undefined) return own
  if (source.type === "url") {
    const { title, url } = source
    return {
      type: "web_search_result_location",
      cited_text: quote ?? "",
      url,
      title: title ?? null,
      encrypted_index: "",
    }
  }
  const { end, start, unit } = range ?? { unit: "block", start: 0, end: 1 }
  const [type, from, to] = locations[unit]
  return {
    type,
    cited_text: quote ?? "",
    document_index: source.index,
    document_title: source.title ?? null,
    [from]: start,
    [to]: end,
  }
}

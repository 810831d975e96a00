/** Citations of Converse: `citationsContent`, text with its sources. */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"
import { protocol } from "./Protocol.ts"

type Unit = NonNullable<Chat.Citation["range"]>["unit"]

const locations: Readonly<Record<Unit, string>> = {
  character: "documentChar",
  page: "documentPage",
  block: "documentChunk",
}

/** `undefined` if the location is unknown. */
export const decode = (citation: unknown): Chat.Citation | undefined => {
  if (!Predicate.isObject(citation)) return undefined
  const { location, sourceContent, title: wireTitle } = citation
  const title = Json.nonEmptyString(wireTitle)
  const wireLocation = Json.fields(location)
  const quote = Json.list(sourceContent)
    .map((piece) => Json.string(Json.fields(piece)["text"]))
    .join("")
  const found = decodeLocation(wireLocation, title)
  return found === undefined
    ? undefined
    : { ...found, ...(quote === "" ? undefined : { quote }), vendor: { [protocol]: citation } }
}

const decodeLocation = (
  wireLocation: Json.Fields,
  title: string | undefined,
): Pick<Chat.Citation, "source" | "range"> | undefined => {
  const titled = title === undefined ? undefined : { title }
  const url = Json.nonEmptyString(Json.fields(wireLocation["web"])["url"])
  if (url !== undefined) return { source: { type: "url", url, ...titled } }
  for (const unit of ["character", "page", "block"] as const) {
    const { documentIndex: index, end, start } = Json.fields(wireLocation[locations[unit]])
    if (!Predicate.isNumber(index)) continue
    return {
      source: { type: "document", index, ...titled },
      ...(Predicate.isNumber(start) && Predicate.isNumber(end) ? { range: { unit, start, end } } : undefined),
    }
  }
  return undefined
}

export const encode = ({ quote, range, source, vendor }: Chat.Citation): Block => {
  const own = vendor?.[protocol]
  if (own !== undefined) return own
  const { end, start, unit } = range ?? { unit: "block", start: 0, end: 1 }
  return {
    ...(source.title === undefined ? undefined : { title: source.title }),
    ...(quote === undefined ? undefined : { sourceContent: [{ text: quote }] }),
    location:
      source.type === "url"
        ? { web: { url: source.url } }
        : { [locations[unit]]: { documentIndex: source.index, start, end } },
  }
}

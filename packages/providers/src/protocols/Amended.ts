/**
 * An answer that goes out as it came, but for the few things that its client relies on and that it says otherwise.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Json from "./Json.ts"
import * as JsonText from "./JsonText.ts"

/**
 * The answer of `protocol` in `text`, whose JSON `body` is. `amend` gives what its client may read, or the very body: what it
 * keeps stays as it is written.
 */
export const native = (
  protocol: string,
  text: string,
  body: Json.Fields,
  amend: (body: Json.Fields) => Json.Fields,
): Chat.NativeResponse => {
  if (amend(body) === body) return { protocol, text, body }
  const source = Json.fields(Json.parseExact(text))
  const told = amend(source)
  return { protocol, text: JsonText.print(told, source), body }
}

/** The same of an event's data. */
export const data = (text: string, amend: (body: Json.Fields) => Json.Fields): string => {
  const source = Json.fields(Json.parseExact(text))
  const told = amend(source)
  return told === source ? text : JsonText.print(told, source)
}

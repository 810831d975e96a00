/**
 * Passes a provider's response on to a client of its protocol, corrected only where the client's SDK relies on a field
 * that the response lacks or has differently.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Json from "./Json.ts"
import * as JsonText from "./JsonText.ts"

/**
 * The response `text` of `protocol`, whose parsed JSON is `body`. `amend` returns the corrected body, or `body` itself.
 * Everything that `amend` keeps stays as written.
 */
export const native = (
  protocol: string,
  text: string,
  body: Json.Fields,
  amend: (body: Json.Fields) => Json.Fields,
): Chat.NativeResponse => {
  if (amend(body) === body) return { protocol, text, body }
  const source = Json.fields(Json.parseExact(text))
  const amended = amend(source)
  return { protocol, text: JsonText.print(amended, source), body }
}

/** The corrected data of one event: see `native`. */
export const data = (text: string, amend: (body: Json.Fields) => Json.Fields): string => {
  const source = Json.fields(Json.parseExact(text))
  const amended = amend(source)
  return amended === source ? text : JsonText.print(amended, source)
}

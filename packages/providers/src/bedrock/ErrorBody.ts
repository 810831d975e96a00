/**
 * The body of an error as the SDK may parse it: an object with the strings and integers that stand directly in it. Errors of
 * Bedrock consist of nothing else.
 *
 * The SDK also keeps numbers that JavaScript would round, digit by digit. That may take it long, and every other call waits.
 */
import * as Predicate from "effect/Predicate"
import * as Json from "../protocols/Json.ts"

/** The JSON to give to the SDK; text that is not JSON where `text` is none, or more than is parsed. */
export const make = (text: string): string => {
  if (text === "") return text
  const body = Json.parse(text)
  if (body === undefined) return notJson
  return JSON.stringify(Object.fromEntries(Object.entries(Json.fields(body)).filter(isKept)))
}

const isKept = ([, value]: readonly [string, unknown]): boolean =>
  Predicate.isString(value) || Number.isSafeInteger(value)

/** The SDK then reports a `SyntaxError` with the status of the answer. */
const notJson = "-"

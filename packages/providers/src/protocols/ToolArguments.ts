/**
 * The arguments of a tool call as an object, for protocols that have them as an object. Arguments that are not one are
 * sent under `INVALID_JSON`, as Anthropic's documentation of fine-grained tool streaming advises.
 */
import * as Predicate from "effect/Predicate"
import * as Json from "./Json.ts"
import type { Warn } from "./Lowering.ts"

const invalid = "INVALID_JSON"

/** The object written in `text`; `{}` if it is blank. */
export const toObject = (text: string, warn: Warn): unknown => {
  if (!/\S/.test(text)) return {}
  const value = Json.parseExact(text)
  if (Json.isObject(value)) return value
  warn(`tool call arguments that are not a JSON object, sent as ${invalid}`)
  return { [invalid]: text }
}

/** The JSON text of an object from `toObject`: the original text if it was not an object. */
export const toText = (input: unknown): string => {
  if (Predicate.isObject(input) && invalid in input && Object.keys(input).length === 1) {
    const original: unknown = input[invalid]
    if (Predicate.isString(original)) return original
  }
  return JSON.stringify(input ?? {})
}

/**
 * The strings of a JSON document, changed where they stand: in its text, so that everything else stays as it was written,
 * digit by digit; or in a value, which is the same one where nothing is changed.
 */
import * as Predicate from "effect/Predicate"
import * as Json from "./Json.ts"

/** What a string is to be, by the name of the field, or of the list's field, that it is in. */
export type Change = (name: string, value: string) => string

/** The text with its strings changed, names of fields left alone. */
export const inText = (text: string, change: Change): string => {
  let name = ""
  return text.replace(strings, (literal: string, colon: string | undefined) => {
    const written = colon === undefined ? literal : literal.slice(0, -colon.length)
    const value = read(written)
    if (colon !== undefined) {
      name = value
      return literal
    }
    const changed = change(name, value)
    return changed === value ? literal : JSON.stringify(changed)
  })
}

/** A string, and the colon where it names a field. */
const strings = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/gs

const read = (literal: string): string =>
  literal.includes("\\") ? Json.string(Json.parse(literal)) : literal.slice(1, -1)

/** The value with its strings changed, but for what `opaque` keeps: see there. */
export const inValue = (value: unknown, change: Change, name = ""): unknown => {
  if (Predicate.isString(value)) return change(name, value)
  if (Array.isArray(value)) {
    let list: Array<unknown> | undefined
    for (let at = 0; at < value.length; at++) {
      const item = inValue(value[at], change, name)
      if (item !== value[at]) (list ??= [...value])[at] = item
    }
    return list ?? value
  }
  if (!Predicate.isObject(value)) return value
  let fields: Record<PropertyKey, unknown> | undefined
  for (const [field, inner] of Object.entries(value)) {
    const changed = isOpaque(field, inner) ? inner : inValue(inner, change, field)
    if (changed !== inner) (fields ??= { ...value })[field] = changed
  }
  return fields ?? value
}

/** What stands under these is the caller's own, or its tool's: schemas, arguments, results. */
const opaque: ReadonlySet<string> = new Set([
  "args",
  "arguments",
  "input_schema",
  "labels",
  "metadata",
  "parameters",
  "parametersJsonSchema",
  "parameters_json_schema",
  "response",
  "schema",
])

/** A call's `input` is one object; that of a request is its conversation. */
const isOpaque = (field: string, value: unknown): boolean =>
  opaque.has(field) || (field === "input" && !Array.isArray(value))

/**
 * Replaces strings of a JSON document: in its text, where everything else stays byte for byte, or in a value, which is
 * returned unchanged if no string changes.
 */
import * as Predicate from "effect/Predicate"
import * as Json from "./Json.ts"

/** The new value of a string. `name` is the field that contains it, directly or in an array. */
export type Change = (name: string, value: string) => string

/** The text with its strings replaced, except field names. */
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

/** A string, and the colon after it if it is a field name. */
const strings = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/gs

const read = (literal: string): string =>
  literal.includes("\\") ? Json.string(Json.parse(literal)) : literal.slice(1, -1)

/** The value with its strings replaced, except in `opaque` fields. */
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

/** Fields that contain the client's or a tool's own data: schemas, arguments, results. */
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

/** A tool call's `input` is an object; a request's `input` is its conversation. */
const isOpaque = (field: string, value: unknown): boolean =>
  opaque.has(field) || (field === "input" && !Array.isArray(value))

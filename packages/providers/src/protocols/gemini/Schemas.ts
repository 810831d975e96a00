/**
 * Converts `Schema`, Google's dialect of OpenAPI for functions and responses, to JSON Schema. Requests to Google use
 * JSON Schema, which the API accepts too.
 */
import * as Predicate from "effect/Predicate"
import * as ExactNumber from "../ExactNumber.ts"

type Schema = Record<string, unknown>

/** Counts are strings, like all 64-bit numbers in Google's JSON. */
const counts: ReadonlySet<string> = new Set([
  "minItems",
  "maxItems",
  "minLength",
  "maxLength",
  "minProperties",
  "maxProperties",
])

/** The JSON Schema of a `Schema`. */
export const toJsonSchema = (schema: unknown): Schema => {
  const out: Schema = {}
  for (const [name, value] of Object.entries(Predicate.isObject(schema) ? schema : {})) {
    switch (name) {
      case "nullable":
      case "propertyOrdering":
        break
      case "type":
        out["type"] = Predicate.isString(value) ? value.toLowerCase() : value
        break
      case "format":
        // Only announces an `enum`.
        if (value !== "enum") out["format"] = value
        break
      case "example":
        out["examples"] = [value]
        break
      case "items":
        out["items"] = toJsonSchema(value)
        break
      case "anyOf":
      case "prefixItems":
        out[name] = Array.isArray(value) ? value.map(toJsonSchema) : value
        break
      case "properties":
      case "$defs":
        out[name] = Predicate.isObject(value)
          ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJsonSchema(inner)]))
          : value
        break
      default:
        out[name] = counts.has(name) && Predicate.isString(value) ? ExactNumber.fromDigits(value) : value
    }
  }
  return Predicate.isObject(schema) && schema["nullable"] === true ? orNull(out) : out
}

const orNull = (schema: Schema): Schema => {
  const { anyOf, enum: values, type } = schema
  if (Array.isArray(anyOf)) return { ...schema, anyOf: [...anyOf, { type: "null" }] }
  return {
    ...schema,
    ...(Predicate.isString(type) ? { type: [type, "null"] } : undefined),
    ...(Array.isArray(values) ? { enum: [...values, null] } : undefined),
  }
}

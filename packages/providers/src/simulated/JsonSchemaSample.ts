/**
 * A small document that matches a JSON Schema, with values from a prompt and required properties only.
 *
 * Supports `$ref` within the schema, `const`, `enum`, `allOf`, `anyOf`, `oneOf`, types, formats and bounds. `pattern`, `not`
 * and `if` are only met by a `default` or an example. Recursive and very large schemas are cut off with `null`.
 */
import * as Predicate from "effect/Predicate"
import * as Json from "../protocols/Json.ts"
import type { Prompt } from "./Prompt.ts"

type Schema = Readonly<Record<string, unknown>>

/** A document for the schema. */
export const make = (schema: Schema, prompt: Prompt): unknown =>
  build(schema, "", 0, 0, { root: schema, prompt, left: 2_000 })

interface Context {
  readonly root: Schema
  readonly prompt: Prompt
  /** The number of values that may still be made. */
  left: number
}

const maxDepth = 32

/** A value for the property `name`. `nth` is its index among items that must differ. */
const build = (input: unknown, name: string, depth: number, nth: number, context: Context): unknown => {
  if (context.left-- <= 0 || depth > maxDepth) return null
  if (input === true) return words(name, nth, context.prompt)
  if (!Predicate.isObject(input)) return null
  const schema = flatten(input, depth, context)
  if ("const" in schema) return schema["const"]
  const ready = list(schema["enum"]) ?? list(schema["examples"])
  if (ready !== undefined) return ready[nth % ready.length]
  if ("default" in schema) return schema["default"]
  switch (typeOf(schema)) {
    case "object":
      return object(schema, depth, context)
    case "array":
      return array(schema, name, depth, context)
    case "number":
      return number(schema, nth, context.prompt, 0)
    case "integer":
      return number(schema, nth, context.prompt, 1)
    case "boolean":
      return nth % 2 === 0
    case "null":
      return null
    default:
      return string(schema, name, nth, context.prompt)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Composition
// ---------------------------------------------------------------------------------------------------------------------

/** The schema with its references, `allOf`, and one branch of each choice merged. */
const flatten = (schema: Schema, depth: number, context: Context): Schema => {
  const { $ref, allOf, anyOf, oneOf, ...own } = schema
  const branches = [
    ...(Predicate.isString($ref) ? [resolve($ref, context.root)] : []),
    ...(list(allOf) ?? []),
    ...[anyOf, oneOf].map((choice) => choose(list(choice) ?? [], depth)),
  ].filter(Predicate.isObject)
  if (branches.length === 0) return own
  if (context.left-- <= 0 || depth > maxDepth) return { const: null }
  return branches.reduce<Schema>((all, branch) => merge(all, flatten(branch, depth + 1, context)), own)
}

/** The first branch that is not `null`; below depth 4 `null` or a scalar, so that recursive schemas end. */
const choose = (branches: ReadonlyArray<unknown>, depth: number): unknown => {
  const found =
    depth <= 4
      ? branches.find((branch) => kind(branch) !== "null")
      : (branches.find((branch) => kind(branch) === "null") ?? branches.find((branch) => kind(branch) === "plain"))
  return found ?? branches[0]
}

const kind = (branch: unknown): "open" | "plain" | "null" => {
  if (!Predicate.isObject(branch) || "$ref" in branch) return "open"
  const type = typeOf(branch)
  if (type === "null") return "null"
  return type === "object" || type === "array" ? "open" : "plain"
}

const merge = (a: Schema, b: Schema): Schema => {
  const properties = { ...record(a["properties"]), ...record(b["properties"]) }
  const required = [...(list(a["required"]) ?? []), ...(list(b["required"]) ?? [])]
  return {
    ...a,
    ...b,
    ...("properties" in a || "properties" in b ? { properties } : undefined),
    ...(required.length === 0 ? undefined : { required }),
  }
}

/** The target of a JSON pointer in the schema; `{}` if it points elsewhere. */
const resolve = (ref: string, root: Schema): unknown => {
  if (!ref.startsWith("#")) return {}
  let at: unknown = root
  for (const step of ref.split("/").slice(1)) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~")
    at = (Predicate.isObject(at) || Array.isArray(at)) && Object.hasOwn(at, key) ? Reflect.get(at, key) : {}
  }
  return at
}

const typeOf = (schema: Schema): unknown => {
  const { type } = schema
  const named = Array.isArray(type) ? (type.find((type) => type !== "null") ?? "null") : type
  if (named !== undefined) return named
  const has = (...keys: ReadonlyArray<string>) => keys.some((key) => key in schema)
  if (has("properties", "required", "additionalProperties")) return "object"
  if (has("items", "prefixItems", "minItems")) return "array"
  return has("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf") ? "number" : "string"
}

// ---------------------------------------------------------------------------------------------------------------------
// Types
// ---------------------------------------------------------------------------------------------------------------------

const object = (schema: Schema, depth: number, context: Context): unknown => {
  const properties = record(schema["properties"])
  const names = new Set((list(schema["required"]) ?? []).filter(Predicate.isString))
  const min = bound(schema, "minProperties") ?? 0
  for (const name in properties) if (names.size < min) names.add(name)
  return Object.fromEntries(
    [...names].map((name) => {
      const own = Object.hasOwn(properties, name) ? properties[name] : (schema["additionalProperties"] ?? true)
      return [name, build(own, name, depth + 1, 0, context)]
    }),
  )
}

const array = (schema: Schema, name: string, depth: number, context: Context): ReadonlyArray<unknown> => {
  const first = list(schema["prefixItems"]) ?? []
  const length = Math.min(bound(schema, "minItems") ?? 0, Math.max(0, context.left))
  return Array.from({ length }, (_, nth) =>
    build(nth < first.length ? first[nth] : (schema["items"] ?? true), name, depth + 1, nth, context),
  )
}

/** A number of the prompt if it fits, else the smallest valid number, else 1. `grain` is 1 for whole numbers. */
const number = (schema: Schema, nth: number, prompt: Prompt, grain: number): number => {
  const step = bound(schema, "multipleOf") ?? grain
  const above = bound(schema, "exclusiveMinimum")
  const below = bound(schema, "exclusiveMaximum")
  const min = bound(schema, "minimum") ?? Number.NEGATIVE_INFINITY
  const max = bound(schema, "maximum") ?? Number.POSITIVE_INFINITY
  const fits = (value: number) =>
    value >= min &&
    value <= max &&
    (above === undefined || value > above) &&
    (below === undefined || value < below) &&
    (step === 0 || Number.isInteger(value / step))
  const gap = step === 0 ? 0.5 : step
  const floor = above === undefined ? min : Math.max(min, above)
  const ceiling = below === undefined ? max : Math.min(max, below)
  const onGrid = (value: number, round: (value: number) => number) => (step === 0 ? value : round(value / step) * step)
  const candidates = [
    ...prompt.numbers,
    1,
    0,
    onGrid(floor, Math.ceil),
    onGrid(floor, Math.ceil) + gap,
    onGrid(ceiling, Math.floor),
    onGrid(ceiling, Math.floor) - gap,
    (floor + ceiling) / 2,
  ].filter((value) => Number.isFinite(value) && fits(value))
  const value = candidates[0] ?? 1
  return fits(value + nth * gap) ? value + nth * gap : value
}

const formats: Readonly<Record<string, string>> = {
  "date-time": "2026-01-01T12:00:00Z",
  date: "2026-01-01",
  time: "12:00:00Z",
  duration: "PT1H",
  email: "someone@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com/",
  url: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000000",
}

const maxLength = 4_096

const string = (schema: Schema, name: string, nth: number, prompt: Prompt): string => {
  const { format } = schema
  if (Predicate.isString(format) && Object.hasOwn(formats, format)) return formats[format] ?? ""
  const min = Math.min(maxLength, bound(schema, "minLength") ?? 0)
  const max = bound(schema, "maxLength") ?? maxLength
  const text = words(name, nth, prompt)
  return [...text.padEnd(min, ".")].slice(0, max).join("")
}

/** The whole prompt for properties with names such as `query`, else the prompt's subject. */
const words = (name: string, nth: number, prompt: Prompt): string => {
  const takesPrompt = /query|question|prompt|text|message|content|input/i.test(name)
  const text = (takesPrompt ? prompt.text : prompt.subject).slice(0, maxLength)
  return nth === 0 ? text || "something" : `${nth + 1} ${text}`
}

const bound = (schema: Schema, key: string): number | undefined => {
  const value = Json.number(schema[key])
  return value !== undefined && Number.isFinite(value) ? value : undefined
}

const list = (value: unknown): ReadonlyArray<unknown> | undefined =>
  Array.isArray(value) && value.length > 0 ? value : undefined

const record = (value: unknown): Schema => (Predicate.isObject(value) ? value : {})

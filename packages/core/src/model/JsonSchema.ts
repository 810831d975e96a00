/**
 * A check of a value against a JSON Schema that a caller wrote. It finds real misses only: a keyword that it does not know
 * is met by every value.
 *
 * The schema comes from a caller, so no pattern of it is run, and the work of one check is limited. `effect/JsonSchema`
 * reads fewer schemas (none that refer to their root) and has no such limit.
 *
 * Source: json-schema.org, draft 2020-12, core (`$ref`) and validation.
 */
import * as Equal from "effect/Equal"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

/** The most steps that one check takes, and how deep it goes. Beyond either, a value is taken to fit. */
const limits = { steps: 200_000, depth: 256 }

/** The first place where a value misses the schema, such as `answer.items[2]: is not a string`; `undefined` where it fits. */
export const miss = (schema: unknown, value: unknown): string | undefined => {
  let steps = 0

  const check = (schema: unknown, value: unknown, path: string, depth: number): string | undefined => {
    if (++steps > limits.steps || depth > limits.depth) return undefined
    if (schema === false) return `${path}: is not allowed`
    if (!Predicate.isObject(schema)) return undefined
    const deeper = (schema: unknown, value: unknown, path: string) => check(schema, value, path, depth + 1)
    const { $ref, allOf, anyOf, oneOf } = schema as Keywords
    return (
      kind(schema, value, path) ??
      (Predicate.isString($ref) ? deeper(pointed($ref), value, path) : undefined) ??
      first(list(allOf), (each) => deeper(each, value, path)) ??
      // Of `oneOf` only that one holds is checked: that others do not depends on keywords that are not.
      some(list(anyOf), (each) => deeper(each, value, path)) ??
      some(list(oneOf), (each) => deeper(each, value, path)) ??
      within(schema, value, path, deeper)
    )
  }

  const pointed = (reference: string): unknown => {
    if (!reference.startsWith("#")) return true
    let found: unknown = schema
    for (const token of reference.slice(1).split("/").slice(1)) {
      const key = unescape(token)
      if (!Predicate.isObjectOrArray(found) || !Object.hasOwn(found, key)) return true
      found = (found as Readonly<Record<string, unknown>>)[key]
    }
    // `#name` is an anchor.
    return reference === "#" || reference.startsWith("#/") ? found : true
  }

  return check(schema, value, root, 0)
}

const root = "answer"

/** The key that a token of a pointer stands for. */
const unescape = (token: string): string =>
  Result.getOrElse(
    Result.try(() => decodeURIComponent(token)),
    () => token,
  )
    .replaceAll("~1", "/")
    .replaceAll("~0", "~")

type Keywords = Readonly<Record<string, unknown>>
type Deeper = (schema: unknown, value: unknown, path: string) => string | undefined

const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const first = <A>(all: ReadonlyArray<A>, miss: (each: A, index: number) => string | undefined): string | undefined => {
  for (const [index, each] of all.entries()) {
    const found = miss(each, index)
    if (found !== undefined) return found
  }
  return undefined
}

/** What the last of them misses, where none holds. */
const some = <A>(all: ReadonlyArray<A>, miss: (each: A) => string | undefined): string | undefined => {
  let found: string | undefined
  for (const each of all) {
    found = miss(each)
    if (found === undefined) return undefined
  }
  return found
}

/** What the value itself is, whatever it holds. */
const kind = ({ const: only, enum: words, type, ...rest }: Keywords, value: unknown, path: string) => {
  const types = Predicate.isString(type) ? [type] : list(type)
  if (types.length > 0 && !types.some((each) => is(each, value))) return `${path}: is not of type ${types.join(" or ")}`
  if (only !== undefined && !Equal.equals(only, value)) return `${path}: is not the one value that it may be`
  if (Array.isArray(words) && !words.some((each) => Equal.equals(each, value))) return `${path}: is none of its values`
  if (Predicate.isNumber(value)) return bounds(rest, value, path)
  if (Predicate.isString(value)) return between(rest["minLength"], rest["maxLength"], () => [...value].length, path)
  return undefined
}

const is = (type: unknown, value: unknown): boolean => {
  switch (type) {
    case "string":
      return Predicate.isString(value)
    case "number":
      return Predicate.isNumber(value)
    case "integer":
      return Predicate.isNumber(value) && Number.isInteger(value)
    case "boolean":
      return Predicate.isBoolean(value)
    case "null":
      return value === null
    case "array":
      return Array.isArray(value)
    case "object":
      return Predicate.isObject(value)
    default:
      return true
  }
}

const bounds = (
  { exclusiveMaximum, exclusiveMinimum, maximum, minimum, multipleOf }: Keywords,
  value: number,
  path: string,
) => {
  if (Predicate.isNumber(minimum) && value < minimum) return `${path}: is less than ${minimum}`
  if (Predicate.isNumber(maximum) && value > maximum) return `${path}: is more than ${maximum}`
  if (Predicate.isNumber(exclusiveMinimum) && value <= exclusiveMinimum)
    return `${path}: is not more than ${exclusiveMinimum}`
  if (Predicate.isNumber(exclusiveMaximum) && value >= exclusiveMaximum)
    return `${path}: is not less than ${exclusiveMaximum}`
  if (!Predicate.isNumber(multipleOf) || multipleOf <= 0) return undefined
  const times = value / multipleOf
  // 0.3 is a multiple of 0.1, though not to the last bit.
  return Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))
    ? `${path}: is no multiple of ${multipleOf}`
    : undefined
}

const between = (least: unknown, most: unknown, size: () => number, path: string): string | undefined => {
  if (Predicate.isNumber(least) && size() < least) return `${path}: is shorter than ${least}`
  if (Predicate.isNumber(most) && size() > most) return `${path}: is longer than ${most}`
  return undefined
}

/** What a list or an object holds. */
const within = (schema: Keywords, value: unknown, path: string, deeper: Deeper): string | undefined => {
  if (Array.isArray(value)) {
    const places = list(schema["prefixItems"])
    return (
      between(schema["minItems"], schema["maxItems"], () => value.length, path) ??
      first(value, (item, index) =>
        deeper(index < places.length ? places[index] : schema["items"], item, `${path}[${index}]`),
      )
    )
  }
  if (!Predicate.isObject(value)) return undefined
  const keys = Object.keys(value)
  const properties = Predicate.isObject(schema["properties"]) ? schema["properties"] : {}
  // Keys of a pattern are any keys, for no pattern is run.
  const others = "patternProperties" in schema ? true : schema["additionalProperties"]
  return (
    between(schema["minProperties"], schema["maxProperties"], () => keys.length, path) ??
    first(list(schema["required"]), (key) =>
      Predicate.isString(key) && !Object.hasOwn(value, key) ? `${path}: has no ${key}` : undefined,
    ) ??
    first(keys, (key) =>
      deeper(Object.hasOwn(properties, key) ? properties[key] : others, value[key], `${path}.${key}`),
    )
  )
}

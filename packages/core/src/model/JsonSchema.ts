/**
 * Validation of a value against a JSON Schema. It never reports a valid value: keywords that it does not know are ignored.
 *
 * The schema comes from a client, so its regular expressions are not run, and the work of one validation is limited.
 * `effect/JsonSchema` supports fewer schemas (none that refer to their root) and has no such limit.
 *
 * Source: json-schema.org, draft 2020-12, core (`$ref`) and validation.
 */
import * as Equal from "effect/Equal"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

/** The maximum steps and depth of one validation. Beyond either, the value is taken as valid. */
const limits = { steps: 200_000, depth: 256 }

/** The first violation of the schema, such as `answer.items[2]: is not of type string`; `undefined` for a valid value. */
export const violation = (schema: unknown, value: unknown): string | undefined => {
  let steps = 0

  const check = (schema: unknown, value: unknown, path: string, depth: number): string | undefined => {
    if (++steps > limits.steps || depth > limits.depth) return undefined
    if (schema === false) return `${path}: is not allowed`
    if (!Predicate.isObject(schema)) return undefined
    const deeper = (schema: unknown, value: unknown, path: string) => check(schema, value, path, depth + 1)
    const { $ref, allOf, anyOf, oneOf } = schema as Keywords
    return (
      checkValue(schema, value, path) ??
      (Predicate.isString($ref) ? deeper(resolve($ref), value, path) : undefined) ??
      first(list(allOf), (each) => deeper(each, value, path)) ??
      // `oneOf` is checked as `anyOf`: that no other alternative matches may depend on keywords that are ignored.
      some(list(anyOf), (each) => deeper(each, value, path)) ??
      some(list(oneOf), (each) => deeper(each, value, path)) ??
      checkContents(schema, value, path, deeper)
    )
  }

  const resolve = (reference: string): unknown => referenced(schema, reference) ?? true

  return check(schema, value, root, 0)
}

/** What a reference within the schema refers to; `undefined` if it is to elsewhere, to an anchor (`#name`), or to nothing. */
const referenced = (schema: unknown, reference: string): unknown => {
  if (reference !== "#" && !reference.startsWith("#/")) return undefined
  let found: unknown = schema
  for (const token of reference.slice(1).split("/").slice(1)) {
    const key = unescape(token)
    if (!Predicate.isObjectOrArray(found) || !Object.hasOwn(found, key)) return undefined
    found = (found as Readonly<Record<string, unknown>>)[key]
  }
  return found
}

/** What is wrong with a schema, and the keywords in it that are not checked. */
export interface Findings {
  readonly mistakes: ReadonlyArray<string>
  readonly unchecked: ReadonlyArray<string>
}

/** Looks through a schema that an operator wrote: types and references that do not exist, and keywords that are not checked. */
export const findings = (schema: unknown): Findings => {
  const mistakes: Array<string> = []
  const unchecked = new Set<string>()
  const visit = (each: unknown, path: string, depth: number): void => {
    if (!Predicate.isObject(each) || depth > limits.depth) return
    const { $ref, type } = each as Keywords
    for (const name of Predicate.isString(type) ? [type] : list(type)) {
      if (!types.has(String(name))) mistakes.push(`${path}type: there is no type ${JSON.stringify(name)}`)
    }
    if ($ref !== undefined && (!Predicate.isString($ref) || referenced(schema, $ref) === undefined)) {
      mistakes.push(`${path}$ref: ${JSON.stringify($ref)} refers to nothing in this schema`)
    }
    for (const [keyword, value] of Object.entries(each)) {
      if (!checked.has(keyword)) unchecked.add(keyword)
      const within = `${path}${keyword}.`
      if (listsOfSchemas.has(keyword)) list(value).forEach((one, index) => visit(one, `${within}${index}.`, depth + 1))
      else if (mapsOfSchemas.has(keyword) && Predicate.isObject(value)) {
        for (const [name, one] of Object.entries(value)) visit(one, `${within}${name}.`, depth + 1)
      } else if (schemas.has(keyword)) visit(value, within, depth + 1)
    }
  }
  visit(schema, "", 0)
  return { mistakes, unchecked: [...unchecked].toSorted() }
}

const types: ReadonlySet<string> = new Set(["string", "number", "integer", "boolean", "null", "array", "object"])
const listsOfSchemas: ReadonlySet<string> = new Set(["allOf", "anyOf", "oneOf", "prefixItems"])
const mapsOfSchemas: ReadonlySet<string> = new Set(["properties", "$defs", "definitions"])
const schemas: ReadonlySet<string> = new Set(["items", "additionalProperties"])

/** Keywords that are checked, and those that say nothing of a value. */
const checked: ReadonlySet<string> = new Set([
  ...listsOfSchemas,
  ...mapsOfSchemas,
  ...schemas,
  "$ref",
  "type",
  "const",
  "enum",
  "required",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "$schema",
  "$id",
  "$comment",
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
])

const root = "answer"

/** The key of a JSON Pointer's token. */
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

const first = <A>(all: ReadonlyArray<A>, check: (each: A, index: number) => string | undefined): string | undefined => {
  for (const [index, each] of all.entries()) {
    const found = check(each, index)
    if (found !== undefined) return found
  }
  return undefined
}

/** The violation of the last alternative, if the value matches none. */
const some = <A>(all: ReadonlyArray<A>, check: (each: A) => string | undefined): string | undefined => {
  let found: string | undefined
  for (const each of all) {
    found = check(each)
    if (found === undefined) return undefined
  }
  return found
}

/** Checks the value itself, without its items and properties. */
const checkValue = ({ const: only, enum: values, type, ...rest }: Keywords, value: unknown, path: string) => {
  const types = Predicate.isString(type) ? [type] : list(type)
  if (types.length > 0 && !types.some((each) => is(each, value))) return `${path}: is not of type ${types.join(" or ")}`
  if (only !== undefined && !Equal.equals(only, value)) return `${path}: is not the constant of the schema`
  if (Array.isArray(values) && !values.some((each) => Equal.equals(each, value)))
    return `${path}: is none of the enum's values`
  if (Predicate.isNumber(value)) return bounds(rest, value, path)
  if (Predicate.isString(value)) return checkSize(rest["minLength"], rest["maxLength"], () => [...value].length, path)
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
  // In floating point, 0.3 is not exactly a multiple of 0.1.
  return Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))
    ? `${path}: is not a multiple of ${multipleOf}`
    : undefined
}

const checkSize = (min: unknown, max: unknown, size: () => number, path: string): string | undefined => {
  if (Predicate.isNumber(min) && size() < min) return `${path}: is shorter than ${min}`
  if (Predicate.isNumber(max) && size() > max) return `${path}: is longer than ${max}`
  return undefined
}

/** Checks the items of an array or the properties of an object. */
const checkContents = (schema: Keywords, value: unknown, path: string, deeper: Deeper): string | undefined => {
  if (Array.isArray(value)) {
    const prefix = list(schema["prefixItems"])
    return (
      checkSize(schema["minItems"], schema["maxItems"], () => value.length, path) ??
      first(value, (item, index) =>
        deeper(index < prefix.length ? prefix[index] : schema["items"], item, `${path}[${index}]`),
      )
    )
  }
  if (!Predicate.isObject(value)) return undefined
  const keys = Object.keys(value)
  const properties = Predicate.isObject(schema["properties"]) ? schema["properties"] : {}
  // No pattern is run, so any key may match one of `patternProperties`.
  const others = "patternProperties" in schema ? true : schema["additionalProperties"]
  return (
    checkSize(schema["minProperties"], schema["maxProperties"], () => keys.length, path) ??
    first(list(schema["required"]), (key) =>
      Predicate.isString(key) && !Object.hasOwn(value, key) ? `${path}: has no ${key}` : undefined,
    ) ??
    first(keys, (key) =>
      deeper(Object.hasOwn(properties, key) ? properties[key] : others, value[key], `${path}.${key}`),
    )
  )
}

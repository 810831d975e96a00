/**
 * A JSON number kept as written, because JavaScript would write it differently: an integer beyond 2^53, `1e400`, `1.0`,
 * `-0`. `JSON.stringify` writes it unchanged, at any depth of a value.
 *
 * Read such a number through `toNumber`, `Json.number` or, for a schema, `read`.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** The result of `JSON.rawJSON`. */
export interface ExactNumber {
  readonly rawJSON: string
}

/** Node has these since version 21; TypeScript's library does not declare them yet. */
const { isRawJSON, rawJSON } = JSON as unknown as {
  readonly rawJSON: (text: string) => ExactNumber
  readonly isRawJSON: (value: unknown) => value is ExactNumber
}

/** Keeps a JSON number as written. `literal` must be a JSON number. */
export const of: (literal: string) => ExactNumber = rawJSON

/** Whether the value is a number kept as written. The property check comes first, because `isRawJSON` is slow. */
export const is = (value: unknown): value is ExactNumber => Predicate.hasProperty(value, "rawJSON") && isRawJSON(value)

/** Whether JavaScript would write this number differently. */
export const isNeeded = (literal: string): boolean => String(Number(literal)) !== literal

/** The value, a kept number replaced by the nearest JavaScript number. */
export const toNumber = (value: unknown): unknown => (is(value) ? Number(value.rawJSON) : value)

/**
 * The body with kept numbers replaced by the nearest JavaScript numbers: in its own fields, and in the objects of the
 * fields named in `within`. The result is for checking by a schema; it is the given body if it has no such number.
 */
export const read = (body: Fields, within: ReadonlyArray<string> = []): Fields => {
  let changed: Record<string, unknown> | undefined
  for (const name in body) {
    const value = body[name]
    if (!Predicate.isObjectOrArray(value)) continue
    const inner = within.includes(name) ? readWithin(value, within) : toNumber(value)
    if (inner !== value) (changed ??= { ...body })[name] = inner
  }
  return changed ?? body
}

/** The body with kept numbers at any depth replaced by the nearest JavaScript numbers: `50.0` and `5e1` are 50. */
export const readAll = (body: Record<string, unknown>): Record<string, unknown> =>
  plain(body) as Record<string, unknown>

const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (!Predicate.isObject(value)) return value
  if (is(value)) return toNumber(value)
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]))
}

type Fields = Readonly<Record<string, unknown>>

const readWithin = (value: unknown, within: ReadonlyArray<string>): unknown => {
  if (Array.isArray(value)) {
    const inner = value.map((each) => readWithin(each, within))
    return inner.some((each, at) => each !== value[at]) ? inner : value
  }
  return is(value) ? toNumber(value) : Predicate.isObject(value) ? read(value as Fields, within) : value
}

/** An integer, after `read` possibly beyond 2^53: OpenAI's seeds have 64 bits. */
export const Integer = Schema.Finite.check(
  Schema.makeFilter((value) => Number.isInteger(value), { expected: "an integer" }),
)

/** A literal in an error message: itself, unless it is long. */
export const describe = ({ rawJSON }: ExactNumber): string => (rawJSON.length > 40 ? "a number" : rawJSON)

/** The number in a text: kept as written if it is an integer that JavaScript would write differently. */
export const fromDigits = (text: string): number | ExactNumber =>
  /^-?(?:0|[1-9]\d*)$/.test(text) && isNeeded(text) ? of(text) : Number(text)

/** The value if it is a finite number, kept or not. */
export const finite = (value: unknown): number | undefined => {
  const number = toNumber(value)
  return Predicate.isNumber(number) && Number.isFinite(number) ? number : undefined
}

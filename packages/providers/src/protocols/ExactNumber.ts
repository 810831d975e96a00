/**
 * A number of a JSON text that JavaScript would write otherwise, kept as it was written: an integer beyond 2^53, `1e400`,
 * `1.0`, `-0`. `JSON.stringify` writes it out as it came, from anywhere in a value.
 *
 * Whoever reads a number for itself takes it through `toNumber`, `Json.number` or, for a schema, `read`.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** What `JSON.rawJSON` gives. */
export interface ExactNumber {
  readonly rawJSON: string
}

/** Node has them since 21; TypeScript's library does not know them yet. */
const { isRawJSON, rawJSON } = JSON as unknown as {
  readonly rawJSON: (text: string) => ExactNumber
  readonly isRawJSON: (value: unknown) => value is ExactNumber
}

/** Keeps the number written in `literal`, which must be a JSON number. */
export const of: (literal: string) => ExactNumber = rawJSON

/** Whether the value is a number kept as it was written. Asked of every object: V8 takes its time for `isRawJSON`. */
export const is = (value: unknown): value is ExactNumber => Predicate.hasProperty(value, "rawJSON") && isRawJSON(value)

/** Whether JavaScript writes the number of this literal otherwise. */
export const isNeeded = (literal: string): boolean => String(Number(literal)) !== literal

/** The value, with the nearest number that JavaScript has in place of a kept one. */
export const toNumber = (value: unknown): unknown => (is(value) ? Number(value.rawJSON) : value)

/**
 * The body with the nearest numbers that JavaScript has in place of kept ones: of its own fields, and of the objects that
 * stand in these under the names of `within`. It is what a schema checks; the same body where it has no such number.
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

type Fields = Readonly<Record<string, unknown>>

const readWithin = (value: unknown, within: ReadonlyArray<string>): unknown => {
  if (Array.isArray(value)) {
    const inner = value.map((each) => readWithin(each, within))
    return inner.some((each, at) => each !== value[at]) ? inner : value
  }
  return is(value) ? toNumber(value) : Predicate.isObject(value) ? read(value as Fields, within) : value
}

/** A whole number beyond 2^53 too, as it is `read`: OpenAI's seeds have 64 bits. */
export const Integer = Schema.Finite.check(
  Schema.makeFilter((value) => Number.isInteger(value), { expected: "an integer" }),
)

/** What a literal is called in a message: itself, unless it is long. */
export const describe = ({ rawJSON }: ExactNumber): string => (rawJSON.length > 40 ? "a number" : rawJSON)

/** The kept number of a text that holds a whole number, else what JavaScript reads in it. */
export const fromDigits = (text: string): number | ExactNumber =>
  /^-?(?:0|[1-9]\d*)$/.test(text) && isNeeded(text) ? of(text) : Number(text)

/** The value if it is a number, kept or not, and finite. */
export const finite = (value: unknown): number | undefined => {
  const number = toNumber(value)
  return Predicate.isNumber(number) && Number.isFinite(number) ? number : undefined
}

/** Reads JSON from upstreams, where any field may be missing or have another type. Every function is total. */
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ExactNumber from "./ExactNumber.ts"
import { isCostly } from "./JsonBounds.ts"
import * as JsonText from "./JsonText.ts"

/** An object with unknown fields. */
export type Fields = { readonly [x: PropertyKey]: unknown }

const none: Fields = {}

/** Parses JSON. `undefined` if the text is not JSON, or is too costly to parse (`JsonBounds.isCostly`). */
export const parse = (text: string): unknown =>
  isCostly(text) ? undefined : Result.getOrUndefined(Result.try((): unknown => JSON.parse(text)))

/** Parses JSON like `parse`, and keeps numbers as written (`ExactNumber`). */
export const parseExact = (text: string): unknown =>
  isCostly(text) ? undefined : Result.getOrUndefined(Result.try(() => JsonText.parse(text)))

/** Parses a JSON object. `undefined` if the text is not one. */
export const parseObject = (text: string): Fields | undefined => {
  const value = parse(text)
  return Predicate.isObject(value) ? value : undefined
}

/** The value if it is an object, else an object without fields. */
export const fields = (value: unknown): Fields => (isObject(value) ? value : none)

/** Whether the value is a JSON object. A kept number is not. */
export const isObject = (value: unknown): value is Fields => Predicate.isObject(value) && !ExactNumber.is(value)

/** Schema of a field that is any object. Decodes to the given object itself. */
export const Anything = Schema.Unknown.pipe(
  Schema.refine((value): value is Readonly<Record<string, unknown>> => isObject(value), { expected: "an object" }),
)

/** Schema of a field that maps names to strings. Apply `ExactNumber.read` first: a kept number would pass. */
export const Labels = Schema.Record(Schema.String, Schema.String)

/** The value if it is an array, else an empty array. */
export const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** The value if it is a string, else `""`. */
export const string = (value: unknown): string => (Predicate.isString(value) ? value : "")

/** Whether the value is a string and not empty. */
export const isNonEmptyString = (value: unknown): value is string => Predicate.isString(value) && value !== ""

/** The value if it is a string and not empty. */
export const nonEmptyString = (value: unknown): string | undefined => (isNonEmptyString(value) ? value : undefined)

/** The value if it is a finite number, kept as written or not. JSON can write an infinite one (`1e999`). */
export const number = (value: unknown): number | undefined => ExactNumber.finite(value)

/** The value if it is a safe integer. */
export const integer = (value: unknown): number | undefined => {
  const number = ExactNumber.toNumber(value)
  return Predicate.isNumber(number) && Number.isSafeInteger(number) ? number : undefined
}

/** The maximum plausible token count: a hundred times the largest context window. */
const maxCount = 1e9

/**
 * The value if it is a plausible count, such as of tokens. A negative or implausible count would distort costs and rate
 * limits.
 */
export const count = (value: unknown): number | undefined => {
  const number = integer(value)
  return number !== undefined && number >= 0 && number <= maxCount ? number : undefined
}

/** The fields that are neither null nor undefined; `undefined` if there is none. */
export const defined = <Given extends object>(given: Given): Defined<Given> | undefined => {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined && value !== null)
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Defined<Given>)
}

export type Defined<Given> = { readonly [K in keyof Given]?: Exclude<Given[K], null | undefined> }

/** A `Malformed` error. `message` says what is missing. */
export const malformed = (message: string): Result.Result<never, ProviderError> =>
  Result.fail(new ProviderError({ reason: { _tag: "Malformed" }, message }))

/** The value if it is the HTTP status of an error, as a number or in digits: LiteLLM writes `"500"`. */
export const status = (value: unknown): number | undefined => {
  const number = Predicate.isString(value) && /^\d{3}$/.test(value) ? Number(value) : value
  return Predicate.isNumber(number) && number >= 400 && number < 600 ? number : undefined
}

/**
 * JSON as upstreams send it: anything may be missing, or be something else. Everything here is total.
 */
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ExactNumber from "./ExactNumber.ts"
import { isCostly } from "./JsonBounds.ts"
import * as JsonText from "./JsonText.ts"

/** An object of which nothing is known. */
export type Fields = { readonly [x: PropertyKey]: unknown }

const none: Fields = {}

/** The value written in `text`; `undefined` where that is no JSON, or more of it than is parsed of what an upstream sends. */
export const parse = (text: string): unknown =>
  isCostly(text) ? undefined : Result.getOrUndefined(Result.try((): unknown => JSON.parse(text)))

/** As `parse`, with the numbers of whatever is passed on kept as they are written. */
export const parseExact = (text: string): unknown =>
  isCostly(text) ? undefined : Result.getOrUndefined(Result.try(() => JsonText.parse(text)))

/** The object written in `text`; `undefined` where it is none. */
export const parseObject = (text: string): Fields | undefined => {
  const value = parse(text)
  return Predicate.isObject(value) ? value : undefined
}

/** The value if it is an object, else one without fields. */
export const fields = (value: unknown): Fields => (isObject(value) ? value : none)

/** Whether the value was a JSON object: a kept number is none. */
export const isObject = (value: unknown): value is Fields => Predicate.isObject(value) && !ExactNumber.is(value)

/** A field of a body that is an object, of which nothing more is asked: the very one that was read. */
export const Anything = Schema.Unknown.pipe(
  Schema.refine((value): value is Readonly<Record<string, unknown>> => isObject(value), { expected: "an object" }),
)

/** A field of a body that holds labels: names and texts. A kept number must be read before (`ExactNumber.read`): it would pass. */
export const Labels = Schema.Record(Schema.String, Schema.String)

/** The value if it is an array, else an empty one. */
export const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** The value if it is a string, else an empty one. */
export const string = (value: unknown): string => (Predicate.isString(value) ? value : "")

/** The value if it is a string that says something. */
export const words = (value: unknown): string | undefined =>
  Predicate.isString(value) && value !== "" ? value : undefined

/** The value if it is a number, kept as it was written or not. JSON may write one that is none (`1e999`). */
export const number = (value: unknown): number | undefined => ExactNumber.finite(value)

/** The value if it is a whole number that stands for itself alone. */
export const integer = (value: unknown): number | undefined => {
  const number = ExactNumber.toNumber(value)
  return Predicate.isNumber(number) && Number.isSafeInteger(number) ? number : undefined
}

/** The most that is believed of a count of tokens: a hundred times the largest window there is. */
const most = 1e9

/** The value if it is a count, such as of tokens: what is negative or beyond all measure would be paid, and waited, for. */
export const count = (value: unknown): number | undefined => {
  const number = integer(value)
  return number !== undefined && number >= 0 && number <= most ? number : undefined
}

/** The fields that say something; nothing if none does. */
export const said = <Given extends object>(given: Given): Said<Given> | undefined => {
  const left = Object.entries(given).filter(([, value]) => value !== undefined && value !== null)
  return left.length === 0 ? undefined : (Object.fromEntries(left) as Said<Given>)
}

export type Said<Given> = { readonly [K in keyof Given]?: Exclude<Given[K], null | undefined> }

/** An answer that is none: `message` says what it lacks. */
export const malformed = (message: string): Result.Result<never, ProviderError> =>
  Result.fail(new ProviderError({ reason: { _tag: "Malformed" }, message }))

/** The value if it is the status of a failed request, as a number or in digits: LiteLLM writes `"500"`. */
export const status = (value: unknown): number | undefined => {
  const number = Predicate.isString(value) && /^\d{3}$/.test(value) ? Number(value) : value
  return Predicate.isNumber(number) && number >= 400 && number < 600 ? number : undefined
}

/**
 * Converts Portkey's queries to disjunctive normal form: alternatives, each of a model name and metadata to match.
 */
import * as Predicate from "effect/Predicate"

/** One alternative of a query. All of it must match. */
export interface Alternative {
  /** The model in the call, if the query tests it. */
  readonly model: string | undefined
  readonly metadata: Readonly<Record<string, string>>
}

/** The alternatives of a query; `undefined` if it tests more than equality of the model or of metadata. */
export const alternatives = (query: unknown): ReadonlyArray<Alternative> | undefined => {
  if (!Predicate.isObject(query)) return undefined
  return Object.entries(query)
    .map(([key, value]) => alternativesOf(key, value))
    .reduce<ReadonlyArray<Alternative> | undefined>(both, [{ model: undefined, metadata: {} }])
}

const alternativesOf = (key: string, value: unknown): ReadonlyArray<Alternative> | undefined => {
  if (key === "$and" && Array.isArray(value)) {
    return value
      .map(alternatives)
      .reduce<ReadonlyArray<Alternative> | undefined>(both, [{ model: undefined, metadata: {} }])
  }
  if (key === "$or" && Array.isArray(value)) return either(value.map(alternatives))
  const values = equals(value)
  if (values === undefined) return undefined
  if (key === "params.model") return values.map((model) => ({ model, metadata: {} }))
  const [, name] = /^metadata\.(.+)$/.exec(key) ?? []
  return name === undefined ? undefined : values.map((text) => ({ model: undefined, metadata: { [name]: text } }))
}

/** The matching values of `"x"`, `{ $eq: "x" }` and `{ $in: ["x", "y"] }`. */
const equals = (value: unknown): ReadonlyArray<string> | undefined => {
  if (value === "") return undefined
  if (Predicate.isString(value) || Predicate.isNumber(value) || Predicate.isBoolean(value)) return [String(value)]
  const [only, ...others] = Predicate.isObject(value) ? Object.entries(value) : []
  if (only === undefined || others.length > 0) return undefined
  if (only[0] === "$eq") return equals(only[1])
  return only[0] === "$in" && Array.isArray(only[1]) && only[1].every(Predicate.isString) ? only[1] : undefined
}

const both = (
  left: ReadonlyArray<Alternative> | undefined,
  right: ReadonlyArray<Alternative> | undefined,
): ReadonlyArray<Alternative> | undefined =>
  left && right && left.flatMap((one) => right.flatMap((other) => joined(one, other) ?? []))

const either = (all: ReadonlyArray<ReadonlyArray<Alternative> | undefined>): ReadonlyArray<Alternative> | undefined =>
  all.every((each) => each !== undefined) ? all.flat() : undefined

/** The conjunction of two alternatives; `undefined` if they contradict each other. */
const joined = (one: Alternative, other: Alternative): Alternative | undefined => {
  if (one.model !== undefined && other.model !== undefined && one.model !== other.model) return undefined
  const contradicts = Object.entries(other.metadata).some(
    ([name, text]) => Object.hasOwn(one.metadata, name) && one.metadata[name] !== text,
  )
  return contradicts ? undefined : { model: one.model ?? other.model, metadata: { ...one.metadata, ...other.metadata } }
}

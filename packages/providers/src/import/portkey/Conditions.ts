/**
 * Portkey's queries as conditions of ours: every way in which one may hold, each a model's name and some metadata.
 */
import * as Predicate from "effect/Predicate"

/** One way in which a query holds: all of it must. */
export interface Way {
  /** The model that the caller names, where that matters. */
  readonly model: string | undefined
  readonly metadata: Readonly<Record<string, string>>
}

/** Every way in which the query holds; `undefined` where it asks for more than equality of a model or of metadata. */
export const ways = (query: unknown): ReadonlyArray<Way> | undefined => {
  if (!Predicate.isObject(query)) return undefined
  return Object.entries(query)
    .map(([key, value]) => waysOf(key, value))
    .reduce<ReadonlyArray<Way> | undefined>(both, [{ model: undefined, metadata: {} }])
}

const waysOf = (key: string, value: unknown): ReadonlyArray<Way> | undefined => {
  if (key === "$and" && Array.isArray(value)) {
    return value.map(ways).reduce<ReadonlyArray<Way> | undefined>(both, [{ model: undefined, metadata: {} }])
  }
  if (key === "$or" && Array.isArray(value)) return either(value.map(ways))
  const values = equals(value)
  if (values === undefined) return undefined
  if (key === "params.model") return values.map((model) => ({ model, metadata: {} }))
  const [, name] = /^metadata\.(.+)$/.exec(key) ?? []
  return name === undefined ? undefined : values.map((text) => ({ model: undefined, metadata: { [name]: text } }))
}

/** The values that will do, of `"x"`, `{ $eq: "x" }` and `{ $in: ["x", "y"] }`. */
const equals = (value: unknown): ReadonlyArray<string> | undefined => {
  if (Predicate.isString(value) || Predicate.isNumber(value) || Predicate.isBoolean(value)) return [String(value)]
  const [only, ...others] = Predicate.isObject(value) ? Object.entries(value) : []
  if (only === undefined || others.length > 0) return undefined
  if (only[0] === "$eq") return equals(only[1])
  return only[0] === "$in" && Array.isArray(only[1]) && only[1].every(Predicate.isString) ? only[1] : undefined
}

const both = (
  left: ReadonlyArray<Way> | undefined,
  right: ReadonlyArray<Way> | undefined,
): ReadonlyArray<Way> | undefined =>
  left && right && left.flatMap((one) => right.flatMap((other) => joined(one, other) ?? []))

const either = (all: ReadonlyArray<ReadonlyArray<Way> | undefined>): ReadonlyArray<Way> | undefined =>
  all.every((each) => each !== undefined) ? all.flat() : undefined

/** Both at once; nothing where they contradict each other. */
const joined = (one: Way, other: Way): Way | undefined => {
  if (one.model !== undefined && other.model !== undefined && one.model !== other.model) return undefined
  const contradicts = Object.entries(other.metadata).some(
    ([name, text]) => Object.hasOwn(one.metadata, name) && one.metadata[name] !== text,
  )
  return contradicts ? undefined : { model: one.model ?? other.model, metadata: { ...one.metadata, ...other.metadata } }
}

/**
 * Replaces `${NAME}` and `${NAME:-default}` in the texts of a parsed configuration by environment variables.
 *
 * Interpolation happens after parsing, in values but not in keys, so that a variable cannot add structure.
 */
import * as Predicate from "effect/Predicate"
import type { Problem } from "./ConfigError.ts"
import { keyPath } from "./ConfigError.ts"

/** The value of an environment variable; `undefined` if it is not set. */
export type Environment = (name: string) => string | undefined

export interface Interpolated {
  readonly value: unknown
  readonly problems: ReadonlyArray<Problem>
  /** The variables used in the value at a path. */
  readonly variables: ReadonlyMap<string, ReadonlyArray<string>>
}

const reference = /\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g

/** The names of all variables in a document. */
export const names = (input: unknown): ReadonlySet<string> => {
  const names = new Set<string>()
  const collect = (value: unknown): void => {
    if (Predicate.isString(value)) {
      if (!value.includes("${")) return
      for (const [, name] of value.matchAll(reference)) if (name !== undefined) names.add(name)
    } else if (Predicate.isObjectOrArray(value)) Object.values(value).forEach(collect)
  }
  collect(input)
  return names
}

/** The document with its variables replaced. A variable that is not set and has no default is a problem. */
export const interpolate = (input: unknown, environment: Environment): Interpolated => {
  const problems: Array<Problem> = []
  const variables = new Map<string, ReadonlyArray<string>>()

  const replace = (text: string, path: string): string => {
    const used: Array<string> = []
    const replaced = text.replace(reference, (_, name: string, otherwise: string | undefined) => {
      used.push(name)
      const value = environment(name) ?? otherwise
      if (value === undefined) problems.push({ path, message: unset(name) })
      return value ?? ""
    })
    if (text.replace(reference, "").includes("${")) problems.push({ path, message: unclear(text) })
    variables.set(path, used)
    return replaced
  }

  return { value: walk(input, [], replace), problems, variables }
}

/**
 * The document with `replace` applied to each text that contains a variable. Parts without one are not copied. `keys`: where
 * the value is, from the outside in.
 */
const walk = (
  value: unknown,
  keys: Array<string | number>,
  replace: (text: string, path: string) => string,
): unknown => {
  if (Predicate.isString(value)) return value.includes("${") ? replace(value, keys.reduce(keyPath, "")) : value
  if (!Predicate.isObjectOrArray(value)) return value
  const changed: Array<readonly [string, unknown]> = []
  for (const key of Object.keys(value)) {
    const each: unknown = Reflect.get(value, key)
    keys.push(Array.isArray(value) ? Number(key) : key)
    const replaced = walk(each, keys, replace)
    keys.pop()
    if (replaced !== each) changed.push([key, replaced])
  }
  if (changed.length === 0) return value
  if (!Array.isArray(value)) return Object.fromEntries([...Object.entries(value), ...changed])
  const items: Array<unknown> = [...value]
  for (const [index, item] of changed) items[Number(index)] = item
  return items
}

const unset = (name: string): string =>
  `the environment variable ${name} is not set: set it, add it to .env, or write "\${${name}:-default}"`

const unclear = (text: string): string =>
  /\$\{[^}]*$/.test(text)
    ? `${JSON.stringify(text)} has no closing brace: inside { } or [ ] a variable must be quoted, as in "\${NAME}"`
    : `${JSON.stringify(text)} is not a valid variable: write "\${NAME}" or "\${NAME:-default}"`

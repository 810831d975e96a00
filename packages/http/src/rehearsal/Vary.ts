/**
 * Variants of a configuration: settings with the values that each of them takes, such as `retry.times=0..3`, and the document of every
 * combination of the values.
 */
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import { describeValue, keyPath } from "@understudy/providers/internal/config/ConfigError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as YamlText from "../config/YamlText.ts"

export type Value = string | number | boolean

/** A setting and its values. The path may be relative, such as `retry.times`. */
export interface Vary {
  readonly path: string
  readonly values: ReadonlyArray<Value>
}

/** The keys and list indices that lead to a value in a document. */
export type Path = ReadonlyArray<string | number>

export interface Change {
  readonly path: Path
  readonly value: Value
}

/** A combination of values: what it changes in the document, and the changed document. */
export interface Variant {
  readonly changes: ReadonlyArray<Change>
  readonly document: unknown
}

// ---------------------------------------------------------------------------------------------------------------------
// Parsing
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Parses texts such as `retry.times=0..3,circuit.failures=1,3,5`: a comma that is followed by `path=` begins the next setting. Fails with a
 * message that names the setting.
 */
export const parse = (texts: ReadonlyArray<string>): Result.Result<ReadonlyArray<Vary>, string> =>
  Result.all(texts.flatMap((text) => text.split(/,(?=[^,=]+=)/)).map(parseItem))

const parseItem = (text: string): Result.Result<Vary, string> => {
  const separator = text.indexOf("=")
  const path = text.slice(0, separator).trim()
  if (separator === -1 || path === "") {
    return Result.fail(`${text.trim()}: expected a setting and its values, such as retry.times=0..3`)
  }
  return Result.mapBoth(
    Result.all(
      text
        .slice(separator + 1)
        .split(",")
        .map(parseValues),
    ),
    {
      onSuccess: (values) => ({ path, values: [...new Set(values.flat())] }),
      onFailure: (message) => `${path}: ${message}`,
    },
  )
}

const maxRange = 1000

const parseValues = (given: string): Result.Result<ReadonlyArray<Value>, string> => {
  const text = given.trim()
  if (text === "") return Result.fail("expected a value after = and after each comma, such as 1,3,5")
  const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(text) ?? []
  if (first !== undefined && last !== undefined) {
    const [from, until] = [Number(first), Number(last)]
    return until >= from && until - from < maxRange
      ? Result.succeed(Array.from({ length: until - from + 1 }, (_, index) => from + index))
      : Result.fail(
          `expected a range from the lower to the higher number, of at most ${maxRange} values, found ${text}`,
        )
  }
  if (text.includes("..")) return Result.fail(`expected a range of whole numbers, such as 0..3, found ${text}`)
  if (/^\d+(\.\d+)?$/.test(text)) return Result.succeed([Number(text)])
  return Result.succeed([text === "true" ? true : text === "false" ? false : text])
}

// ---------------------------------------------------------------------------------------------------------------------
// Variants
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Every combination of the values that changes the document. The last setting changes fastest. Fails with a message that names the
 * setting, and if there are more than `max` combinations.
 */
export const variants = (
  document: unknown,
  settings: ReadonlyArray<Vary>,
  max: number,
): Result.Result<ReadonlyArray<Variant>, string> =>
  Result.gen(function* () {
    const count = settings.reduce((count, { values }) => count * values.length, 1)
    if (count > max) {
      return yield* Result.fail(
        `${count.toLocaleString("en-US")} variants are more than ${max.toLocaleString("en-US")}: give fewer values, or raise --max`,
      )
    }
    const seen = new Set<string>()
    let combinations: ReadonlyArray<Variant> = [{ changes: [], document }]
    for (const { path, values } of settings) {
      const targets = yield* Result.mapError(resolve(document, path), (message) => `${path}: ${message}`)
      for (const target of targets.map(text)) {
        if (seen.has(target))
          return yield* Result.fail(`${path}: ${target} is given twice: give all of its values at once`)
        seen.add(target)
      }
      const next: Array<Variant> = []
      for (const combination of combinations) {
        for (const value of values) {
          next.push(
            yield* Result.mapError(
              withValue(combination, targets, value, document),
              (message) => `${path}: ${message}`,
            ),
          )
        }
      }
      combinations = next
    }
    return combinations.filter(({ changes }) => changes.length > 0)
  })

/** A variant with one more value, wherever the document has another one. */
const withValue = (
  variant: Variant,
  targets: ReadonlyArray<Path>,
  value: Value,
  original: unknown,
): Result.Result<Variant, string> =>
  Result.gen(function* () {
    const changes = targets.filter((path) => get(original, path) !== value).map((path) => ({ path, value }))
    let { document } = variant
    for (const { path } of changes) document = yield* set(document, path, value)
    return { changes: [...variant.changes, ...changes], document }
  })

/** A path as it is written in messages. */
export const text = (path: Path): string => path.reduce<string>((text, key) => keyPath(text, key), "")

/** The lines of YAML that a variant changes, within their sections. A list is shown as a whole. */
export const yaml = ({ changes, document }: Variant): string => {
  let patch: unknown = {}
  for (const { path } of changes) {
    const index = path.findIndex(Predicate.isNumber)
    const shown = index === -1 ? path : path.slice(0, index)
    patch = Result.getOrElse(set(patch, shown, get(document, shown)), () => patch)
  }
  return Predicate.isObject(patch) ? YamlText.print(patch).trimEnd() : ""
}

// ---------------------------------------------------------------------------------------------------------------------
// Paths
// ---------------------------------------------------------------------------------------------------------------------

/** The paths that a setting stands for: in a section, of every hedge, or in `defaults`. */
const resolve = (document: unknown, path: string): Result.Result<ReadonlyArray<Path>, string> => {
  const [, section, rest] = /^(deployments|routes)(?:\.|(?=\[))(.+)$/.exec(path) ?? []
  if (section !== undefined && rest !== undefined) {
    return Result.flatMap(resolveNamed(get(document, [section]), section, rest), (path) =>
      // Lists are shown as a whole, and those of deployments may have secrets.
      section === "deployments" && path.some(Predicate.isNumber)
        ? Result.fail("lists can be varied in routes only")
        : Result.succeed([path]),
    )
  }
  return Result.flatMap(keys(path), ([first, ...others]) => {
    if (first === undefined) return Result.fail("is not a path, such as retry.times")
    if (first !== "hedge")
      return Result.succeed([first === "defaults" ? [first, ...others] : ["defaults", first, ...others]])
    const found = hedges(get(document, ["routes"]), ["routes"])
    return found.length === 0
      ? Result.fail("no route of the configuration has a hedge")
      : Result.succeed(found.map((hedge) => [...hedge, ...others]))
  })
}

/** The path in an entry of a section. The name of the entry may have dots. */
const resolveNamed = (entries: unknown, section: string, rest: string): Result.Result<Path, string> => {
  const names = Predicate.isObject(entries) ? Object.keys(entries) : []
  const longest = names
    .filter((name) => rest.startsWith(name) && /^[.[]/.test(rest.slice(name.length)))
    .toSorted((one, other) => other.length - one.length)[0]
  if (longest !== undefined) {
    return Result.map(keys(rest.slice(longest.length)), (inner) => [section, longest, ...inner])
  }
  return Result.flatMap(keys(rest), ([name, ...inner]) => {
    if (name === undefined || !names.includes(String(name))) {
      return Result.fail(`${section} has no ${JSON.stringify(name)}${didYouMean(String(name), names, '"')}`)
    }
    return inner.length === 0
      ? Result.fail(`expected a setting of ${section}.${name}, such as ${section}.${name}.retry.times`)
      : Result.succeed([section, String(name), ...inner])
  })
}

/** `a.b`, `a["b.c"]` and `a[0]` as keys. */
const keys = (path: string): Result.Result<Path, string> => {
  const parts = [...path.matchAll(/\.?([^.[\]"]+)|\[(\d+)\]|\["([^"]+)"\]/gy)]
  const length = parts.reduce((sum, [all]) => sum + all.length, 0)
  return length !== path.length || length === 0
    ? Result.fail("is not a path, such as retry.times or routes.assistant.fallback[0].retry.times")
    : Result.succeed(
        parts.map(([, key, index, quoted]) => (index === undefined ? (key ?? quoted ?? "") : Number(index))),
      )
}

/** The paths of all hedges, in routes and in the routes that these contain. */
const hedges = (value: unknown, path: Path): ReadonlyArray<Path> => {
  if (Array.isArray(value)) return value.flatMap((each, index) => hedges(each, [...path, index]))
  if (!Predicate.isObject(value)) return []
  return Object.entries(value).flatMap(([key, each]) =>
    key === "hedge" && path.length > 1 ? [[...path, key]] : hedges(each, [...path, key]),
  )
}

const get = (document: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      Predicate.isObjectOrArray(value) && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined,
    document,
  )

/** The document with another value at a path. Missing mappings on the way to it are added. */
const set = (document: unknown, path: Path, value: unknown, at: Path = []): Result.Result<unknown, string> => {
  const [key, ...rest] = path
  if (key === undefined) return Result.succeed(value)
  const inner = (of: unknown) => set(of, rest, value, [...at, key])
  if (Predicate.isNumber(key)) {
    return Array.isArray(document) && key < document.length
      ? Result.map(inner(document[key]), (changed) => document.with(key, changed))
      : Result.fail(`${text(at)} is not a list with an entry [${key}]`)
  }
  if (document !== undefined && document !== null && !Predicate.isObject(document)) {
    return Result.fail(
      Array.isArray(document) && at.length === 2 && at[0] === "routes"
        ? `${text(at)} is a list: write it as { fallback: [...] }, which can have settings`
        : `expected a mapping at ${text(at)}, found ${describeValue(document)}`,
    )
  }
  return Result.map(inner(get(document, [key])), (changed) => ({ ...document, [key]: changed }))
}

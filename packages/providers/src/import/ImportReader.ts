/**
 * What every import has in common: a foreign document goes in, one of our own grammar comes out, with a report of all
 * that it said and ours does not.
 *
 * A mapping is read key by key, and tells at the end which keys nobody has asked for: that is how nothing is ignored in
 * silence. No message shows a value, which may be a secret.
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { printDuration } from "../config/DurationText.ts"
import type { Problem } from "../config/ConfigError.ts"
import { keyPath } from "../config/ConfigError.ts"

/** A mapping of a document of ours: plain data, as `Config.decode` takes it. */
export type Document = Readonly<Record<string, unknown>>

/** What became of a foreign document; `report` names places in it. */
export interface Imported {
  readonly document: Document
  readonly report: ReadonlyArray<Problem>
}

/** A mapping of a foreign document at its place. What is said of it goes to the `report` of the whole import. */
export class ImportReader {
  readonly path: string
  readonly report: Array<Problem>
  readonly #entries: Map<string, unknown>
  readonly #unread: Set<string>

  constructor(input: unknown, path: string, report: Array<Problem>) {
    this.path = path
    this.report = report
    const entries = Predicate.isObject(input) ? Object.entries(input) : []
    this.#entries = new Map(entries.filter(([, value]) => value !== null && value !== undefined))
    this.#unread = new Set(this.#entries.keys())
    if (!Predicate.isObject(input) && input !== undefined && input !== null) {
      report.push({ path, message: "is not a mapping: left out" })
    }
  }

  /** Its keys, read or not. */
  get keys(): ReadonlyArray<string> {
    return [...this.#entries.keys()]
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  tell(key: string, message: string): undefined {
    this.report.push({ path: keyPath(this.path, key), message })
  }

  /** The value of a key, whatever it is. */
  take(key: string): unknown {
    this.#unread.delete(key)
    return this.#entries.get(key)
  }

  text(key: string): string | undefined {
    const value = this.take(key)
    if (Predicate.isNumber(value)) return String(value)
    if (value === undefined || (Predicate.isString(value) && value.trim() !== "")) return value
    return this.tell(key, "is not a text: left out")
  }

  /** A number that `fits`. */
  number(key: string, expected = "a number", fits: (value: number) => boolean = Number.isFinite): number | undefined {
    const value = this.take(key)
    if (value === undefined) return undefined
    const number = Predicate.isNumber(value) ? value : Predicate.isString(value) ? Number(value.trim()) : Number.NaN
    if (Number.isFinite(number) && fits(number)) return number
    return this.tell(key, `is not ${expected}: left out`)
  }

  /** 1, 2, 3 and so on. */
  count(key: string): number | undefined {
    return this.number(key, "a whole number above 0", (value) => Number.isSafeInteger(value) && value > 0)
  }

  /** 0, 1, 2 and so on. */
  countOrNone(key: string): number | undefined {
    return this.number(key, "a whole number, 0 or more", (value) => Number.isSafeInteger(value) && value >= 0)
  }

  /** A time that is not none at all, as our documents write it. */
  time(key: string, unit: "seconds" | "milliseconds"): string | undefined {
    const value = this.number(key, `a number of ${unit} above 0`, (value) => value > 0)
    return value === undefined ? undefined : duration(unit === "seconds" ? value * 1000 : value)
  }

  flag(key: string): boolean | undefined {
    const value = this.take(key)
    if (value === undefined || Predicate.isBoolean(value)) return value
    if (value === "true" || value === "false") return value === "true"
    return this.tell(key, "is neither true nor false: left out")
  }

  /** The texts under a key, by their names. */
  texts(key: string): Document | undefined {
    const value = this.take(key)
    if (value === undefined) return undefined
    if (!Predicate.isObject(value)) return this.tell(key, "is not a mapping: left out")
    return isSet(
      Object.fromEntries(Object.entries(value).map(([name, each]) => [name, each === null ? undefined : String(each)])),
    )
  }

  /** The mapping under a key: an empty one where there is none. */
  mapping(key: string): ImportReader {
    return new ImportReader(this.take(key), keyPath(this.path, key), this.report)
  }

  /** The items of the list under a key. A single one needs no list around it. */
  list(key: string): ReadonlyArray<unknown> {
    const value = this.take(key)
    return value === undefined ? [] : Array.isArray(value) ? value : [value]
  }

  /** Tells of every key that nobody has asked for. */
  rest(why: Readonly<Record<string, string>> = {}): void {
    for (const key of this.#unread) this.tell(key, why[key] ?? "has no equivalent: left out")
    this.#unread.clear()
  }
}

/** The text of a time of so many milliseconds, at least one. */
export const duration = (millis: number): string => printDuration(Duration.millis(Math.max(1, Math.round(millis))))

/** A mapping without the entries that say nothing; none at all if none says anything. */
export const isSet = (entries: Document): Document | undefined => {
  const left = Object.entries(entries).filter(([, value]) => value !== undefined)
  return left.length === 0 ? undefined : Object.fromEntries(left)
}

/** A name that nobody has yet: the one wished for, or that with a number. */
export const unused = (taken: Set<string>, wish: string): string => {
  let name = wish
  for (let index = 2; taken.has(name); index++) name = `${wish}-${index}`
  taken.add(name)
  return name
}

/** A route as a document of ours writes it. */
export type Written = string | ReadonlyArray<Written> | Document

/** A whole route that keeps its answers, where it should. */
export const keeping = (route: Written, cache: Document | undefined): Written => {
  if (cache === undefined) return route
  return Predicate.isString(route) || isList(route) ? { fallback: [route].flat(), cache } : { ...route, cache }
}

export const isList = (route: Written): route is ReadonlyArray<Written> => Array.isArray(route)

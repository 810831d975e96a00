/**
 * Helpers of all imports. An import converts another gateway's configuration and reports everything that is not imported.
 *
 * `ImportReader` reads a mapping key by key and reports the keys that were not read, so that nothing is dropped without a
 * message. Messages show no values, because a value may be a secret.
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { printDuration } from "../config/DurationText.ts"
import { keyPath } from "../config/ConfigError.ts"
import type { Group, NotImported } from "./Report.ts"
import { groupOf } from "./Report.ts"

/** A mapping of an Understudy configuration: plain data, as `Config.decode` takes it. */
export type Document = Readonly<Record<string, unknown>>

/** A converted configuration, and a report of what is not imported, by path in the source document. */
export interface Imported {
  readonly document: Document
  readonly report: ReadonlyArray<NotImported>
}

/** Reads a mapping of the source document. Problems go to the `report` of the import. */
export class ImportReader {
  readonly path: string
  readonly report: Array<NotImported>
  readonly #entries: Map<string, unknown>
  readonly #unread: Set<string>

  constructor(input: unknown, path: string, report: Array<NotImported>) {
    this.path = path
    this.report = report
    const entries = Predicate.isObject(input) ? Object.entries(input) : []
    this.#entries = new Map(entries.filter(([, value]) => value !== null && value !== undefined))
    this.#unread = new Set(this.#entries.keys())
    if (!Predicate.isObject(input) && input !== undefined && input !== null) {
      report.push({ path, message: "is not a mapping: not imported", group: groupOf(path) })
    }
  }

  /** All keys, read or not. */
  get keys(): ReadonlyArray<string> {
    return [...this.#entries.keys()]
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  /** Reports a problem with a key. Default of `group`: that of the key's path. */
  warn(key: string, message: string, group?: Group): undefined {
    const path = keyPath(this.path, key)
    this.report.push({ path, message, group: group ?? groupOf(path) })
  }

  /** The value of a key, of any type. */
  take(key: string): unknown {
    this.#unread.delete(key)
    return this.#entries.get(key)
  }

  text(key: string): string | undefined {
    const value = this.take(key)
    if (Predicate.isNumber(value)) return String(value)
    if (value === undefined || (Predicate.isString(value) && value.trim() !== "")) return value
    return this.warn(key, "is not a text: not imported")
  }

  /** A number for which `fits` is true. */
  number(key: string, expected = "a number", fits: (value: number) => boolean = Number.isFinite): number | undefined {
    const value = this.take(key)
    if (value === undefined) return undefined
    const number = Predicate.isNumber(value)
      ? value
      : Predicate.isString(value) && value.trim() !== ""
        ? Number(value)
        : Number.NaN
    if (Number.isFinite(number) && fits(number)) return number
    return this.warn(key, `is not ${expected}: not imported`)
  }

  /** 1, 2, 3 and so on. */
  count(key: string): number | undefined {
    return this.number(key, "a whole number above 0", (value) => Number.isSafeInteger(value) && value > 0)
  }

  /** 0, 1, 2 and so on. */
  countOrNone(key: string): number | undefined {
    return this.number(key, "a whole number, 0 or more", (value) => Number.isSafeInteger(value) && value >= 0)
  }

  /** A duration above 0, as the text that configurations use. */
  time(key: string, unit: "seconds" | "milliseconds"): string | undefined {
    const value = this.number(key, `a number of ${unit} above 0`, (value) => value > 0)
    return value === undefined ? undefined : duration(unit === "seconds" ? value * 1000 : value)
  }

  flag(key: string): boolean | undefined {
    const value = this.take(key)
    if (value === undefined || Predicate.isBoolean(value)) return value
    if (value === "true" || value === "false") return value === "true"
    return this.warn(key, "is neither true nor false: not imported")
  }

  /** The mapping of texts under a key. */
  texts(key: string): Document | undefined {
    const value = this.take(key)
    if (value === undefined) return undefined
    if (!Predicate.isObject(value)) return this.warn(key, "is not a mapping: not imported")
    return compact(
      Object.fromEntries(Object.entries(value).map(([name, each]) => [name, isBlank(each) ? undefined : String(each)])),
    )
  }

  /** A reader for the mapping under a key; an empty one if the key is missing. */
  mapping(key: string): ImportReader {
    return new ImportReader(this.take(key), keyPath(this.path, key), this.report)
  }

  /** An http or https address, or one that an environment variable holds. */
  address(key: string): string | undefined {
    const text = this.text(key)
    return text === undefined || isAddress(text) ? text : this.warn(key, notAnAddress, "models")
  }

  /** The texts of the list under a key. */
  words(key: string): ReadonlyArray<string> {
    return this.list(key).filter((each): each is string => Predicate.isString(each) && !isBlank(each))
  }

  /** The items of the list under a key. A single value counts as a list of one. */
  list(key: string): ReadonlyArray<unknown> {
    const value = this.take(key)
    return value === undefined ? [] : Array.isArray(value) ? value : [value]
  }

  /** Reports every key that was not read, with its reason in `reasons`. */
  warnUnread(reasons: Readonly<Record<string, Reason>> = {}): void {
    for (const key of this.#unread) {
      const reason = reasons[key] ?? "has no equivalent: not imported"
      if (Predicate.isString(reason)) this.warn(key, reason)
      else this.warn(key, ...reason)
    }
    this.#unread.clear()
  }
}

const isBlank = (value: unknown): boolean =>
  value === null || Predicate.isObjectOrArray(value) || (Predicate.isString(value) && value.trim() === "")

/** Whether a text is an address as configurations take it, or a reference to a variable. */
export const isAddress = (text: string): boolean =>
  text.includes("${") || (/^https?:\/\//i.test(text) && URL.canParse(text))

export const notAnAddress = "is not an http or https address: not imported"

/** Why a setting is not imported, and its group if the path does not show it. */
export type Reason = string | readonly [message: string, group: Group]

/** The text of a duration of `millis` milliseconds, at least 1. */
export const duration = (millis: number): string => printDuration(Duration.millis(Math.max(1, Math.round(millis))))

/** A mapping without its undefined entries; `undefined` if none is left. */
export const compact = (entries: Document): Document | undefined => {
  const left = Object.entries(entries).filter(([, value]) => value !== undefined)
  return left.length === 0 ? undefined : Object.fromEntries(left)
}

/** A name that is not in `taken`, to which it is added: `wanted`, or `wanted` with a number. */
export const uniqueName = (taken: Set<string>, wanted: string): string => {
  let name = wanted
  for (let index = 2; taken.has(name); index++) name = `${wanted}-${index}`
  taken.add(name)
  return name
}

/** A route as a configuration contains it. */
export type RouteDocument = string | ReadonlyArray<RouteDocument> | Document

/** The outermost route with a response cache, if one is given. */
export const withCache = (route: RouteDocument, cache: Document | undefined): RouteDocument => {
  if (cache === undefined) return route
  return Predicate.isString(route) || isList(route) ? { fallback: [route].flat(), cache } : { ...route, cache }
}

export const isList = (route: RouteDocument): route is ReadonlyArray<RouteDocument> => Array.isArray(route)

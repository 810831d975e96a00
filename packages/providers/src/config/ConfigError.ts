/**
 * Configuration errors: each has a path in the document and one line that says what is wrong and how to correct it.
 */
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import * as Predicate from "effect/Predicate"

/** A configuration error. `path` is its place in the document (`deployments.gpt-4o.limits.rpm`), empty for the whole document. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** `path` extended by `.key`, `["key.with dots"]` or `[0]`. */
export const keyPath = (path: string, key: string | number): string => {
  if (Predicate.isNumber(key)) return `${path}[${key}]`
  if (!/^[\w-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === "" ? key : `${path}.${key}`
}

/** `expected a whole number above 0, found "sixty"` */
export const invalidValue = (path: string, expected: string, value: unknown): Problem => ({
  path,
  message: `expected ${expected}, found ${describeValue(value)}`,
})

/** An unknown key. `path` is the mapping's; `hint` says where the key belongs, if it is known elsewhere. */
export const unknownKey = (path: string, key: string, known: ReadonlyArray<string>, hint?: string): Problem => ({
  path: keyPath(path, key),
  message: [
    `unknown key \`${key}\`${hint === undefined ? didYouMean(key, known, "`") || "." : `: ${hint}.`}`,
    ` Known keys: ${known.join(", ")}.`,
  ].join(""),
})

/**
 * A value as error messages show it. `value` must be the document's own text, before `${NAME}` is replaced, so that no
 * value of the environment is shown.
 */
export const describeValue = (value: unknown): string => {
  if (value === undefined || value === null) return "nothing"
  if (Predicate.isString(value)) {
    return value.includes("${")
      ? `the value of ${JSON.stringify(value)}`
      : JSON.stringify(shortened(shownAddress(value)))
  }
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list"
  if (!Predicate.isObject(value)) return String(value)
  const [only, ...others] = Object.entries(value)
  if (only === undefined || others.length > 0 || only[1] !== null) return "a mapping"
  const reference = `\${${only[0].replace(/\W/g, "")}}`
  return `a mapping (to use the variable ${reference} inside { }, put it in quotes: "${reference}")`
}

/** The type of a value, for messages that must not show the value. */
export const kind = (value: unknown): string => {
  if (Predicate.isNumber(value)) return "a number"
  if (Predicate.isBoolean(value)) return "a boolean"
  if (Predicate.isString(value)) return value.trim() === "" ? "an empty text" : "another text"
  return describeValue(value)
}

/** A text in which the userinfo and the query values of an address are replaced by `***`. */
export const shownAddress = (text: string): string =>
  text.includes("://") ? text.replace(/\/\/[^/\s]*@/, "//***@").replace(/([?&][^=&\s]*=)[^&\s]+/g, "$1***") : text

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text)

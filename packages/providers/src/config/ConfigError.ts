/**
 * What is wrong with a configuration: one line for its author, who must be able to mend it with nothing else at hand.
 */
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import * as Predicate from "effect/Predicate"

/** `path` is where in the document (`deployments.gpt-4o.limits.rpm`), empty for the document itself. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** The path one step further in: `.key`, `["key.with dots"]` or `[0]`. */
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

/** A key nobody reads. `path` is the mapping's, `hint` says why the key is not for here, where that is known. */
export const unknownKey = (path: string, key: string, known: ReadonlyArray<string>, hint?: string): Problem => ({
  path: keyPath(path, key),
  message: [
    `unknown key \`${key}\`${hint === undefined ? didYouMean(key, known, "`") || "." : `: ${hint}.`}`,
    ` Known keys: ${known.join(", ")}.`,
  ].join(""),
})

/**
 * What stands in the document: its own text, before any `${NAME}` in it was replaced, so that nothing out of the
 * environment is ever shown.
 */
export const describeValue = (value: unknown): string => {
  if (value === undefined || value === null) return "nothing"
  if (Predicate.isString(value)) {
    return value.includes("${") ? `what ${JSON.stringify(value)} holds` : JSON.stringify(shortened(shownAddress(value)))
  }
  if (Array.isArray(value)) return "a list"
  if (!Predicate.isObject(value)) return String(value)
  const [only, ...others] = Object.entries(value)
  if (only === undefined || others.length > 0 || only[1] !== null) return "a mapping"
  const meant = `\${${only[0].replace(/\W/g, "")}}`
  return `a mapping (if ${meant} is meant, it must be quoted inside { }: "${meant}")`
}

/** Of what kind a value is, where the value itself must not be shown. */
export const kind = (value: unknown): string => {
  if (Predicate.isNumber(value)) return "a number"
  if (Predicate.isBoolean(value)) return "a boolean"
  if (Predicate.isString(value)) return value.trim() === "" ? "an empty text" : "another text"
  return describeValue(value)
}

/** A text without what an address in it may hold of secrets: its userinfo, and the values of its query. */
export const shownAddress = (text: string): string =>
  text.includes("://") ? text.replace(/\/\/[^/\s]*@/, "//***@").replace(/([?&][^=&\s]*=)[^&\s]+/g, "$1***") : text

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text)

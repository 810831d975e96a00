/**
 * Reads YAML, with the line of a syntax error, and writes YAML in the style of a hand-written file.
 */
import type { Problem } from "@understudy/providers/Config"
import * as Yaml from "effect/encoding/Yaml"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

/** The value of the document, or its syntax error with the line as the path. */
export const parse = (text: string): Result.Result<unknown, Problem> =>
  Result.mapError(attempt(text), (message) => syntaxError(text.replace(/\r\n?/g, "\n").split("\n"), message))

const attempt = (text: string): Result.Result<unknown, string> =>
  Result.try({
    try: () => Yaml.parse(text),
    catch: (error) => (Predicate.isError(error) ? error.message : String(error)),
  })

const syntaxError = (lines: ReadonlyArray<string>, message: string): Problem => {
  const number = Number(/ at line (\d+)$/.exec(message)?.[1] ?? failingLine(lines, message))
  const detail = message.replace(/ at (line|flow offset) \d+$/, "")
  const variable = unquotedVariable(lines[number - 1] ?? "")
  return {
    path: `line ${number}`,
    message:
      variable === undefined
        ? `not YAML: ${detail.charAt(0).toLowerCase()}${detail.slice(1)}`
        : `\${${variable}} must be quoted inside { } and [ ]: write "\${${variable}}"`,
  }
}

/** For messages without a line: the first line up to which the text fails with the same message. */
const failingLine = (lines: ReadonlyArray<string>, message: string): number => {
  const index = lines.findIndex((_, index) => {
    const result = attempt(lines.slice(0, index + 1).join("\n"))
    return Result.isFailure(result) && result.failure === message
  })
  return index === -1 ? lines.length : index + 1
}

/** The first variable outside of quotes in a line. */
const unquotedVariable = (line: string): string | undefined =>
  /\$\{([^}\s]+)\}/.exec(line.replace(/"(?:\\.|[^"\\])*"|'(?:''|[^'])*'/g, "").replace(/(^|\s)#.*$/, ""))?.[1]

// ---------------------------------------------------------------------------------------------------------------------
// Writing
// ---------------------------------------------------------------------------------------------------------------------

type Mapping = Readonly<Record<string, unknown>>

/** The text of a document: sections and their entries on lines of their own, other mappings inline where they fit. */
export const print = (document: Mapping): string => `${entries(document, "", 2).join("\n")}\n`

const width = 120

/** `expandedLevels` levels of mappings are written in block style, however short they are. */
const entries = (mapping: Mapping, indent: string, expandedLevels: number): ReadonlyArray<string> =>
  Object.entries(mapping).flatMap(([key, value]) => {
    const line = `${indent}${scalar(key)}: ${inline(value)}`
    const isExpanded = expandedLevels > 1 && isMapping(value)
    return isFlat(value) || (!isExpanded && line.length <= width)
      ? [line]
      : [`${indent}${scalar(key)}:`, ...lines(value, `${indent}  `, expandedLevels - 1)]
  })

const lines = (value: unknown, indent: string, expandedLevels: number): ReadonlyArray<string> => {
  if (!Array.isArray(value))
    return isMapping(value) ? entries(value, indent, expandedLevels) : [`${indent}${inline(value)}`]
  return value.flatMap((each) => {
    const line = `${indent}- ${inline(each)}`
    if (isFlat(each) || line.length <= width || Array.isArray(each)) return [line]
    const [first = "", ...others] = lines(each, `${indent}  `, 0)
    return [`${indent}- ${first.trimStart()}`, ...others]
  })
}

const inline = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`
  if (!isMapping(value)) return scalar(value)
  const all = Object.entries(value).map(([key, each]) => `${scalar(key)}: ${inline(each)}`)
  return all.length === 0 ? "{}" : `{ ${all.join(", ")} }`
}

/** A scalar, quoted if it would be read as another value. */
const scalar = (value: unknown): string =>
  Predicate.isString(value) && unquoted.test(value) && !/^(true|false|null|yes|no|on|off)$/i.test(value)
    ? value
    : JSON.stringify(value)

/** Texts and durations that need no quotes. */
const unquoted = /^([a-z][\w./@-]*|\d+(\.\d+)?(ms|s|m|h))$/i

const isMapping = (value: unknown): value is Mapping => Predicate.isObject(value) && Object.keys(value).length > 0

const isFlat = (value: unknown): boolean => (Array.isArray(value) ? value.length === 0 : !isMapping(value))

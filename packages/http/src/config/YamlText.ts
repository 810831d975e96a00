/**
 * YAML: read, with where it is broken; and written, as an author would have.
 */
import type { Problem } from "@understudy/providers/Config"
import * as Yaml from "effect/encoding/Yaml"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

/** The document's value; or what is wrong with its syntax, with the line as the path. */
export const parse = (text: string): Result.Result<unknown, Problem> =>
  Result.mapError(attempt(text), (message) => broken(text.replace(/\r\n?/g, "\n").split("\n"), message))

const attempt = (text: string): Result.Result<unknown, string> =>
  Result.try({
    try: () => Yaml.parse(text),
    catch: (error) => (Predicate.isError(error) ? error.message : String(error)),
  })

const broken = (lines: ReadonlyArray<string>, message: string): Problem => {
  const number = Number(/ at line (\d+)$/.exec(message)?.[1] ?? firstToFail(lines, message))
  const said = message.replace(/ at (line|flow offset) \d+$/, "")
  const bare = unquoted(lines[number - 1] ?? "")
  return {
    path: `line ${number}`,
    message:
      bare === undefined
        ? `not YAML: ${said.charAt(0).toLowerCase()}${said.slice(1)}`
        : `\${${bare}} must be quoted inside { } and [ ]: write "\${${bare}}"`,
  }
}

/** Not every message names its line: the error stands where reading on to it first gives that message. */
const firstToFail = (lines: ReadonlyArray<string>, message: string): number => {
  const index = lines.findIndex((_, index) => {
    const result = attempt(lines.slice(0, index + 1).join("\n"))
    return Result.isFailure(result) && result.failure === message
  })
  return index === -1 ? lines.length : index + 1
}

/** The variable that a line names outside quotes, if any. */
const unquoted = (line: string): string | undefined =>
  /\$\{([^}\s]+)\}/.exec(line.replace(/"(?:\\.|[^"\\])*"|'(?:''|[^'])*'/g, "").replace(/(^|\s)#.*$/, ""))?.[1]

// ---------------------------------------------------------------------------------------------------------------------
// Writing
// ---------------------------------------------------------------------------------------------------------------------

type Plain = Readonly<Record<string, unknown>>

/** The text of a document of plain data: its sections and their entries on lines of their own, what fits one on it. */
export const print = (document: Plain): string => `${entries(document, "", 2).join("\n")}\n`

const width = 120

/** `open` levels of mappings are spread over lines however short they are. */
const entries = (mapping: Plain, indent: string, open: number): ReadonlyArray<string> =>
  Object.entries(mapping).flatMap(([key, value]) => {
    const line = `${indent}${scalar(key)}: ${inline(value)}`
    const spread = open > 1 && isPlain(value)
    return isFlat(value) || (!spread && line.length <= width)
      ? [line]
      : [`${indent}${scalar(key)}:`, ...lines(value, `${indent}  `, open - 1)]
  })

const lines = (value: unknown, indent: string, open: number): ReadonlyArray<string> => {
  if (!Array.isArray(value)) return isPlain(value) ? entries(value, indent, open) : [`${indent}${inline(value)}`]
  return value.flatMap((each) => {
    const line = `${indent}- ${inline(each)}`
    if (isFlat(each) || line.length <= width || Array.isArray(each)) return [line]
    const [first = "", ...others] = lines(each, `${indent}  `, 0)
    return [`${indent}- ${first.trimStart()}`, ...others]
  })
}

const inline = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`
  if (!isPlain(value)) return scalar(value)
  const all = Object.entries(value).map(([key, each]) => `${scalar(key)}: ${inline(each)}`)
  return all.length === 0 ? "{}" : `{ ${all.join(", ")} }`
}

/** A text stands in quotes where it would be misread without. */
const scalar = (value: unknown): string =>
  Predicate.isString(value) && plain.test(value) && !/^(true|false|null|yes|no|on|off)$/i.test(value)
    ? value
    : JSON.stringify(value)

/** Words and durations. */
const plain = /^([a-z][\w./@-]*|\d+(\.\d+)?(ms|s|m|h))$/i

const isPlain = (value: unknown): value is Plain => Predicate.isObject(value) && Object.keys(value).length > 0

const isFlat = (value: unknown): boolean => (Array.isArray(value) ? value.length === 0 : !isPlain(value))

/**
 * YAML, and where it is broken.
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

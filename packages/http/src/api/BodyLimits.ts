/**
 * Limits on the content of a body, whatever its protocol calls it: messages, parts, tools, inputs. Checked before it is
 * decoded.
 */
import * as Predicate from "effect/Predicate"
import type { JsonBounds } from "@understudy/providers/internal/protocols/JsonBounds"
import type { Limits } from "../ServerLimits.ts"
import * as ApiError from "./ApiError.ts"

/** The lists that are counted in a body. */
export type Kind = ReadonlyArray<readonly [limit: Counted, paths: ReadonlyArray<Path>]>

type Counted = "messages" | "parts" | "tools" | "inputs"

/** The path of a list: field names, `*` for every element of an array. */
type Path = ReadonlyArray<string>

const parse = (...texts: ReadonlyArray<string>): ReadonlyArray<Path> => texts.map((path) => path.split("."))

const lists: Kind = [
  ["messages", parse("messages", "input", "contents")],
  [
    "parts",
    parse(
      "messages.*.content",
      "messages.*.tool_calls",
      "messages.*.content.*.content",
      "input.*.content",
      "input.*.output",
      "input.*.summary",
      "contents.*.parts",
      "system",
      "systemInstruction.parts",
      "system_instruction.parts",
    ),
  ],
  [
    "tools",
    parse("tools", "functions", "tools.*.tools", "tools.*.functionDeclarations", "tools.*.function_declarations"),
  ],
]

/** A conversation in any protocol. Gemini's token counts may have it under `generateContentRequest`. */
export const conversation: Kind = lists.map(([limit, paths]) => [
  limit,
  paths.flatMap((path) => [path, ["generateContentRequest", ...path]]),
])

/** Texts to embed. */
export const inputs: Kind = [["inputs", parse("input", "requests", "requests.*.content.parts", "content.parts")]]

/** The limits on the structure of any body. */
export const bounds = ({ distinctFields, fields, nesting, values }: Limits): JsonBounds => ({
  distinctFields,
  fields,
  nesting,
  values,
})

/** The error of a body that exceeds a structural bound. */
export const exceeded = (bound: keyof JsonBounds, limits: Limits): ApiError.ApiError =>
  bound === "nesting"
    ? ApiError.invalid(`The body is nested deeper than ${limits.nesting} levels, ${limitOf(bound)}.`, {})
    : tooMany(`The body has more than ${limits[bound]} ${nouns[bound]}, ${limitOf(bound)}.`)

const nouns = { fields: "top-level fields", values: "values", distinctFields: "different fields in its objects" }

/** The error of a body that exceeds a limit, if it does. `characters` is the length of its text. */
export const check = (
  body: Record<string, unknown>,
  characters: number,
  kind: Kind,
  limits: Limits,
): ApiError.ApiError | undefined => {
  for (const [limit, paths] of kind) {
    const max = limits[limit]
    // An element and its comma take at least two characters.
    if (characters < 2 * max) continue
    let count = 0
    for (const path of paths) {
      count += countAt(body, path, 0, max)
      if (count > max) return tooMany(`The body has more than ${max} ${limit}, ${limitOf(limit)}.`, listOf(path))
    }
  }
  return undefined
}

/** The name of the parameter at a path: the fields before the first `*`. */
const listOf = (path: Path): string => path.slice(0, [...path, "*"].indexOf("*")).join(".")

/** The number of elements in all lists at a path. Stops counting above `max`. */
const countAt = (value: unknown, path: Path, step: number, max: number): number => {
  if (step === path.length) return Array.isArray(value) && !Predicate.isNumber(value[0]) ? value.length : 0
  if (path[step] !== "*") {
    return Predicate.isObject(value) ? countAt(Reflect.get(value, path[step]!), path, step + 1, max) : 0
  }
  if (!Array.isArray(value)) return 0
  let count = 0
  for (const element of value) {
    count += countAt(element, path, step + 1, max)
    if (count > max) return count
  }
  return count
}

const tooMany = (message: string, param?: string): ApiError.ApiError =>
  ApiError.invalid(message, {
    ...(param === undefined ? undefined : { param }),
    status: 413,
    code: "request_too_large",
  })

const limitOf = (limit: keyof Limits): string => `the limit of this gateway (server.limits.${limit})`

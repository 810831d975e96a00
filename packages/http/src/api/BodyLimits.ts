/**
 * How much a body may hold of what each dialect has by a name of its own: messages, parts, tools, inputs. Looked at before
 * any of it is decoded.
 */
import * as Predicate from "effect/Predicate"
import type { JsonBounds } from "@understudy/providers/internal/protocols/JsonBounds"
import type { Limits } from "../ServerLimits.ts"
import * as ApiError from "./ApiError.ts"

/** What a body is looked through for. */
export type Kind = ReadonlyArray<readonly [limit: Counted, places: ReadonlyArray<Path>]>

type Counted = "messages" | "parts" | "tools" | "inputs"

/** Where a list stands: field by field, `*` for every element of one. */
type Path = ReadonlyArray<string>

const paths = (...written: ReadonlyArray<string>): ReadonlyArray<Path> => written.map((path) => path.split("."))

const lists: Kind = [
  ["messages", paths("messages", "input", "contents")],
  [
    "parts",
    paths(
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
    paths("tools", "functions", "tools.*.tools", "tools.*.functionDeclarations", "tools.*.function_declarations"),
  ],
]

/** A conversation in any dialect. Gemini's to be counted may stand a level deeper. */
export const conversation: Kind = lists.map(([limit, places]) => [
  limit,
  places.flatMap((place) => [place, ["generateContentRequest", ...place]]),
])

/** Texts to embed. */
export const inputs: Kind = [["inputs", paths("input", "requests", "requests.*.content.parts", "content.parts")]]

/** The most that `limits` allow of the structure of any body. */
export const bounds = ({ distinctFields, fields, nesting, values }: Limits): JsonBounds => ({
  distinctFields,
  fields,
  nesting,
  values,
})

/** Why a body is refused that exceeds a bound of its structure. */
export const exceeded = (bound: keyof JsonBounds, limits: Limits): ApiError.ApiError =>
  bound === "nesting"
    ? ApiError.invalid(`The body is nested deeper than ${limits.nesting} levels, ${limitOf(bound)}.`, {})
    : tooMany(`The body has more than ${limits[bound]} ${words[bound]}, ${limitOf(bound)}.`)

const words = { fields: "top-level fields", values: "values", distinctFields: "different fields in its objects" }

/** Why a body of so many characters is refused that holds too much of a kind, if it does. */
export const check = (
  body: Record<string, unknown>,
  characters: number,
  kind: Kind,
  limits: Limits,
): ApiError.ApiError | undefined => {
  for (const [limit, places] of kind) {
    const most = limits[limit]
    // An element and its comma take two.
    if (characters < 2 * most) continue
    let count = 0
    for (const place of places) {
      count += countAt(body, place, 0, most)
      if (count > most) return tooMany(`The body has more than ${most} ${limit}, ${limitOf(limit)}.`, listOf(place))
    }
  }
  return undefined
}

/** A place as a parameter is named: down to where there are several. */
const listOf = (place: Path): string => place.slice(0, [...place, "*"].indexOf("*")).join(".")

/** The elements of all lists at a place, or as soon as there are more than `most` of them, more. */
const countAt = (value: unknown, place: Path, step: number, most: number): number => {
  if (step === place.length) return Array.isArray(value) && !Predicate.isNumber(value[0]) ? value.length : 0
  if (place[step] !== "*") {
    return Predicate.isObject(value) ? countAt(Reflect.get(value, place[step]!), place, step + 1, most) : 0
  }
  if (!Array.isArray(value)) return 0
  let count = 0
  for (const element of value) {
    count += countAt(element, place, step + 1, most)
    if (count > most) return count
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

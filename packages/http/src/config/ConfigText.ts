/** Reads the text of a configuration in any syntax that a gateway has for it: YAML, JSON or TOML. */
import type { Problem } from "@understudy/providers/Config"
import type { Syntax } from "@understudy/providers/internal/import/Formats"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as YamlText from "./YamlText.ts"

/** A parsed document. Its syntax tells formats apart: only one gateway's is TOML. */
export interface ParsedText {
  readonly value: unknown
  readonly syntax: Syntax
}

/** The value of a text, or its syntax error. Messages quote nothing of the text, which may contain secrets. */
export const parse = (text: string): Effect.Effect<ParsedText, Problem> => {
  if (isToml(text)) return parseToml(text)
  const parsed = /^\s*\{/.test(text) ? parseJson(text) : YamlText.parse(text)
  return Effect.fromResult(Result.map(parsed, (value): ParsedText => ({ value, syntax: "yaml" })))
}

/** Whether the first line that is not a comment is a table or an assignment. */
const isToml = (text: string): boolean => {
  const first = text.split(/\r?\n/).find((line) => !/^\s*(#|$)/.test(line)) ?? ""
  return /^\s*(\[\[?[^\]]+\]\]?\s*(#.*)?$|(?:[\w.-]|"[^"]*"|'[^']*')+\s*=)/.test(first)
}

const parseToml = (text: string): Effect.Effect<ParsedText, Problem> =>
  Effect.flatMap(
    // Loaded only for a document in TOML.
    Effect.promise(() => import("effect/encoding/Toml")),
    ({ parse }) =>
      Effect.fromResult(
        Result.mapBoth(parse(text), {
          onSuccess: (value): ParsedText => ({ value: plain(value), syntax: "toml" }),
          onFailure: ({ cause, message }): Problem => ({
            path: linePath(Predicate.isError(cause) ? cause.message : message),
            message: "not TOML: this line cannot be read",
          }),
        }),
      ),
  )

const linePath = (message: string): string => {
  const [, line] = /line (\d+)/.exec(message) ?? []
  return line === undefined ? "" : `line ${line}`
}

/** Tables without a prototype as plain objects, and dates as texts. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Date) return value.toISOString()
  return Predicate.isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
    : value
}

/** JSON may be indented with tabs, which YAML rejects; a mapping of YAML may be written with braces too. */
const parseJson = (text: string): Result.Result<unknown, Problem> => {
  const json = Result.try({ try: (): unknown => JSON.parse(text), catch: (error) => error })
  if (Result.isSuccess(json)) return Result.succeed(json.success)
  const yaml = YamlText.parse(text)
  if (Result.isSuccess(yaml)) return yaml
  const reason = Predicate.isError(json.failure) ? `: ${parserMessage(json.failure)}` : ""
  return Result.fail({ path: "", message: `not JSON${reason}` })
}

/** The parser's message without its quotation from the document. */
const parserMessage = ({ message }: Error): string => message.replace(/,? "[^]*$/, "")

/**
 * A schema's issues as problems: one for each place, in the words of that place's own schema.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import type { Problem } from "./ConfigError.ts"
import { keyPath, describeValue, kind, unknownKey } from "./ConfigError.ts"
import type { Notes } from "./Fields.ts"

/** Where a value stands: its path, and it itself as its author wrote it. */
export interface Location {
  readonly path: string
  readonly source: unknown
}

/** The place of `key` within this one. */
export const within = (place: Location, key: string | number): Location => ({
  path: keyPath(place.path, key),
  source:
    Predicate.isObjectOrArray(place.source) && Object.hasOwn(place.source, key)
      ? (place.source as Readonly<Record<string | number, unknown>>)[key]
      : undefined,
})

/** Why a key is not for here, where that is known: it is a key of another vendor, or of another level. */
export type Hint = (key: string) => string | undefined

/** Decodes `input`, which stands at `place`, refusing keys that the schema does not know; or lists every problem. */
export const decode = <A>(
  schema: Schema.ConstraintDecoder<A>,
  input: unknown,
  place: Location,
  hint: Hint = nowhere,
): Result.Result<A, ReadonlyArray<Problem>> =>
  Result.mapError(
    Schema.decodeUnknownResult(schema, { errors: "all", onExcessProperty: "error" })(input),
    ({ issue }) => problems(issue, place, hint),
  )

const nowhere: Hint = () => undefined

const problems = (issue: SchemaIssue.Issue, place: Location, hint: Hint): ReadonlyArray<Problem> => {
  switch (issue._tag) {
    case "Composite":
      return issue.issues.flatMap((each) => problems(each, place, hint))
    case "Encoding":
      return problems(issue.issue, place, hint)
    case "Filter":
      return [told(issue.filter.annotations, place)]
    case "Pointer": {
      const key = issue.path.at(-1)
      if (issue.issue._tag === "UnexpectedKey") {
        return [unknownKey(place.path, String(key), keysOf(issue.issue.ast), hint(String(key)))]
      }
      return problems(
        issue.issue,
        issue.path.reduce<Location>((place, key) => within(place, asKey(key)), place),
        hint,
      )
    }
    case "MissingKey":
      return [{ path: place.path, message: issue.annotations?.messageMissingKey ?? "is missing" }]
    case "InvalidType":
    case "UnexpectedKey":
    case "AnyOf":
    case "OneOf":
      return [told(expectation(issue.ast), place)]
    case "InvalidValue":
    case "Forbidden":
      return [told(issue.annotations, place)]
  }
}

const asKey = (key: PropertyKey): string | number => (Predicate.isNumber(key) ? key : String(key))

/** What the schema says it expects; of a mapping, its keys. */
const expectation = (ast: SchemaAST.AST): Schema.Annotations.Annotations | undefined => {
  if (ast.annotations?.["expected"] !== undefined || ast._tag !== "Objects") return ast.annotations
  return { expected: `a mapping of ${keysOf(ast).join(", ")}` }
}

const keysOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Objects" ? ast.propertySignatures.map(({ name }) => String(name)) : []

const told = (annotations: (Schema.Annotations.Annotations & Notes) | undefined, place: Location): Problem => {
  const { path, source } = place
  const shown = annotations?.secret === true && !names(source) ? kind(source) : describeValue(source)
  const unquoted = annotations?.quotable === true && (Predicate.isNumber(source) || Predicate.isBoolean(source))
  return {
    path,
    message: `expected ${String(annotations?.["expected"] ?? "another value")}, found ${shown}${unquoted ? ": put it in quotes" : ""}`,
  }
}

/** Whether what was written only names where the value is. */
const names = (written: unknown): boolean => Predicate.isString(written) && written.includes("${")

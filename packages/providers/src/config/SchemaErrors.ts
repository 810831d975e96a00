/**
 * Converts a schema's issues to configuration problems: one for each place, with the description from that place's schema.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import type { Problem } from "./ConfigError.ts"
import { keyPath, describeValue, kind, unknownKey } from "./ConfigError.ts"
import type { Notes } from "./Fields.ts"

/** A place in the document: its path, and its value before interpolation. */
export interface Location {
  readonly path: string
  readonly source: unknown
}

/** The location of `key` inside `place`. */
export const within = (place: Location, key: string | number): Location => ({
  path: keyPath(place.path, key),
  source:
    Predicate.isObjectOrArray(place.source) && Object.hasOwn(place.source, key)
      ? (place.source as Readonly<Record<string | number, unknown>>)[key]
      : undefined,
})

/** Where an unknown key belongs: to another vendor, or at another level; `undefined` if it belongs nowhere. */
export type Hint = (key: string) => string | undefined

/** Decodes `input`, the value at `place`; fails with every problem, unknown keys included. */
export const decode = <A>(
  schema: Schema.ConstraintDecoder<A>,
  input: unknown,
  place: Location,
  hint: Hint = noHint,
): Result.Result<A, ReadonlyArray<Problem>> =>
  Result.mapError(
    Schema.decodeUnknownResult(schema, { errors: "all", onExcessProperty: "error" })(input),
    ({ issue }) => problems(issue, place, hint),
  )

const noHint: Hint = () => undefined

/** Every problem of a schema's issue at this place. */
export const problems = (issue: SchemaIssue.Issue, place: Location, hint: Hint = noHint): ReadonlyArray<Problem> => {
  switch (issue._tag) {
    case "Composite":
      return issue.issues.flatMap((each) => problems(each, place, hint))
    case "Encoding":
      return problems(issue.issue, place, hint)
    case "Filter":
      return [unexpected(issue.filter.annotations, place)]
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
    case "AnyOf": {
      // One issue: the value has the kind of one member, such as a mapping, and that member says what is wrong inside.
      const [only, ...others] = issue.issues
      return only?._tag === "Composite" && others.length === 0
        ? problems(only, place, hint)
        : [unexpected(expectation(issue.ast), place)]
    }
    case "InvalidType":
    case "UnexpectedKey":
    case "OneOf":
      return [unexpected(expectation(issue.ast), place)]
    case "InvalidValue":
    case "Forbidden":
      return [unexpected(issue.annotations, place)]
  }
}

const asKey = (key: PropertyKey): string | number => (Predicate.isNumber(key) ? key : String(key))

/** The annotations with the schema's description; that of a mapping without one lists its keys. */
const expectation = (ast: SchemaAST.AST): Schema.Annotations.Annotations | undefined => {
  if (ast.annotations?.["expected"] !== undefined || ast._tag !== "Objects") return ast.annotations
  return { expected: `a mapping of ${keysOf(ast).join(", ")}` }
}

const keysOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Objects" ? ast.propertySignatures.map(({ name }) => String(name)) : []

const unexpected = (annotations: (Schema.Annotations.Annotations & Notes) | undefined, place: Location): Problem => {
  const { path, source } = place
  const shown = annotations?.secret === true && !isReference(source) ? kind(source) : describeValue(source)
  const unquoted = annotations?.quotable === true && (Predicate.isNumber(source) || Predicate.isBoolean(source))
  return {
    path,
    message: `expected ${String(annotations?.["expected"] ?? "another value")}, found ${shown}${unquoted ? ": put it in quotes" : ""}`,
  }
}

/** Whether the value is a reference to an environment variable, which may be shown. */
const isReference = (source: unknown): boolean => Predicate.isString(source) && source.includes("${")

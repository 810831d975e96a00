/**
 * The error of an invalid client request: the invalid field and what was expected, in one sentence in OpenAI's style,
 * for every protocol.
 */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as ExactNumber from "./ExactNumber.ts"

export class InvalidBody extends Data.TaggedError("InvalidBody")<{
  /** The invalid field, such as `messages[2].content`; empty for the body itself. */
  readonly path: string
  readonly message: string
  /** Set if the protocol's clients expect a specific status or code. */
  readonly status?: number
  readonly code?: string
}> {}

/** The error of a schema issue in `body`: the deepest one. */
export const fromIssue = (issue: SchemaIssue.Issue, body: unknown): InvalidBody => {
  const fault = deepest(issue, [], undefined)
  const value = at(body, fault.path)
  const tag = fault.ast === undefined ? undefined : discriminator(fault.ast)
  return tag === undefined || !Predicate.isObject(value)
    ? invalid(fault.path, value, fault.expected ?? describe(fault.ast))
    : invalid([...fault.path, tag.name], value[tag.name], oneOf(tag.values))
}

const invalid = (path: Path, value: unknown, expected: string): InvalidBody => {
  const source = write(path)
  const message =
    source === ""
      ? `Invalid body: expected ${expected}, but got ${kind(value)}.`
      : value === undefined
        ? `Missing required parameter: '${source}' (expected ${expected}).`
        : `Invalid value for '${source}': expected ${expected}, but got ${kind(value)}.`
  return new InvalidBody({ path: source, message })
}

// ---------------------------------------------------------------------------------------------------------------------
// Path
// ---------------------------------------------------------------------------------------------------------------------

type Path = ReadonlyArray<PropertyKey>

interface Fault {
  readonly path: Path
  /** The expected type; `undefined` if only the absence is known. */
  readonly ast: SchemaAST.AST | undefined
  readonly expected: string | undefined
}

/** Among a union's issues, the deepest belongs to the member that the client intended. */
const deepest = (issue: SchemaIssue.Issue, path: Path, ast: SchemaAST.AST | undefined): Fault => {
  switch (issue._tag) {
    case "Pointer": {
      const inner = issue.path.reduce(property, ast)
      return deepest(issue.issue, [...path, ...issue.path], inner)
    }
    case "Filter":
      return { path, ast: undefined, expected: expectation(issue.filter.annotations) }
    case "Encoding":
      return deepest(issue.issue, path, ast)
    case "Composite":
    case "AnyOf":
      return issue.issues
        .map((inner) => deepest(inner, path, issue.ast))
        .reduce<Fault>(
          (best, fault) => (fault.path.length > best.path.length || best.ast === issue.ast ? fault : best),
          {
            path,
            ast: issue.ast,
            expected: undefined,
          },
        )
    case "InvalidType":
      return { path, ast: issue.ast, expected: undefined }
    default:
      return { path, ast, expected: undefined }
  }
}

const property = (ast: SchemaAST.AST | undefined, name: PropertyKey): SchemaAST.AST | undefined =>
  ast?._tag === "Objects" ? ast.propertySignatures.find((signature) => signature.name === name)?.type : undefined

const at = (body: unknown, path: Path): unknown =>
  path.reduce<unknown>((value, key) => (Predicate.isObjectOrArray(value) ? Reflect.get(value, key) : undefined), body)

const write = (path: Path): string =>
  path.reduce<string>(
    (source, key) =>
      typeof key === "number" ? `${source}[${key}]` : source === "" ? String(key) : `${source}.${String(key)}`,
    "",
  )

// ---------------------------------------------------------------------------------------------------------------------
// Expectation
// ---------------------------------------------------------------------------------------------------------------------

const expectation = (annotations: { readonly expected?: unknown } | undefined): string | undefined =>
  Predicate.isString(annotations?.expected) ? annotations.expected : undefined

/** The members of a union and of nested unions, without null and undefined. */
const members = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> => {
  if (ast._tag === "Null" || ast._tag === "Undefined") return []
  return ast._tag === "Union" && expectation(ast.annotations) === undefined ? ast.types.flatMap(members) : [ast]
}

/** `role` or `type`, if it discriminates a union's objects. */
const discriminator = (
  ast: SchemaAST.AST,
): { readonly name: string; readonly values: ReadonlyArray<SchemaAST.LiteralValue> } | undefined => {
  const objects = (ast._tag === "Union" ? ast.types.flatMap(members) : []).filter((ast) => ast._tag === "Objects")
  for (const name of ["role", "type"]) {
    const values = objects.flatMap((object) => {
      const tag = property(object, name)
      return tag?._tag === "Literal" ? [tag.literal] : []
    })
    if (values.length > 0) return { name, values }
  }
  return undefined
}

const describe = (ast: SchemaAST.AST | undefined): string => {
  if (ast === undefined) return "a value"
  const all = members(ast)
  const literals = all.flatMap((ast) => (ast._tag === "Literal" ? [ast.literal] : []))
  const descriptions = all.flatMap((ast) =>
    ast._tag === "Literal" ? [] : [expectation(ast.annotations) ?? noun(ast._tag)],
  )
  return [...(literals.length === 0 ? [] : [oneOf(literals)]), ...new Set(descriptions)].join(" or ")
}

const noun = (tag: SchemaAST.AST["_tag"]): string => {
  switch (tag) {
    case "String":
      return "a string"
    case "Number":
      return "a number"
    case "Boolean":
      return "a boolean"
    case "Arrays":
      return "an array"
    default:
      return "an object"
  }
}

const oneOf = (values: ReadonlyArray<SchemaAST.LiteralValue>): string => {
  const quoted = values.map((value) => JSON.stringify(value))
  return quoted.length === 1 ? `${quoted[0]}` : `one of ${quoted.join(", ")}`
}

/** A short description of the client's value. */
const kind = (value: unknown): string => {
  if (value === undefined) return "nothing"
  if (value === null) return "null"
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array"
  if (Predicate.isString(value)) return value.length > 40 ? "a string" : JSON.stringify(value)
  if (ExactNumber.is(value)) return ExactNumber.describe(value)
  return Predicate.isObject(value) ? "an object" : String(value)
}

/**
 * Lists in pages: `limit` and an opaque `cursor` in the query; `{ "data", "next" }` in the response, where `next` is the cursor
 * of the next page, or null.
 */
import { source } from "@understudy/providers/internal/config/Fields"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** Where a list goes on: after the row with this position. Rows have increasing positions. */
export type Position = readonly [at: number, id: string]

const defaultLimit = 100
export const maxLimit = 1000

const limit = source<number, string>({
  from: Schema.String,
  to: Schema.Finite,
  expected: `a whole number from 1 to ${maxLimit}`,
  parse: (text) => (/^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= maxLimit ? Number(text) : undefined),
  print: String,
})

const cursor = source<Position, string>({
  from: Schema.String,
  to: Schema.Any,
  expected: "the `next` of a page",
  parse: (text) => decode(text),
  print: (position) => encode(position),
})

/** The fields of a list's query. */
export const Query = { limit: Schema.optionalKey(limit), cursor: Schema.optionalKey(cursor) }

export interface Query {
  readonly limit?: number | undefined
  readonly cursor?: Position | undefined
}

/** The schema of a page. */
export const Page = <Row extends Schema.Top>(row: Row) =>
  Schema.Struct({ data: Schema.Array(row), next: Schema.NullOr(Schema.String) })

/** How many rows to read: one more than the page shows tells whether there is another page. */
export const rowsToRead = ({ limit = defaultLimit }: Query): number => limit + 1

/** The page of these rows, which are as many as `rowsToRead` or the last. */
export const of = <Row, Shown>(
  rows: ReadonlyArray<Row>,
  { limit = defaultLimit }: Query,
  positionOf: (row: Row) => Position,
  show: (row: Row) => Shown,
): { readonly data: ReadonlyArray<Shown>; readonly next: string | null } => {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    data: shown.map(show),
    next: rows.length > limit && last !== undefined ? encode(positionOf(last)) : null,
  }
}

/** The id of a row has no NUL, which PostgreSQL does not store. */
const isId = (value: unknown): value is string => Predicate.isString(value) && !value.includes("\0")

const encode = (position: Position): string => Buffer.from(JSON.stringify(position)).toString("base64url")

const decode = (text: string): Position | undefined => {
  const decoded = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))(
    Buffer.from(text, "base64url").toString(),
  )
  const value = decoded._tag === "Some" ? decoded.value : undefined
  return Array.isArray(value) && value.length === 2 && Predicate.isNumber(value[0]) && isId(value[1])
    ? [value[0], value[1]]
    : undefined
}

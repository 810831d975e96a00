/**
 * Writes calls to the ledger: a batch is one transaction. A call that is there already is left as it is, and adds nothing to
 * the roll-ups, so a batch may be written again when it is not known whether it was.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { ForEach } from "../store/ForEach.ts"
import * as Rows from "./Rows.ts"
import type { Entry, Value } from "./Rows.ts"
import * as Tables from "./Tables.ts"

/** Writes the calls that are not there yet. Succeeds with their number. */
export const write = (sql: SqlClient, entries: ReadonlyArray<Entry>): Effect.Effect<number, SqlError> => {
  const all = Effect.andThen(insertCalls(sql, entries.map(callOf)), writeRest(sql, entries))
  // Hardly ever is one of them there already: only then is it asked which are not.
  return Effect.catchIf(Effect.as(sql.withTransaction(all), entries.length), isOfConstraint, () =>
    writeNew(sql, entries),
  )
}

const isOfConstraint = ({ reason }: SqlError): boolean =>
  reason._tag === "UniqueViolation" || reason._tag === "ConstraintError"

const writeNew = (sql: SqlClient, entries: ReadonlyArray<Entry>): Effect.Effect<number, SqlError> =>
  sql.withTransaction(
    Effect.flatMap(insertNewCalls(sql, entries.map(callOf)), (rows) => {
      const inserted = new Set(rows.map(({ id }) => id))
      // Each once, also if it is among the entries twice.
      const fresh = entries.filter(({ call }) => inserted.delete(call.id))
      return Effect.as(writeRest(sql, fresh), fresh.length)
    }),
  )

const callOf = ({ call }: Entry): Rows.CallRow => call

const writeRest = Effect.fnUntraced(function* (sql: SqlClient, entries: ReadonlyArray<Entry>) {
  yield* insertAttempts(
    sql,
    entries.flatMap(({ attempts, call }) => (call.attempt_millis === null ? attempts : [])),
  )
  const hours = Rows.hours(entries)
  yield* addHours(sql, hours)
  yield* addDays(sql, Rows.days(hours))
})

// ---------------------------------------------------------------------------------------------------------------------
// Statements
// ---------------------------------------------------------------------------------------------------------------------

/** Rows of one statement of SQLite: each statement that runs costs as much as the values of many columns. */
const perStatement = 10

/** A function that inserts rows. PostgreSQL takes them as one JSON parameter; SQLite reads JSON slowly, and takes their values. */
const inserter = <Row extends Readonly<Record<string, Value>>, Returned extends object>(
  table: Tables.Table<Row>,
  rest = "",
) => {
  const { columns, name, types } = table
  const into = `INTO ${name} (${columns.join(", ")})`
  const fields = types.map((type, index) => `(r->>${index})::${type}`)
  const pg = `INSERT ${into} SELECT ${fields.join(", ")} FROM jsonb_array_elements(($1::text)::jsonb) r ${rest}`
  const values = `(${columns.map(() => "?").join(", ")})`
  // Without OR FAIL it would copy each page that the rows of one statement change, to undo those alone.
  const sqlite = (rows: number) =>
    `INSERT OR FAIL ${into} VALUES ${Array.from({ length: rows }, () => values).join(", ")} ${rest}`
  const [one, several] = [sqlite(1), sqlite(perStatement)]
  return (sql: SqlClient, rows: ReadonlyArray<Row>): Effect.Effect<ReadonlyArray<Returned>, SqlError> => {
    if (rows.length === 0) return nothing
    const texts = rows.map((row) => table.text(row))
    return sql.onDialectOrElse({
      pg: () => sql.unsafe<Returned>(pg, [listOf(texts)]),
      orElse: () => {
        const whole = texts.length - (texts.length % perStatement)
        const groups = Array.from({ length: whole / perStatement }, (_, index) =>
          texts.slice(index * perStatement, (index + 1) * perStatement).join(","),
        )
        const left = texts.slice(whole)
        const grouped = groups.length === 0 ? nothing : sql.unsafe<Returned>(several, [new ForEach(listOf(groups))])
        if (left.length === 0) return grouped
        const single = sql.unsafe<Returned>(one, [new ForEach(listOf(left))])
        return Effect.flatMap(grouped, (rows) => Effect.map(single, (more) => [...rows, ...more]))
      },
    })
  }
}

const nothing = Effect.succeed([])

/** A JSON list of lists, of what they contain. */
const listOf = (contents: ReadonlyArray<string>): string => `[[${contents.join("],[")}]]`

const insertCalls = inserter(Tables.calls)
const insertNewCalls = inserter<Rows.CallRow, { readonly id: string }>(
  Tables.calls,
  "ON CONFLICT DO NOTHING RETURNING id",
)
const insertAttempts = inserter(Tables.attempts, "ON CONFLICT DO NOTHING")

const adder = (table: Tables.Table<Rows.SpendRow>) =>
  inserter(
    table,
    `ON CONFLICT (start, ${Rows.dimensions.join(", ")}) DO UPDATE SET ${Rows.sums
      .map((column) => `${column} = ${table.name}.${column} + excluded.${column}`)
      .join(", ")}`,
  )

const addHours = adder(Tables.hours)
const addDays = adder(Tables.days)

/**
 * Writes calls to the ledger: a batch is one transaction. A call that is there already is left as it is, and adds nothing to
 * the roll-ups, so a batch may be written again when it is not known whether it was.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { ForEach } from "../store/ForEach.ts"
import { Batch } from "./Batch.ts"
import * as Rows from "./Rows.ts"
import type { Value } from "./Rows.ts"
import * as Tables from "./Tables.ts"

/** Writes the calls that are not there yet. Succeeds with their number. */
export const write = (sql: SqlClient, batch: Batch): Effect.Effect<number, SqlError> => {
  const all = Effect.andThen(insertFacts(sql, batch), writeRest(sql, batch))
  // Hardly ever is one of them there already: only then is it asked which are not.
  return Effect.catchIf(Effect.as(sql.withTransaction(all), batch.size), isOfConstraint, () => writeNew(sql, batch))
}

const isOfConstraint = ({ reason }: SqlError): boolean =>
  reason._tag === "UniqueViolation" || reason._tag === "ConstraintError"

const writeNew = (sql: SqlClient, batch: Batch): Effect.Effect<number, SqlError> =>
  sql.withTransaction(
    Effect.flatMap(insertNewFacts(sql, batch), (rows) => {
      const inserted = new Set(rows.map(({ id }) => id))
      // Each once, also if it is in the batch twice.
      const fresh = Batch.of(batch.entries.filter(({ call }) => inserted.delete(call.id)))
      return Effect.as(writeRest(sql, fresh), fresh.size)
    }),
  )

const writeRest = Effect.fnUntraced(function* (sql: SqlClient, batch: Batch) {
  yield* insertDimensions(sql, batch.dimensions)
  yield* insertAttempts(sql, batch.attempts)
  yield* addHours(sql, batch.hours)
  yield* addDays(sql, Rows.days(batch.hours))
})

// ---------------------------------------------------------------------------------------------------------------------
// Statements
// ---------------------------------------------------------------------------------------------------------------------

type AnyTable = Pick<Tables.Table<Readonly<Record<string, Value>>>, "name" | "types"> & {
  readonly columns: ReadonlyArray<string>
}

const into = ({ columns, name }: AnyTable): string => `INTO ${name} (${columns.join(", ")})`

/** A statement of PostgreSQL that inserts rows. They are one parameter, a JSON list of lists of their values. */
const insertPg = (table: AnyTable, rest: string): string => {
  const fields = table.types.map((type, index) => `(r->>${index})::${type}`)
  return `INSERT ${into(table)} SELECT ${fields.join(", ")} FROM jsonb_array_elements(($1::text)::jsonb) r ${rest}`
}

/** A statement of SQLite that inserts so many rows. */
const insertSqlite = (table: AnyTable, rows: number, rest: string): string => {
  const values = `(${table.columns.map(() => "?").join(", ")})`
  // Without OR FAIL it would copy each page that the rows of one statement change, to undo those alone.
  return `INSERT OR FAIL ${into(table)} VALUES ${Array.from({ length: rows }, () => values).join(", ")} ${rest}`
}

/** A function that inserts rows of which a batch has few. */
const inserter = <Row extends Readonly<Record<string, Value>>>(table: Tables.Table<Row>, rest: string) => {
  const pg = insertPg(table, rest)
  const sqlite = insertSqlite(table, 1, rest)
  return (sql: SqlClient, rows: ReadonlyArray<Row>): Effect.Effect<unknown, SqlError> => {
    if (rows.length === 0) return Effect.void
    const json = JSON.stringify(rows.map((row) => table.values(row)))
    return sql.onDialectOrElse({
      pg: () => sql.unsafe(pg, [json]),
      orElse: () => sql.unsafe(sqlite, [new ForEach({ json })]),
    })
  }
}

const insertDimensions = inserter(
  Tables.callDimensions,
  "ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at WHERE call_dimensions.used_at < excluded.used_at",
)
const insertAttempts = inserter(Tables.attempts, "ON CONFLICT DO NOTHING")

/** Rows of one statement of SQLite: each statement that runs costs as much as the values of many columns. */
const perStatement = 25

/** A function that inserts the facts of a batch. */
const factInserter = <Returned extends object>(rest = "") => {
  const table = Tables.callFacts
  const pg = insertPg(table, rest)
  const [one, several] = [insertSqlite(table, 1, rest), insertSqlite(table, perStatement, rest)]
  return (sql: SqlClient, batch: Batch): Effect.Effect<ReadonlyArray<Returned>, SqlError> => {
    const { numbers, texts } = batch
    const width = numbers.length / texts.length
    return sql.onDialectOrElse({
      // A number that is none is null in JSON.
      pg: () =>
        sql.unsafe<Returned>(pg, [
          JSON.stringify(texts.map((list, row) => [...list, ...numbers.subarray(row * width, (row + 1) * width)])),
        ]),
      orElse: () => {
        const run = (text: string, from: number, to: number, lists: number) => {
          if (from === to) return Effect.succeed([])
          const json = JSON.stringify(texts.slice(from, to))
          return sql.unsafe<Returned>(text, [
            new ForEach({ json, numbers: numbers.slice(from * width, to * width), lists }),
          ])
        }
        const whole = texts.length - (texts.length % perStatement)
        return Effect.flatMap(run(several, 0, whole, perStatement), (rows) =>
          Effect.map(run(one, whole, texts.length, 1), (more) => [...rows, ...more]),
        )
      },
    })
  }
}

const insertFacts = factInserter()
const insertNewFacts = factInserter<{ readonly id: string }>("ON CONFLICT DO NOTHING RETURNING id")

const adder = (table: Tables.Table<Rows.SpendRow>) =>
  inserter(
    table,
    `ON CONFLICT (start, ${Rows.spendDimensions.join(", ")}) DO UPDATE SET ${Rows.sums
      .map((column) => `${column} = ${table.name}.${column} + excluded.${column}`)
      .join(", ")}`,
  )

const addHours = adder(Tables.hours)
const addDays = adder(Tables.days)

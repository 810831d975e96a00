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

/** Columns with their types in PostgreSQL. */
type Columns<Row> = { readonly [Column in keyof Row]: "text" | "bigint" }

const calls: Columns<Rows.CallRow> = {
  id: "text",
  at: "bigint",
  key_id: "text",
  team_id: "text",
  tags: "text",
  route: "text",
  model: "text",
  deployment: "text",
  vendor: "text",
  served_model: "text",
  protocol: "text",
  streamed: "bigint",
  outcome: "text",
  reason: "text",
  status: "bigint",
  cache: "text",
  millis: "bigint",
  first_token_millis: "bigint",
  attempts: "bigint",
  input_tokens: "bigint",
  output_tokens: "bigint",
  cost: "bigint",
  estimated: "bigint",
}

const attempts: Columns<Rows.AttemptRow> = {
  call_id: "text",
  position: "bigint",
  deployment: "text",
  vendor: "text",
  model: "text",
  outcome: "text",
  reason: "text",
  status: "bigint",
  millis: "bigint",
  input_tokens: "bigint",
  cached_input_tokens: "bigint",
  cache_write_tokens: "bigint",
  output_tokens: "bigint",
  reasoning_tokens: "bigint",
  cost: "bigint",
  price_version: "text",
  estimated: "bigint",
}

const spend: Columns<Rows.SpendRow> = {
  start: "bigint",
  key_id: "text",
  team_id: "text",
  tags: "text",
  route: "text",
  deployment: "text",
  vendor: "text",
  model: "text",
  calls: "bigint",
  attempts: "bigint",
  failed_calls: "bigint",
  input_tokens: "bigint",
  cached_input_tokens: "bigint",
  cache_write_tokens: "bigint",
  output_tokens: "bigint",
  reasoning_tokens: "bigint",
  cost: "bigint",
  estimated_cost: "bigint",
  unpriced_attempts: "bigint",
}

/** Writes the calls that are not there yet. Succeeds with their number. */
export const write = (sql: SqlClient, entries: ReadonlyArray<Entry>): Effect.Effect<number, SqlError> =>
  sql.withTransaction(
    Effect.flatMap(insertCalls(sql, entries.map(callOf)), (rows) => {
      const fresh = sql.onDialectOrElse({
        pg: () => (rows.length === entries.length ? entries : among(entries, rows)),
        orElse: () => (rows.length === 0 ? entries : without(entries, rows)),
      })
      return fresh.length === 0 ? Effect.succeed(0) : Effect.as(writeRest(sql, fresh), fresh.length)
    }),
  )

const callOf = ({ call }: Entry): Rows.CallRow => call

/** The entries that were inserted, each once. */
const among = (entries: ReadonlyArray<Entry>, inserted: ReadonlyArray<Inserted>): ReadonlyArray<Entry> => {
  const ids = new Set(inserted.map(({ id }) => id))
  return entries.filter(({ call }) => ids.delete(call.id))
}

/** The entries but those with these indexes. */
const without = (entries: ReadonlyArray<Entry>, present: ReadonlyArray<Inserted>): ReadonlyArray<Entry> => {
  const indexes = new Set(present.map(({ index }) => index))
  return entries.filter((_, index) => !indexes.has(index))
}

const writeRest = Effect.fnUntraced(function* (sql: SqlClient, entries: ReadonlyArray<Entry>) {
  yield* insertAttempts(
    sql,
    entries.flatMap(({ attempts }) => attempts),
  )
  const hours = Rows.hours(entries)
  yield* addHours(sql, hours)
  yield* addDays(sql, Rows.days(hours))
})

// ---------------------------------------------------------------------------------------------------------------------
// Statements
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A function that inserts rows, as one JSON parameter. PostgreSQL gives what `RETURNING` says; SQLite reads JSON slowly itself,
 * and gives the indexes of the rows that are there already.
 */
const inserter = <Row extends Readonly<Record<string, Value>>>(
  table: string,
  columns: Columns<Row>,
  onConflict: string,
  returning = "",
) => {
  const names = Object.keys(columns) as ReadonlyArray<keyof Row & string>
  const into = `INSERT INTO ${table} (${names.join(", ")})`
  const fields = names.map((name, index) => `(r->>${index})::${columns[name]}`)
  const pg = `${into} SELECT ${fields.join(", ")} FROM jsonb_array_elements(($1::text)::jsonb) r ${onConflict} ${returning}`
  const sqlite = `${into} VALUES (${names.map(() => "?").join(", ")}) ${onConflict}`
  const valuesOf = (row: Row): ReadonlyArray<Value> => names.map((name) => row[name] ?? null)
  return (sql: SqlClient, rows: ReadonlyArray<Row>): Effect.Effect<ReadonlyArray<Inserted>, SqlError> => {
    const json = JSON.stringify(rows.map(valuesOf))
    return sql.onDialectOrElse({
      pg: () => sql.unsafe<Inserted>(pg, [json]),
      orElse: () => sql.unsafe<Inserted>(sqlite, [new ForEach(json)]),
    })
  }
}

/** A row that was inserted, or, by its index, one that was not. */
interface Inserted {
  readonly id?: string
  readonly index?: number
}

const insertCalls = inserter("calls", calls, "ON CONFLICT DO NOTHING", "RETURNING id")
const insertAttempts = inserter("attempts", attempts, "ON CONFLICT DO NOTHING")

const adder = (table: string) =>
  inserter(
    table,
    spend,
    `ON CONFLICT (start, ${Rows.dimensions.join(", ")}) DO UPDATE SET ${Rows.sums
      .map((column) => `${column} = ${table}.${column} + excluded.${column}`)
      .join(", ")}`,
  )

const addHours = adder("spend_hourly")
const addDays = adder("spend_daily")

/**
 * Writes calls to the ledger: a batch is one transaction. A call that is there already is left as it is, and adds nothing to
 * the roll-ups, so a batch may be written again when it is not known whether it was.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
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
    Effect.flatMap(insertCalls(sql, entries.map(callOf)), (inserted) => {
      const fresh = inserted.length === entries.length ? entries : among(entries, inserted)
      return fresh.length === 0 ? Effect.succeed(0) : Effect.as(writeRest(sql, fresh), fresh.length)
    }),
  )

const callOf = ({ call }: Entry): Rows.CallRow => call

/** The entries that were inserted, each once. */
const among = (
  entries: ReadonlyArray<Entry>,
  inserted: ReadonlyArray<{ readonly id: string }>,
): ReadonlyArray<Entry> => {
  const ids = new Set(inserted.map(({ id }) => id))
  return entries.filter(({ call }) => ids.delete(call.id))
}

const writeRest = Effect.fnUntraced(function* (sql: SqlClient, entries: ReadonlyArray<Entry>) {
  yield* insertAttempts(
    sql,
    entries.flatMap(({ attempts }) => attempts),
  )
  const hours = Rows.hours(entries)
  yield* addHours(sql, hours)
  yield* addDays(sql, Rows.days(hours))
  const used = lastUses(entries)
  if (used.length > 0) yield* touchKeys(sql, used)
})

/** The time at which each key was used last, in the order of their ids. */
const lastUses = (entries: ReadonlyArray<Entry>): ReadonlyArray<readonly [key: string, at: number]> => {
  const used = new Map<string, number>()
  for (const { call } of entries) {
    if (call.key_id !== "") used.set(call.key_id, Math.max(call.at, used.get(call.key_id) ?? 0))
  }
  return [...used].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** PostgreSQL locks the rows in one order: two gateways that locked them in different orders would wait for each other. */
const touchKeys = (sql: SqlClient, used: ReadonlyArray<readonly [key: string, at: number]>) =>
  sql.onDialectOrElse({
    pg: () =>
      sql.unsafe(
        `UPDATE keys SET last_used_at = used.at FROM (
           SELECT locked.id, (r->>1)::bigint AS at FROM jsonb_array_elements(($1::text)::jsonb) r
           JOIN keys locked ON locked.id = r->>0 ORDER BY locked.id FOR UPDATE OF locked
         ) used WHERE keys.id = used.id AND (keys.last_used_at IS NULL OR keys.last_used_at < used.at)`,
        [JSON.stringify(used)],
      ),
    orElse: () =>
      sql.unsafe(
        `UPDATE keys SET last_used_at = used.at FROM (
           SELECT value->>0 AS id, value->>1 AS at FROM json_each(?)
         ) used WHERE keys.id = used.id AND (keys.last_used_at IS NULL OR keys.last_used_at < used.at)`,
        [JSON.stringify(used)],
      ),
  })

// ---------------------------------------------------------------------------------------------------------------------
// Statements
// ---------------------------------------------------------------------------------------------------------------------

/** Rows of one statement in SQLite, the most first. Few sizes, so that the statements stay prepared. */
const blocks = [100, 10, 1]

/**
 * A function that inserts rows. PostgreSQL takes them as one JSON parameter; SQLite, which reads JSON slowly, as a parameter
 * for each value.
 */
const inserter = <Row extends Readonly<Record<string, Value>>>(
  table: string,
  columns: Columns<Row>,
  onConflict: string,
) => {
  const names = Object.keys(columns) as ReadonlyArray<keyof Row & string>
  const valuesOf = (row: Row): ReadonlyArray<Value> => names.map((name) => row[name] ?? null)
  const into = `INSERT INTO ${table} (${names.join(", ")})`
  const fields = names.map((name, index) => `(r->>${index})::${columns[name]}`)
  const pg = `${into} SELECT ${fields.join(", ")} FROM jsonb_array_elements(($1::text)::jsonb) r ${onConflict}`
  const marks = `(${names.map(() => "?").join(", ")})`
  const sqlite = new Map(
    blocks.map((size) => [
      size,
      `${into} VALUES ${Array.from({ length: size }, () => marks).join(", ")} ${onConflict}`,
    ]),
  )
  return (sql: SqlClient, rows: ReadonlyArray<Row>): Effect.Effect<ReadonlyArray<{ readonly id: string }>, SqlError> =>
    sql.onDialectOrElse({
      pg: () => sql.unsafe<{ readonly id: string }>(pg, [JSON.stringify(rows.map(valuesOf))]),
      orElse: () =>
        Effect.map(
          Effect.forEach(split(rows), (block) =>
            sql.unsafe<{ readonly id: string }>(sqlite.get(block.length) ?? "", block.flatMap(valuesOf)),
          ),
          (inserted) => inserted.flat(),
        ),
    })
}

const split = <Row>(rows: ReadonlyArray<Row>): ReadonlyArray<ReadonlyArray<Row>> => {
  const parts: Array<ReadonlyArray<Row>> = []
  let at = 0
  for (const size of blocks) for (; rows.length - at >= size; at += size) parts.push(rows.slice(at, at + size))
  return parts
}

const insertCalls = inserter("calls", calls, "ON CONFLICT DO NOTHING RETURNING id")
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

/**
 * Writes calls to the ledger: a batch is one transaction. A call that is there already is left as it is, and adds nothing to
 * the roll-ups, so a batch may be written again when it is not known whether it was.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Script } from "../store/Script.ts"
import type { Repeated } from "../store/Script.ts"
import { Batch } from "./Batch.ts"
import * as RollUps from "./RollUps.ts"
import type { Value } from "./Rows.ts"
import * as Tables from "./Tables.ts"

/** Writes the calls that are not there yet. Succeeds with their number. */
export const write = (sql: SqlClient, batch: Batch): Effect.Effect<number, SqlError> => {
  const all = run(sql, [facts(batch), ...rest(batch)])
  // Hardly ever is one of them there already: only then is it asked which are not.
  return Effect.catchIf(Effect.as(all, batch.size), isOfConstraint, () => writeNew(sql, batch))
}

const isOfConstraint = ({ reason }: SqlError): boolean =>
  reason._tag === "UniqueViolation" || reason._tag === "ConstraintError"

const writeNew = (sql: SqlClient, batch: Batch): Effect.Effect<number, SqlError> =>
  sql.withTransaction(
    Effect.flatMap(run<{ readonly id: string }>(sql, [newFacts(batch)]), (rows) => {
      const inserted = new Set(rows.map(({ id }) => id))
      // Each once, also if it is in the batch twice.
      const fresh = Batch.of(batch.entries.filter(({ call }) => inserted.delete(call.id)))
      return Effect.as(run(sql, rest(fresh)), fresh.size)
    }),
  )

const rest = (batch: Batch): ReadonlyArray<Insertion> => [
  dimensions(batch.dimensions),
  attempts(batch.attempts),
  hours(batch.hours),
  days(RollUps.days(batch.hours)),
]

// ---------------------------------------------------------------------------------------------------------------------
// Statements
// ---------------------------------------------------------------------------------------------------------------------

/** Rows for a table. */
interface Insertion {
  readonly into: Into
  readonly rows: ReadonlyArray<ReadonlyArray<Value>>
  /** The last values of the rows, one row after the other, if these are numbers: `NaN` is null. */
  readonly numbers?: Float64Array
}

/**
 * The statements that insert rows into a table: one of PostgreSQL, whose parameter has this number, and those of SQLite for one
 * row and for several.
 */
interface Into {
  readonly pg: (parameter: number) => string
  readonly one: string
  readonly several: string
}

/** Rows of one statement of SQLite: each statement that runs costs as much as the values of many columns. */
const perStatement = 25

const into = <Row extends Readonly<Record<string, Value>>>(table: Tables.Table<Row>, rest: string): Into => {
  const { columns, name, types } = table
  const fields = types.map((type, index) => `(r->>${index})::${type}`)
  const values = `(${columns.map(() => "?").join(", ")})`
  const target = `INTO ${name} (${columns.join(", ")})`
  // Without OR FAIL it would copy each page that the rows of one statement change, to undo those alone.
  const sqlite = (rows: number) =>
    `INSERT OR FAIL ${target} VALUES ${Array.from({ length: rows }, () => values).join(", ")} ${rest}`
  return {
    // The rows are one parameter: a JSON list of lists of their values.
    pg: (parameter) =>
      `INSERT ${target} SELECT ${fields.join(", ")} FROM jsonb_array_elements(($${parameter}::text)::jsonb) r ${rest}`,
    one: sqlite(1),
    several: sqlite(perStatement),
  }
}

/** Inserts all of these rows or none, and gives what is returned of the last ones. */
const run = <Returned extends object>(
  sql: SqlClient,
  insertions: ReadonlyArray<Insertion>,
): Effect.Effect<ReadonlyArray<Returned>, SqlError> => {
  const some = insertions.filter(({ rows }) => rows.length > 0)
  if (some.length === 0) return Effect.succeed([])
  return sql.onDialectOrElse({
    pg: () => sql.unsafe<Returned>(together(some), some.map(json)),
    orElse: () => sql.unsafe<Returned>("INSERT", [new Script(some.flatMap(repeated))]),
  })
}

/** One statement of PostgreSQL, which costs one round trip. */
const together = (insertions: ReadonlyArray<Insertion>): string => {
  const statements = insertions.map(({ into }, index) => into.pg(index + 1))
  const others = statements.slice(0, -1).map((statement, index) => `i${index} AS (${statement})`)
  return `${others.length === 0 ? "" : `WITH ${others.join(", ")} `}${statements.at(-1) ?? ""}`
}

const json = ({ numbers, rows }: Insertion): string => {
  if (numbers === undefined) return JSON.stringify(rows)
  const width = numbers.length / rows.length
  return JSON.stringify(rows.map((row, index) => [...row, ...numbers.subarray(index * width, (index + 1) * width)]))
}

const repeated = ({ into, numbers, rows }: Insertion): ReadonlyArray<Repeated> => {
  const width = numbers === undefined ? 0 : numbers.length / rows.length
  const part = (sql: string, perRun: number, from: number, to: number): Repeated => ({
    sql,
    perRun,
    lists: JSON.stringify(rows.slice(from, to)),
    numbers: numbers?.slice(from * width, to * width),
  })
  const whole = rows.length - (rows.length % perStatement)
  return [
    ...(whole === 0 ? [] : [part(into.several, perStatement, 0, whole)]),
    ...(whole === rows.length ? [] : [part(into.one, 1, whole, rows.length)]),
  ]
}

const inserter = <Row extends Readonly<Record<string, Value>>>(table: Tables.Table<Row>, rest: string) => {
  const statements = into(table, rest)
  return (rows: ReadonlyArray<Row>): Insertion => ({ into: statements, rows: rows.map((row) => table.values(row)) })
}

const factInserter = (rest: string) => {
  const statements = into(Tables.callFacts, rest)
  return ({ numbers, texts }: Batch): Insertion => ({ into: statements, rows: texts, numbers })
}

const facts = factInserter("")
const newFacts = factInserter("ON CONFLICT DO NOTHING RETURNING id")
const dimensions = inserter(
  Tables.callDimensions,
  "ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at WHERE call_dimensions.used_at < excluded.used_at",
)
const attempts = inserter(Tables.attempts, "ON CONFLICT DO NOTHING")

const adder = (table: Tables.Table<RollUps.SpendRow>) =>
  inserter(
    table,
    `ON CONFLICT (start, ${RollUps.columns.join(", ")}) DO UPDATE SET ${RollUps.sums
      .map((column) => `${column} = ${table.name}.${column} + excluded.${column}`)
      .join(", ")}`,
  )

const hours = adder(Tables.hours)
const days = adder(Tables.days)

/**
 * What was spent: sums of the roll-ups by any of their columns, and over time.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Names from "./Names.ts"
import * as RollUps from "./RollUps.ts"
import * as Tags from "./Tags.ts"

/** What sums are grouped by, and their columns. */
const columns = {
  key: "key_id",
  team: "team_id",
  tag: "tags",
  route: "route",
  deployment: "deployment",
  vendor: "vendor",
  model: "model",
} as const

export type Dimension = keyof typeof columns

export const dimensions = ["key", "team", "tag", "route", "deployment", "vendor", "model"] as const

/** The length of time that a row is about, in UTC. */
export const intervals = ["hour", "day", "month"] as const

export type Interval = (typeof intervals)[number]

/**
 * What is summed: the hours that begin from `from` on and before `to`, in clock milliseconds. Default: all. `where`: only calls
 * with these names.
 */
export interface Query {
  readonly by: ReadonlyArray<Dimension>
  readonly every?: Interval | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly where?: { readonly [Name in Dimension]?: string | undefined } | undefined
}

export type Sums = {
  readonly calls: number
  readonly attempts: number
  readonly failedCalls: number
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly cacheWriteTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  /** US dollars. */
  readonly cost: number
  /** The part of `cost` whose usage is estimated. */
  readonly estimatedCost: number
  /** Attempts that used tokens whose price is not known. */
  readonly unpricedAttempts: number
}

/**
 * Sums, with the names that they are grouped by, and the start of their time in clock milliseconds. Keys and teams are ids, with
 * their names beside them: `null` for calls without.
 */
export type Row = {
  readonly start?: number
  readonly keyName?: string | null
  readonly teamName?: string | null
} & { readonly [Name in Dimension]?: string } & Sums

/**
 * The sums of a query, by time, and of one time the dearest first. Hours are kept as long as calls, days always: without
 * `every: "hour"`, and with `from` and `to` at the start of days, they are of days. A call with several tags counts for each,
 * and one without for the empty tag.
 */
export const query = (sql: SqlClient, query: Query): Effect.Effect<ReadonlyArray<Row>, SqlError> => {
  const { by, every, from, to, where = {} } = query
  const table = every === "hour" || !isDay(from) || !isDay(to) ? "spend_hourly" : "spend_daily"
  const conditions = [
    sql`start >= ${from ?? 0}`,
    ...(to === undefined ? [] : [sql`start < ${to}`]),
    ...dimensions.flatMap((name) => {
      const value = where[name]
      if (value === undefined) return []
      return name === "tag" ? [Tags.has(sql, value)] : [sql`${sql(columns[name])} = ${value}`]
    }),
  ]
  const groups = [...(every === undefined ? [] : ["start"]), ...new Set(by.map((name) => columns[name]))]
  const sums = RollUps.sums.map((column) => `CAST(COALESCE(SUM(${column}), 0) AS BIGINT) AS ${column}`)
  const grouped = sql<Group>`SELECT ${sql.literal([...groups, ...sums].join(", "))} FROM ${sql(table)}
    WHERE ${sql.and(conditions)} ${sql.literal(groups.length === 0 ? "" : `GROUP BY ${groups.join(", ")}`)}`
  return Effect.flatMap(grouped, (rows) => named(sql, merge(rows, query)))
}

const isDay = (time: number | undefined): boolean => time === undefined || time % RollUps.day === 0

/** A row of the database. */
type Group = { readonly start?: number } & {
  readonly [Column in (typeof RollUps.columns)[number]]?: string
} & RollUps.Sums

/** Groups of days to those of months, and lists of tags to each tag. */
const merge = (groups: ReadonlyArray<Group>, { by, every, where }: Query): ReadonlyArray<Row> => {
  const rows = new Map<string, { readonly names: Omit<Row, keyof Sums>; readonly sums: RollUps.Sums }>()
  for (const group of groups) {
    for (const tag of by.includes("tag") ? tagsOf(group, where?.tag) : [undefined]) {
      const start = every === undefined || group.start === undefined ? {} : { start: startOf(group.start, every) }
      const names = Object.fromEntries(by.map((name) => [name, name === "tag" ? tag : group[columns[name]]]))
      const row = { ...start, ...names }
      const key = JSON.stringify(row)
      const known = rows.get(key)
      if (known === undefined) rows.set(key, { names: row, sums: { ...group } })
      else for (const column of RollUps.sums) known.sums[column] += group[column]
    }
  }
  return [...rows.values()]
    .map(({ names, sums }) => ({ ...names, ...shown(sums) }))
    .filter(({ attempts, calls }) => calls > 0 || attempts > 0)
    .sort((a: Row, b: Row) => (a.start ?? 0) - (b.start ?? 0) || b.cost - a.cost || b.calls - a.calls)
}

const tagsOf = ({ tags = "[]" }: Group, wanted: string | undefined): ReadonlyArray<string> => {
  if (wanted !== undefined) return [wanted]
  const list = Tags.parse(tags)
  return list.length === 0 ? [""] : list
}

const startOf = (start: number, every: Interval): number => {
  if (every !== "month") return start - (start % (every === "day" ? RollUps.day : RollUps.hour))
  return DateTime.toEpochMillis(DateTime.startOf(DateTime.makeUnsafe(start), "month"))
}

const shown = (sums: RollUps.Sums): Sums => ({
  calls: sums.calls,
  attempts: sums.attempts,
  failedCalls: sums.failed_calls,
  inputTokens: sums.input_tokens,
  cachedInputTokens: sums.cached_input_tokens,
  cacheWriteTokens: sums.cache_write_tokens,
  outputTokens: sums.output_tokens,
  reasoningTokens: sums.reasoning_tokens,
  cost: sums.cost / 1e9,
  estimatedCost: sums.estimated_cost / 1e9,
  unpricedAttempts: sums.unpriced_attempts,
})

const named = Effect.fnUntraced(function* (sql: SqlClient, rows: ReadonlyArray<Row>) {
  const ids = (name: "key" | "team") => rows.flatMap((row) => row[name] ?? [])
  const keyName = yield* Names.of(sql, "keys", ids("key"))
  const teamName = yield* Names.of(sql, "teams", ids("team"))
  return rows.map(({ key, start, team, ...row }): Row => ({
    ...(start === undefined ? undefined : { start }),
    ...(key === undefined ? undefined : { key, keyName: keyName(key) }),
    ...(team === undefined ? undefined : { team, teamName: teamName(team) }),
    ...row,
  }))
})

// ---------------------------------------------------------------------------------------------------------------------
// CSV
// ---------------------------------------------------------------------------------------------------------------------

/** Rows as CSV (RFC 4180), with a line of names. Times are ISO 8601. */
export const csv = (rows: ReadonlyArray<Row>, { by, every }: Query): string => {
  const names = by.flatMap((name) => (name === "key" || name === "team" ? [name, `${name}Name` as const] : [name]))
  const header = [...(every === undefined ? [] : ["start" as const]), ...names, ...sumNames]
  const lines = rows.map((row) => header.map((name) => cell(name === "start" ? iso(row.start ?? 0) : row[name])))
  return [header, ...lines].map((cells) => `${cells.join(",")}\r\n`).join("")
}

const sumNames = [
  "calls",
  "attempts",
  "failedCalls",
  "inputTokens",
  "cachedInputTokens",
  "cacheWriteTokens",
  "outputTokens",
  "reasoningTokens",
  "cost",
  "estimatedCost",
  "unpricedAttempts",
] as const

/** A text that a spreadsheet would take for a formula begins with an apostrophe. */
const cell = (value: string | number | null | undefined): string => {
  if (typeof value === "number") return String(value)
  const text = value === null || value === undefined ? "" : /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** A time in clock milliseconds as ISO 8601. */
export const iso = (millis: number): string => DateTime.formatIso(DateTime.makeUnsafe(millis))

/**
 * Comparisons of what answers calls: shadow calls beside the calls that they are the shadows of, and the arms of splits.
 *
 * Sums are over all that is compared. Durations are percentiles (nearest rank) of calls that succeeded; of a pair, if both did.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** Which calls: those of the route that begin from `from` on and before `to`, in clock milliseconds. Default: all. */
export interface Query {
  readonly route?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** What is known of calls. Durations in milliseconds, `null` if no call has one; `cost` in US dollars. */
export interface Summary {
  readonly successes: number
  readonly failures: number
  readonly cancelled: number
  readonly p50Millis: number | null
  readonly p95Millis: number | null
  readonly p50FirstTokenMillis: number | null
  readonly p95FirstTokenMillis: number | null
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cost: number
  /** Calls whose cost is not known, and not in `cost`. */
  readonly unpricedCalls: number
}

/** The calls of a route that have a shadow call, and those shadow calls, of the route `shadowRoute`. */
export interface ShadowRow {
  readonly route: string
  readonly shadowRoute: string
  readonly pairs: number
  readonly call: Summary
  readonly shadow: Summary
}

/** The calls of a route that took an arm of its split. */
export interface SplitRow extends Summary {
  readonly route: string
  readonly arm: string
  readonly calls: number
}

/** Rows, and whether there are older calls that were not read. */
export interface Comparison<Row> {
  readonly rows: ReadonlyArray<Row>
  readonly isTruncated: boolean
}

/** The calls, or the pairs, that are read at most, the newest first. */
const most = 100_000

/** The columns of a call that are compared. */
const columns = ["outcome", "millis", "first_token_millis", "cost", "input_tokens", "output_tokens"] as const

interface Measured {
  readonly outcome: string
  readonly millis: number
  readonly first_token_millis: number | null
  readonly cost: number | null
  readonly input_tokens: number
  readonly output_tokens: number
}

type Prefixed<Prefix extends string> = {
  readonly [Column in keyof Measured as `${Prefix}_${Column}`]: Measured[Column]
}

type Pair = { readonly route: string; readonly shadow_route: string } & Prefixed<"call"> & Prefixed<"shadow">

/** Shadow calls beside their calls, by their routes. */
export const shadows = (
  sql: SqlClient,
  { from = 0, route, to }: Query,
): Effect.Effect<Comparison<ShadowRow>, SqlError> => {
  const conditions = [
    sql`shadow.shadow_of IS NOT NULL`,
    sql`shadow.at >= ${from}`,
    ...(to === undefined ? [] : [sql`shadow.at < ${to}`]),
    ...(route === undefined ? [] : [sql`own.route = ${route}`]),
  ]
  const selected = columns.flatMap((name) => [`own.${name} AS call_${name}`, `shadow.${name} AS shadow_${name}`])
  const pairs = sql<Pair>`SELECT own.route AS route, shadow.route AS shadow_route, ${sql.literal(selected.join(", "))}
    FROM calls shadow JOIN calls own ON own.id = shadow.shadow_of
    WHERE ${sql.and(conditions)} ORDER BY shadow.at DESC LIMIT ${most + 1}`
  return Effect.map(pairs, (pairs) =>
    compared(
      pairs,
      ({ route, shadow_route }) => [route, shadow_route],
      ([route, shadowRoute], group): ShadowRow => {
        const calls = group.map(callOf)
        const others = group.map(shadowOf)
        const succeeded = (_: unknown, index: number): boolean =>
          calls[index]?.outcome === "success" && others[index]?.outcome === "success"
        return {
          route,
          shadowRoute,
          pairs: group.length,
          call: summary(calls, calls.filter(succeeded)),
          shadow: summary(others, others.filter(succeeded)),
        }
      },
    ),
  )
}

const callOf = (pair: Pair): Measured => ({
  outcome: pair.call_outcome,
  millis: pair.call_millis,
  first_token_millis: pair.call_first_token_millis,
  cost: pair.call_cost,
  input_tokens: pair.call_input_tokens,
  output_tokens: pair.call_output_tokens,
})

const shadowOf = (pair: Pair): Measured => ({
  outcome: pair.shadow_outcome,
  millis: pair.shadow_millis,
  first_token_millis: pair.shadow_first_token_millis,
  cost: pair.shadow_cost,
  input_tokens: pair.shadow_input_tokens,
  output_tokens: pair.shadow_output_tokens,
})

/** The arms of splits, by route. Shadow calls are left out. */
export const splits = (
  sql: SqlClient,
  { from = 0, route, to }: Query,
): Effect.Effect<Comparison<SplitRow>, SqlError> => {
  const conditions = [
    sql`split IS NOT NULL`,
    sql`shadow_of IS NULL`,
    sql`at >= ${from}`,
    ...(to === undefined ? [] : [sql`at < ${to}`]),
    ...(route === undefined ? [] : [sql`route = ${route}`]),
  ]
  const calls = sql<Measured & { readonly route: string; readonly split: string }>`
    SELECT route, split, ${sql.literal(columns.join(", "))} FROM call_dimensions d CROSS JOIN call_facts f
    WHERE f.dimensions_id = d.id AND ${sql.and(conditions)} ORDER BY at DESC LIMIT ${most + 1}`
  return Effect.map(calls, (calls) =>
    compared(
      calls,
      ({ route, split }) => [route, split],
      ([route, arm], group): SplitRow => ({
        route,
        arm,
        calls: group.length,
        ...summary(
          group,
          group.filter(({ outcome }) => outcome === "success"),
        ),
      }),
    ),
  )
}

/** A row for each pair of names, sorted by them. */
const compared = <Read, Row>(
  read: ReadonlyArray<Read>,
  namesOf: (read: Read) => readonly [string, string],
  row: (names: readonly [string, string], group: ReadonlyArray<Read>) => Row,
): Comparison<Row> => {
  const groups = new Map<string, { readonly names: readonly [string, string]; readonly all: Array<Read> }>()
  for (const each of read.slice(0, most)) {
    const names = namesOf(each)
    const key = JSON.stringify(names)
    const known = groups.get(key)
    if (known === undefined) groups.set(key, { names, all: [each] })
    else known.all.push(each)
  }
  return {
    rows: [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { all, names }]) => row(names, all)),
    isTruncated: read.length > most,
  }
}

/** `timed`: those of the calls whose durations count. */
const summary = (calls: ReadonlyArray<Measured>, timed: ReadonlyArray<Measured>): Summary => {
  const count = (wanted: string): number => calls.filter(({ outcome }) => outcome === wanted).length
  const sum = (valueOf: (call: Measured) => number): number => calls.reduce((total, call) => total + valueOf(call), 0)
  const millis = timed.map(({ millis }) => millis).sort(ascending)
  const firstTokens = timed
    .flatMap(({ first_token_millis: millis }) => (millis === null ? [] : [millis]))
    .sort(ascending)
  return {
    successes: count("success"),
    failures: count("failure"),
    cancelled: count("cancelled"),
    p50Millis: percentile(millis, 0.5),
    p95Millis: percentile(millis, 0.95),
    p50FirstTokenMillis: percentile(firstTokens, 0.5),
    p95FirstTokenMillis: percentile(firstTokens, 0.95),
    inputTokens: sum(({ input_tokens }) => input_tokens),
    outputTokens: sum(({ output_tokens }) => output_tokens),
    cost: sum(({ cost }) => cost ?? 0) / 1e9,
    unpricedCalls: calls.filter(({ cost }) => cost === null).length,
  }
}

const ascending = (one: number, other: number): number => one - other

/** The nearest rank: the smallest value that at least `share` of the sorted values do not exceed. */
const percentile = (sorted: ReadonlyArray<number>, share: number): number | null =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null

/**
 * Calls of the ledger: a page of those that match, the newest first, and one with its attempts.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as Names from "./Names.ts"
import type * as Rows from "./Rows.ts"
import { iso } from "./Spend.ts"
import * as Tables from "./Tables.ts"
import * as Tags from "./Tags.ts"

/** Which calls: all that have all of these. Times are clock milliseconds; `to` is exclusive.*/
export interface Filter {
  readonly id?: string | undefined
  readonly key?: string | undefined
  readonly team?: string | undefined
  readonly route?: string | undefined
  readonly deployment?: string | undefined
  readonly outcome?: string | undefined
  readonly tag?: string | undefined
  /** The arm of a split. */
  readonly split?: string | undefined
  /** The id of a call: its shadow call. */
  readonly shadowOf?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** The place of a call in the order of all. */
export type Position = readonly [at: number, id: string]

/** How many of the newest calls are searched first: a page of what many calls have in common is among them. */
const newestCalls = 2000

/** How many dimensions are searched one by one, at most. */
const mostDimensions = 500

/** At most `limit` calls, the newest first, after a position. Calls that are added meanwhile change no later page. */
export const list = (
  sql: SqlClient,
  filter: Filter,
  limit: number,
  after?: Position,
): Effect.Effect<ReadonlyArray<Rows.CallRow>, SqlError> => {
  const dimensions = dimensionsOf(sql, filter)
  const facts = factsOf(sql, filter, after)
  const newestOf = (count: number) => sql`ORDER BY at DESC, f.id DESC LIMIT ${count}`
  const newest = newestOf(limit)
  const byTime = sql<Rows.CallRow>`SELECT ${columns(sql)} FROM call_facts f CROSS JOIN call_dimensions d
    WHERE d.id = f.dimensions_id AND ${sql.and([...facts, ...dimensions])} ${newest}`
  // Few rows are read before the page is full.
  if (dimensions.length === 0 || filter.id !== undefined || filter.shadowOf !== undefined) return byTime
  const amongNewest = sql<Rows.CallRow>`SELECT ${columns(sql)}
    FROM (SELECT * FROM call_facts f WHERE ${sql.and(facts)} ${newestOf(newestCalls)}) f CROSS JOIN call_dimensions d
    WHERE d.id = f.dimensions_id AND ${sql.and(dimensions)} ${newest}`
  const ofEach = (columns: string) =>
    sql`SELECT ${sql.literal(columns)} FROM call_facts f WHERE f.dimensions_id = d.id AND ${sql.and(facts)} ${newest}`
  const byDimensions = sql.onDialectOrElse({
    pg: () => sql<Rows.CallRow>`SELECT ${columns(sql)} FROM call_dimensions d CROSS JOIN LATERAL (${ofEach("*")}) f
      WHERE ${sql.and(dimensions)} ${newest}`,
    // SQLite has no LATERAL.
    orElse: () => sql<Rows.CallRow>`SELECT ${columns(sql)} FROM call_dimensions d CROSS JOIN call_facts f
      WHERE ${sql.and(dimensions)} AND f.rowid IN (${ofEach("f.rowid")}) ${newest}`,
  })
  const found = sql<{ readonly found: number }>`SELECT CAST(COUNT(*) AS INTEGER) AS found
    FROM (SELECT 1 FROM call_dimensions d WHERE ${sql.and(dimensions)} LIMIT ${mostDimensions + 1}) wanted`
  const others = Effect.flatMap(found, ([row]) => ((row?.found ?? 0) > mostDimensions ? byTime : byDimensions))
  return Effect.flatMap(amongNewest, (rows) => (rows.length === limit ? Effect.succeed(rows) : others))
}

/** The columns of the view `calls`. */
const columns = (sql: SqlClient): Fragment =>
  sql.literal(["f.id", ...Tables.dimensions, "shadow_of", ...Tables.factNumbers].join(", "))

/** The conditions on what many calls have in common. */
const dimensionsOf = (
  sql: SqlClient,
  { deployment, key, outcome, route, split, tag, team }: Filter,
): ReadonlyArray<Fragment> => [
  ...(key === undefined ? [] : [sql`key_id = ${key}`]),
  ...(team === undefined ? [] : [sql`team_id = ${team}`]),
  ...(outcome === undefined ? [] : [sql`outcome = ${outcome}`]),
  ...(route === undefined ? [] : [sql`route = ${route}`]),
  ...(split === undefined ? [] : [sql`split = ${split}`]),
  ...(deployment === undefined ? [] : [sql`deployment = ${deployment}`]),
  ...(tag === undefined ? [] : [Tags.has(sql, tag)]),
]

/** The conditions on what is a call's own. */
const factsOf = (sql: SqlClient, { from, id, shadowOf, to }: Filter, after?: Position): ReadonlyArray<Fragment> => [
  sql`at >= ${from ?? 0}`,
  ...(to === undefined ? [] : [sql`at < ${to}`]),
  ...(id === undefined ? [] : [sql`f.id = ${id}`]),
  ...(shadowOf === undefined ? [] : [sql`shadow_of = ${shadowOf}`]),
  ...(after === undefined ? [] : [sql`at <= ${after[0]} AND (at < ${after[0]} OR f.id < ${after[1]})`]),
]

/** A call with its attempts. */
export const get = Effect.fnUntraced(function* (
  sql: SqlClient,
  id: string,
): Effect.fn.Return<
  { readonly call: Rows.CallRow; readonly attempts: ReadonlyArray<Rows.AttemptRow> } | undefined,
  SqlError
> {
  const [call] = yield* sql<Rows.CallRow>`SELECT * FROM calls WHERE id = ${id}`
  if (call === undefined) return undefined
  return {
    call,
    attempts: yield* sql<Rows.AttemptRow>`SELECT * FROM attempts WHERE call_id = ${id} ORDER BY position`,
  }
})

/** Calls as the API shows them. Costs are US dollars; unknown values are null. */
export const show = Effect.fnUntraced(function* (sql: SqlClient, calls: ReadonlyArray<Rows.CallRow>) {
  const keyName = yield* Names.of(
    sql,
    "keys",
    calls.map(({ key_id }) => key_id),
  )
  const teamName = yield* Names.of(
    sql,
    "teams",
    calls.map(({ team_id }) => team_id),
  )
  return calls.map((call) => ({
    id: call.id,
    at: iso(call.at),
    key: call.key_id,
    keyName: keyName(call.key_id),
    team: call.team_id,
    teamName: teamName(call.team_id),
    tags: Tags.parse(call.tags),
    route: call.route,
    model: call.model,
    deployment: call.deployment,
    vendor: call.vendor,
    servedModel: call.served_model,
    protocol: call.protocol,
    streamed: call.streamed === 1,
    outcome: call.outcome,
    reason: call.reason,
    status: call.status,
    cache: call.cache,
    split: call.split,
    shadowOf: call.shadow_of,
    millis: call.millis,
    firstTokenMillis: call.first_token_millis,
    attempts: call.attempts,
    inputTokens: call.input_tokens,
    outputTokens: call.output_tokens,
    cost: dollars(call.cost),
    estimated: call.estimated === 1,
  }))
})

/** An attempt as the API shows it. */
export const showAttempt = (attempt: Rows.AttemptRow) => ({
  deployment: attempt.deployment,
  vendor: attempt.vendor,
  model: attempt.model,
  outcome: attempt.outcome,
  reason: attempt.reason,
  status: attempt.status,
  millis: attempt.millis,
  inputTokens: attempt.input_tokens,
  cachedInputTokens: attempt.cached_input_tokens,
  cacheWriteTokens: attempt.cache_write_tokens,
  outputTokens: attempt.output_tokens,
  reasoningTokens: attempt.reasoning_tokens,
  cost: dollars(attempt.cost),
  priceVersion: attempt.price_version,
  estimated: attempt.estimated === 1,
})

const dollars = (nanos: number | null): number | null => (nanos === null ? null : nanos / 1e9)

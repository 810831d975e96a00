/**
 * Calls of the ledger: a page of those that match, the newest first, and one with its attempts.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Names from "./Names.ts"
import type * as Rows from "./Rows.ts"
import { iso } from "./Spend.ts"
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

/** At most `limit` calls, the newest first, after a position. Calls that are added meanwhile change no later page. */
export const list = (
  sql: SqlClient,
  { deployment, from, id, key, outcome, route, shadowOf, split, tag, team, to }: Filter,
  limit: number,
  after?: Position,
): Effect.Effect<ReadonlyArray<Rows.CallRow>, SqlError> => {
  const conditions = [
    sql`at >= ${from ?? 0}`,
    ...(to === undefined ? [] : [sql`at < ${to}`]),
    ...(id === undefined ? [] : [sql`id = ${id}`]),
    // The indexes leave out what most calls have.
    ...(key === undefined ? [] : [key === "" ? sql`key_id = ''` : sql`key_id = ${key} AND key_id <> ''`]),
    ...(team === undefined ? [] : [team === "" ? sql`team_id = ''` : sql`team_id = ${team} AND team_id <> ''`]),
    ...(outcome === undefined
      ? []
      : [outcome === "success" ? sql`outcome = 'success'` : sql`outcome = ${outcome} AND outcome <> 'success'`]),
    ...(route === undefined ? [] : [sql`route = ${route}`]),
    ...(split === undefined ? [] : [sql`split = ${split}`]),
    ...(shadowOf === undefined ? [] : [sql`shadow_of = ${shadowOf}`]),
    ...(deployment === undefined ? [] : [sql`deployment = ${deployment}`]),
    ...(tag === undefined ? [] : [Tags.has(sql, tag)]),
    ...(after === undefined ? [] : [sql`at <= ${after[0]} AND (at < ${after[0]} OR id < ${after[1]})`]),
  ]
  return sql<Rows.CallRow>`SELECT * FROM calls WHERE ${sql.and(conditions)} ORDER BY at DESC, id DESC LIMIT ${limit}`
}

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

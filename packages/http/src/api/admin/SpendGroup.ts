/**
 * `GET /admin/spend`, as JSON or CSV, and `GET /admin/calls`: what was spent, and the calls that it was spent on. A team's admin
 * sees those of its team, a caller its own.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Timestamp from "../../config/Timestamp.ts"
import * as Calls from "../../ledger/Calls.ts"
import type { CallRow } from "../../ledger/Rows.ts"
import * as Spend from "../../ledger/Spend.ts"
import * as Actor from "./Actor.ts"
import { AdminApi } from "./AdminApi.ts"
import type { CallsFilter, SpendQuery } from "./LedgerFields.ts"
import * as Page from "./Page.ts"
import type { Problem } from "./Problem.ts"
import * as Problems from "./Problem.ts"
import * as Requests from "./Requests.ts"
import * as Teams from "./Teams.ts"

export const layerSpend = HttpApiBuilder.group(AdminApi, "spend", (handlers) =>
  Effect.map(Requests.answering, (answer) => handlers.handle("get", ({ query }) => answer(spend(query)))),
)

export const layerCalls = HttpApiBuilder.group(AdminApi, "calls", (handlers) =>
  Effect.map(Requests.answering, (answer) =>
    handlers.handle("list", ({ query }) => answer(calls(query))).handle("get", ({ params }) => answer(call(params.id))),
  ),
)

interface Asked {
  readonly key?: string | undefined
  readonly team?: string | undefined
}

/** The key and the team whose calls the actor sees; fails if it asks for others. A team is named by its id or its name. */
const own = Effect.fnUntraced(function* (
  actor: Actor.Actor,
  { key, team }: Asked,
): Effect.fn.Return<Asked, Problem | SqlError, SqlClient> {
  return yield* ownById(actor, { key, team: team && ((yield* Teams.idOf(team)) ?? team) })
})

const ownById = (actor: Actor.Actor, asked: Asked): Effect.Effect<Asked, Problem> => {
  if (Actor.seesAll(actor)) return Effect.succeed(asked)
  const team = Actor.managedTeam(actor)
  const isOwn =
    team === undefined
      ? (asked.key ?? actor.id) === actor.id && (asked.team ?? actor.team?.id) === actor.team?.id
      : (asked.team ?? team.id) === team.id
  if (!isOwn) return Effect.fail(Actor.forbidden(actor, Actor.viewerRole))
  return Effect.succeed(team === undefined ? { key: actor.id, team: undefined } : { key: asked.key, team: team.id })
}

// ---------------------------------------------------------------------------------------------------------------------
// Spend
// ---------------------------------------------------------------------------------------------------------------------

type SpendFilter = Schema.Struct<typeof SpendQuery>["Type"]

const spend = Effect.fnUntraced(function* ({ by = [], every, format, from, to, ...where }: SpendFilter) {
  const sql = yield* SqlClient
  yield* Requests.checkTimes(from, to)
  const actor = yield* Actor.current
  const seen = yield* own(actor, where)
  const interval = every === "none" ? undefined : every
  const query: Spend.Query = { by, every: interval, from, to, where: { ...where, ...seen } }
  const rows = yield* Spend.query(sql, query)
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  if ((format ?? (prefersCsv(headers["accept"]) ? "csv" : "json")) === "csv") {
    const now = Timestamp.print(yield* Clock.currentTimeMillis).slice(0, 10)
    return HttpServerResponse.text(Spend.csv(rows, query), {
      contentType: "text/csv; charset=utf-8",
      headers: { "content-disposition": `attachment; filename="spend-${now}.csv"`, ...notStored },
    })
  }
  return HttpServerResponse.jsonUnsafe(
    {
      rows: rows.map(({ start, ...row }) => (start === undefined ? row : { start: Timestamp.print(start), ...row })),
    },
    { headers: notStored },
  )
})

const notStored = { "cache-control": "no-store" }

const prefersCsv = (accept = ""): boolean => /^text\/csv\b/i.test(accept.trim())

// ---------------------------------------------------------------------------------------------------------------------
// Calls
// ---------------------------------------------------------------------------------------------------------------------

type CallsQuery = Schema.Struct<typeof CallsFilter>["Type"] & Page.Query

const calls = Effect.fnUntraced(function* ({ cursor, limit, ...filter }: CallsQuery) {
  const sql = yield* SqlClient
  const page: Page.Query = { cursor, limit }
  yield* Requests.checkTimes(filter.from, filter.to)
  const seen = yield* own(yield* Actor.current, filter)
  const rows = yield* Calls.list(sql, { ...filter, ...seen }, Page.rowsToRead(page), cursor)
  const shown = new Map((yield* Calls.show(sql, rows)).map((call) => [call.id, call]))
  return HttpServerResponse.jsonUnsafe(
    Page.of(
      rows,
      page,
      ({ at, id }) => [at, id],
      ({ id }) => shown.get(id),
    ),
    { headers: notStored },
  )
})

const call = Effect.fnUntraced(function* (id: string) {
  const sql = yield* SqlClient
  const actor = yield* Actor.current
  const found = yield* Calls.get(sql, id)
  // A call that the actor may not see is not found: its id says nothing about others.
  if (found === undefined || !maySee(actor, found.call)) {
    return yield* Effect.fail(Problems.notFound(`There is no call "${id}" in the ledger.`))
  }
  const [shown] = yield* Calls.show(sql, [found.call])
  return HttpServerResponse.jsonUnsafe(
    { ...shown, attempts: found.attempts.map(Calls.showAttempt) },
    { headers: notStored },
  )
})

const maySee = (actor: Actor.Actor, { key_id, team_id }: CallRow): boolean => {
  const team = Actor.managedTeam(actor)
  return Actor.seesAll(actor) || (team === undefined ? key_id === actor.id : team_id === team.id)
}

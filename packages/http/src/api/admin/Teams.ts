/**
 * `/admin/teams`. Only the operator and keys of the role `admin` change teams; a team's admin reads its own.
 */
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import { Router } from "@understudy/core/Router"
import * as Clock from "effect/Clock"
import type { KeyLimits } from "../../auth/VirtualKey.ts"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Timestamp from "../../config/Timestamp.ts"
import type { TeamRow } from "../../keys/StoredKeys.ts"
import * as Actor from "./Actor.ts"
import { AdminApi } from "./AdminApi.ts"
import * as Budgets from "./Budgets.ts"
import * as Fields from "./Fields.ts"
import * as Page from "./Page.ts"
import type { Problem } from "./Problem.ts"
import * as Problems from "./Problem.ts"
import * as Requests from "./Requests.ts"

/** A team with the number of its keys. */
interface CountedRow extends TeamRow {
  readonly keys: number
}

export const layer = HttpApiBuilder.group(AdminApi, "teams", (handlers) =>
  Effect.map(Requests.answering, (answer) =>
    handlers
      .handle("list", ({ query }) => answer(list(query)))
      .handleRaw("create", () => answer(create))
      .handle("get", ({ params }) => answer(get(params.id)))
      .handleRaw("update", ({ params }) => answer(update(params.id)))
      .handle("remove", ({ params }) => answer(remove(params.id))),
  ),
)

const counted = (sql: SqlClient) =>
  sql`SELECT teams.*, CAST((SELECT count(*) FROM keys WHERE keys.team_id = teams.id) AS INTEGER) AS keys FROM teams`

const list = Effect.fnUntraced(function* (query: Page.Query) {
  const actor = yield* Actor.current
  const own = Actor.managedTeam(actor)
  if (own === undefined) yield* Actor.requireViewer(actor)
  const sql = yield* SqlClient
  const [at, id] = query.cursor ?? [-1, ""]
  const rows = yield* sql<CountedRow>`${counted(sql)} WHERE ${sql.and([
    sql`(created_at, id) > (${at}, ${id})`,
    ...(own === undefined ? [] : [sql`id = ${own.id}`]),
  ])} ORDER BY created_at, id LIMIT ${Page.rowsToRead(query)}`
  return Page.of(rows, query, ({ created_at, id }) => [created_at, id], show)
})

const get = Effect.fnUntraced(function* (id: string) {
  const actor = yield* Actor.current
  const own = Actor.managedTeam(actor)
  if (own === undefined) yield* Actor.requireViewer(actor)
  const row = yield* find(id)
  if (own !== undefined && row.id !== own.id) return yield* Effect.fail(noTeam(id))
  return yield* withBudgets(row)
})

const create = Effect.gen(function* () {
  const actor = yield* Actor.current
  yield* Actor.requireAdmin(actor)
  const body = yield* Requests.body()
  const { budgets = [], ...input } = yield* Requests.decode(Fields.TeamInput, body)
  yield* checkRoutes(input.routes)
  for (const [index, budget] of budgets.entries()) yield* Budgets.checkRoute(`budgets[${index}].`, budget, input.routes)
  return yield* Requests.change(actor, body, (record) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* checkName(input.name, undefined)
      const now = yield* Clock.currentTimeMillis
      const row = toRow(Requests.newId("team"), input, { createdAt: now, updatedAt: now })
      yield* sql`INSERT INTO teams ${sql.insert({ ...row })}`
      yield* record({
        actor: actor.id,
        action: "create",
        kind: "team",
        subjectId: row.id,
        before: undefined,
        after: written(row),
      })
      yield* Budgets.nameTeam(actor, record, row.name, row.id)
      const made = yield* Effect.forEach(budgets, (budget) =>
        Budgets.create(actor, record, { type: "team", name: row.id }, budget),
      )
      return { status: 201, body: { ...show({ ...row, keys: 0 }), budgets: yield* Budgets.shownRows(made) } }
    }),
  )
})

const update = Effect.fnUntraced(function* (id: string) {
  const actor = yield* Actor.current
  yield* Actor.requireAdmin(actor)
  const body = yield* Requests.body()
  return yield* Requests.change(actor, body, (record) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const before = yield* find(id)
      const merged = Requests.merge(Requests.withoutNulls(written(before)), body)
      const input = yield* Requests.decode(Fields.TeamChanged, merged)
      yield* checkRoutes(input.routes)
      yield* checkName(input.name, before.id)
      const now = yield* Clock.currentTimeMillis
      const row = toRow(before.id, input, { createdAt: before.created_at, updatedAt: now })
      yield* sql`UPDATE teams SET ${sql.update({ ...row }, ["id"])} WHERE id = ${row.id}`
      yield* record({
        actor: actor.id,
        action: "update",
        kind: "team",
        subjectId: row.id,
        before: written(before),
        after: written(row),
      })
      yield* Budgets.nameTeam(actor, record, row.name, row.id)
      return { status: 200, body: yield* withBudgets({ ...row, keys: before.keys }) }
    }),
  )
})

const remove = Effect.fnUntraced(function* (id: string) {
  const actor = yield* Actor.current
  yield* Actor.requireAdmin(actor)
  return yield* Requests.change(actor, {}, (record) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const row = yield* find(id)
      if (row.keys > 0) {
        return yield* Effect.fail(
          Problems.conflict(
            "team_has_keys",
            `Team "${row.name}" has ${row.keys === 1 ? "1 key" : `${row.keys} keys`}. Delete them or move them to another team first.`,
          ),
        )
      }
      yield* Budgets.remove(actor, record, yield* Budgets.of("team", row.id))
      yield* sql`DELETE FROM teams WHERE id = ${row.id}`
      yield* record({
        actor: actor.id,
        action: "delete",
        kind: "team",
        subjectId: row.id,
        before: written(row),
        after: undefined,
      })
      return { status: 204, body: {} }
    }),
  )
})

/** The team with this id, or with this name. */
const find = Effect.fnUntraced(function* (
  idOrName: string,
): Effect.fn.Return<CountedRow, Problem | SqlError, SqlClient> {
  const sql = yield* SqlClient
  const rows = yield* sql<CountedRow>`${counted(sql)} WHERE id = ${idOrName} OR name = ${idOrName}`
  const found = rows.find(({ id }) => id === idOrName) ?? rows[0]
  return found ?? (yield* Effect.fail(noTeam(idOrName)))
})

/**
 * The team that a field names by id or name. An actor that does not see all teams is told the same of another team as of
 * one that does not exist: `needed` is the role that it needs.
 */
export const named = Effect.fnUntraced(function* (
  actor: Actor.Actor,
  needed: string,
  path: string,
  idOrName: string,
): Effect.fn.Return<TeamRow, Problem | SqlError, SqlClient> {
  const isOwn = idOrName === actor.team?.id || idOrName === actor.team?.name
  if (!Actor.seesAll(actor) && !isOwn) return yield* Effect.fail(Actor.forbidden(actor, needed))
  const sql = yield* SqlClient
  const rows = yield* sql<TeamRow>`SELECT * FROM teams WHERE id = ${idOrName} OR name = ${idOrName}`
  const found = rows.find(({ id }) => id === idOrName) ?? rows[0]
  if (found !== undefined) return found
  const names = yield* sql<{ readonly name: string }>`SELECT name FROM teams ORDER BY name LIMIT 1000`
  return yield* Effect.fail(
    Problems.invalidField(
      path,
      `there is no team "${idOrName}"${
        didYouMean(
          idOrName,
          names.map(({ name }) => name),
        ) || ". Make it with POST /admin/teams."
      }`,
    ),
  )
})

/** The id of the team with this id or name, if there is one. */
export const idOf = Effect.fnUntraced(function* (
  idOrName: string,
): Effect.fn.Return<string | undefined, SqlError, SqlClient> {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly id: string }>`SELECT id FROM teams WHERE id = ${idOrName} OR name = ${idOrName}`
  return (rows.find(({ id }) => id === idOrName) ?? rows[0])?.id
})

const noTeam = (idOrName: string): Problem => Problems.notFound(`There is no team "${idOrName}".`)

/** Fails if a name of `routes` does not exist. */
export const checkRoutes = Effect.fnUntraced(function* (
  routes: ReadonlyArray<string> | undefined,
): Effect.fn.Return<void, Problem, Router> {
  const router = yield* Router
  const known = [...router.routes(), ...router.deployments()]
  const problems = (routes ?? []).flatMap((name, index) =>
    known.includes(name)
      ? []
      : [{ path: `routes[${index}]`, message: `"${name}" does not exist${didYouMean(name, known) || "."}` }],
  )
  if (problems.length > 0) return yield* Effect.fail(Problems.invalid(problems))
})

const checkName = Effect.fnUntraced(function* (
  name: string,
  own: string | undefined,
): Effect.fn.Return<void, Problem | SqlError, SqlClient> {
  const sql = yield* SqlClient
  const [other] = yield* sql<{ readonly id: string }>`SELECT id FROM teams WHERE name = ${name}`
  if (other !== undefined && other.id !== own) {
    return yield* Effect.fail(Problems.conflict("name_taken", `There is a team "${name}" already: ${other.id}.`))
  }
})

const toRow = (
  id: string,
  { disabled, limits, metadata, name, routes }: Fields.TeamChanged,
  at: { readonly createdAt: number; readonly updatedAt: number },
): TeamRow => ({
  id,
  name,
  routes: routes === undefined ? null : JSON.stringify(routes),
  limits: limits === undefined ? null : JSON.stringify(limits),
  metadata: JSON.stringify(metadata ?? {}),
  disabled: disabled === true ? 1 : 0,
  created_at: at.createdAt,
  updated_at: at.updatedAt,
})

/** The fields that a client writes. */
const written = (row: TeamRow) => ({
  name: row.name,
  routes: row.routes === null ? null : (JSON.parse(row.routes) as ReadonlyArray<string>),
  limits: row.limits === null ? null : Fields.shownLimits(JSON.parse(row.limits) as KeyLimits),
  metadata: JSON.parse(row.metadata) as Fields.Team["metadata"],
  disabled: row.disabled === 1,
})

const show = (row: CountedRow): Fields.Team => ({
  id: row.id,
  ...written(row),
  keys: row.keys,
  createdAt: Timestamp.print(row.created_at),
  updatedAt: Timestamp.print(row.updated_at),
})

const withBudgets = (row: CountedRow) =>
  Effect.map(Budgets.shownOf("team", row.id), (budgets) => ({ ...show(row), budgets }))

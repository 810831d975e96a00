/**
 * `/admin/budgets`. A team's admin changes the budgets of its team's keys; those of the team itself are for admins.
 */
import { isVendor } from "@understudy/providers/internal/Catalog"
import type { Budget, Scope } from "@understudy/core/internal/spend/Budget"
import { Router } from "@understudy/core/Router"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Keyring } from "../../auth/Keyring.ts"
import type { BudgetRow } from "../../budgets/StoredBudgets.ts"
import * as StoredBudgets from "../../budgets/StoredBudgets.ts"
import { unknownVendor, uselessRoute } from "../../config/BudgetsSection.ts"
import * as Actor from "./Actor.ts"
import { AdminApi } from "./AdminApi.ts"
import * as Budgets from "./Budgets.ts"
import * as Fields from "./Fields.ts"
import * as Page from "./Page.ts"
import type { Problem } from "./Problem.ts"
import * as Problems from "./Problem.ts"
import * as Requests from "./Requests.ts"
import * as Teams from "./Teams.ts"

export const layer = (keys: Keyring) =>
  HttpApiBuilder.group(AdminApi, "budgets", (handlers) =>
    Effect.map(Requests.answering, (answer) =>
      handlers
        .handle("list", ({ query }) => answer(list(keys, query)))
        .handleRaw("create", () => answer(create(keys)))
        .handle("get", ({ params }) => answer(get(keys, params.id)))
        .handleRaw("update", ({ params }) => answer(update(keys, params.id)))
        .handle("remove", ({ params }) => answer(remove(keys, params.id))),
    ),
  )

interface Filter extends Page.Query {
  readonly key?: string | undefined
  readonly team?: string | undefined
}

/** Budgets of the configuration come first: their positions are below zero. */
const list = Effect.fnUntraced(function* (keys: Keyring, query: Filter) {
  const actor = yield* Actor.current
  const sql = yield* SqlClient
  const team = query.team === undefined ? undefined : yield* Teams.named(actor, Actor.viewerRole, "team", query.team)
  const wanted = (budget: Budget): boolean =>
    isSeen(keys, actor, budget.scope) &&
    (query.key === undefined || isScope(budget.scope, "key", query.key)) &&
    (team === undefined || isScope(budget.scope, "team", team.id))
  const rows = yield* sql<BudgetRow>`SELECT * FROM budgets ORDER BY created_at, id`
  const stored = new Set(rows.map(({ id }) => id))
  const configured = [...(yield* Budgets.current).values()].flatMap(({ budget }) =>
    stored.has(budget.id) ? [] : [budget],
  )
  const all = [
    ...configured.map((budget, index) => ({ budget, position: [index - configured.length, budget.id] as const })),
    ...rows.map((row) => ({ budget: StoredBudgets.toBudget(row), position: [row.created_at, row.id] as const })),
  ]
  const [at, id] = query.cursor ?? [Number.MIN_SAFE_INTEGER, ""]
  const page = all
    .filter(({ budget, position }) => wanted(budget) && (position[0] > at || (position[0] === at && position[1] > id)))
    .slice(0, Page.rowsToRead(query))
  const shown = yield* Budgets.shown(
    page.map(({ budget }) => budget),
    rows,
  )
  return Page.of(
    page.map(({ position }, index) => ({ position, budget: shown[index]! })),
    query,
    ({ position }) => position,
    ({ budget }) => budget,
  )
})

const get = Effect.fnUntraced(function* (keys: Keyring, id: string) {
  const actor = yield* Actor.current
  const row = yield* rowOf(id)
  const budget = row === undefined ? (yield* Budgets.current).get(id)?.budget : StoredBudgets.toBudget(row)
  if (budget === undefined || !isSeen(keys, actor, budget.scope)) {
    if (actor.role === "caller") yield* Actor.requireViewer(actor)
    return yield* Effect.fail(noBudget(id))
  }
  const [shown] = yield* Budgets.shown([budget], row === undefined ? [] : [row])
  return shown!
})

const create = Effect.fnUntraced(function* (keys: Keyring) {
  const actor = yield* Actor.current
  if (Actor.managedTeam(actor) === undefined) yield* Actor.requireAdmin(actor)
  const body = yield* Requests.body()
  const input = yield* Requests.decode(Fields.BudgetInput, body)
  return yield* Requests.change(actor, body, (record) =>
    Effect.gen(function* () {
      const scope = yield* checked(keys, actor, input)
      const [shown] = yield* Budgets.shownRows([yield* Budgets.create(actor, record, scope, input)])
      return { status: 201, body: shown! }
    }),
  )
})

const update = Effect.fnUntraced(function* (keys: Keyring, id: string) {
  const actor = yield* Actor.current
  const body = yield* Requests.body()
  return yield* Requests.change(actor, body, (record) =>
    Effect.gen(function* () {
      const before = yield* managed(keys, actor, id)
      const written = Requests.withoutNulls(Budgets.written(StoredBudgets.toBudget(before)))
      // A scope names one thing: another replaces it.
      const merged = Requests.merge("scope" in body ? { ...written, scope: undefined } : written, body)
      const input = yield* Requests.decode(Fields.BudgetInput, merged)
      const scope = yield* checked(keys, actor, input)
      const [shown] = yield* Budgets.shownRows([yield* Budgets.update(actor, record, before, scope, input)])
      return { status: 200, body: shown! }
    }),
  )
})

const remove = Effect.fnUntraced(function* (keys: Keyring, id: string) {
  const actor = yield* Actor.current
  return yield* Requests.change(actor, {}, (record) =>
    Effect.gen(function* () {
      yield* Budgets.remove(actor, record, [yield* managed(keys, actor, id)])
      return { status: 204, body: {} }
    }),
  )
})

const rowOf = (id: string) =>
  Effect.flatMap(SqlClient, (sql) =>
    Effect.map(sql<BudgetRow>`SELECT * FROM budgets WHERE id = ${id}`, ([row]): BudgetRow | undefined => row),
  )

/** The budget, if the actor may change it as it is. */
const managed = Effect.fnUntraced(function* (
  keys: Keyring,
  actor: Actor.Actor,
  id: string,
): Effect.fn.Return<BudgetRow, Problem | SqlError, SqlClient> {
  if (Actor.managedTeam(actor) === undefined) yield* Actor.requireAdmin(actor)
  const row = yield* rowOf(id)
  if (row === undefined && (yield* Budgets.current).has(id) && Actor.isAdmin(actor)) {
    return yield* Effect.fail(
      Problems.conflict(
        "configured_budget",
        `Budget "${id}" is in the configuration. Change it there and reload the configuration.`,
      ),
    )
  }
  if (row === undefined || !isSeen(keys, actor, StoredBudgets.toBudget(row).scope)) {
    return yield* Effect.fail(noBudget(id))
  }
  yield* requireManager(keys, actor, StoredBudgets.toBudget(row).scope)
  return row
})

const noBudget = (id: string): Problem => Problems.notFound(`There is no budget "${id}".`)

/** The scope of a budget, if it exists and the actor may limit it so. */
const checked = Effect.fnUntraced(function* (
  keys: Keyring,
  actor: Actor.Actor,
  input: Fields.BudgetInput,
): Effect.fn.Return<Scope, Problem | SqlError, SqlClient | Router> {
  const scope = yield* scopeOf(keys, actor, input.scope)
  yield* requireManager(keys, actor, scope)
  yield* Budgets.checkRoute("", input, Actor.managedTeam(actor)?.routes)
  const useless = uselessRoute(scope, input)
  if (useless !== undefined) return yield* Effect.fail(Problems.invalidField("then.use", useless))
  return scope
})

/** What a budget is for, by the ids of keys and teams. */
const scopeOf = Effect.fnUntraced(function* (
  keys: Keyring,
  actor: Actor.Actor,
  input: Fields.BudgetInput["scope"],
): Effect.fn.Return<Scope, Problem | SqlError, SqlClient | Router> {
  if (input === "all") return { type: "all" }
  const names = Fields.scopeTypes.flatMap((type) => {
    const name = input[type]
    return name === undefined ? [] : [{ type, name }]
  })
  const [only, ...others] = names
  if (only === undefined || others.length > 0) {
    return yield* Effect.fail(
      Problems.invalidField("scope", `names ${names.length} things: name one of ${Fields.scopeTypes.join(", ")}`),
    )
  }
  const { name, type } = only
  // Keys that the actor does not manage do not exist for it.
  if (type !== "key") yield* Actor.isAdmin(actor) ? Effect.void : Effect.fail(limitsKeys(actor))
  const managed = [...keys.virtualKeys()].filter(
    ({ id }) => Actor.isAdmin(actor) || id === actor.id || isOfManagedTeam(keys, actor, id),
  )
  const router = yield* Router
  const [deployments, routes] = [router.deployments(), router.routes()]
  switch (type) {
    case "key": {
      const named = managed.filter((key) => key.id === name || key.name === name)
      const key = named.find(({ id }) => id === name) ?? (named.length === 1 ? named[0] : undefined)
      if (key !== undefined) return { type, name: key.id }
      return yield* Effect.fail(
        named.length > 1
          ? Problems.invalidField("scope.key", `${named.length} keys have the name "${name}": use an id`)
          : Budgets.unknown(
              "scope.key",
              name,
              managed.map(({ id }) => id),
            ),
      )
    }
    case "team": {
      const team = keys.configuredKeys().find((key) => key.team?.name === name)?.team
      return { type, name: team?.id ?? (yield* Teams.named(actor, Actor.adminRole, "scope.team", name)).id }
    }
    case "route":
      if (routes.includes(name) || deployments.includes(name)) return only
      return yield* Effect.fail(Budgets.unknown("scope.route", name, [...routes, ...deployments]))
    case "deployment":
      if (deployments.includes(name)) return only
      return yield* Effect.fail(Budgets.unknown("scope.deployment", name, deployments))
    case "vendor":
      if (isVendor(name)) return only
      return yield* Effect.fail(Problems.invalidField("scope.vendor", unknownVendor(name)))
    case "tag":
      return only
  }
})

const isScope = (scope: Scope, type: Scope["type"], name: string): boolean =>
  scope.type === type && "name" in scope && scope.name === name

/** Whether an actor sees what is limited so: a key its own and its team's budgets, a team's admin also those of its keys. */
const isSeen = (keys: Keyring, actor: Actor.Actor, scope: Scope): boolean => {
  if (Actor.seesAll(actor)) return true
  if (scope.type === "team") return scope.name === actor.team?.id
  return scope.type === "key" && (scope.name === actor.id || isOfManagedTeam(keys, actor, scope.name))
}

const isOfManagedTeam = (keys: Keyring, actor: Actor.Actor, key: string): boolean => {
  const own = Actor.managedTeam(actor)
  return own !== undefined && keys.byId(key)?.team?.id === own.id
}

/** A team's admin limits keys of its team, but not itself. */
const requireManager = (keys: Keyring, actor: Actor.Actor, scope: Scope): Effect.Effect<void, Problem> =>
  Actor.isAdmin(actor) || (scope.type === "key" && scope.name !== actor.id && isOfManagedTeam(keys, actor, scope.name))
    ? Effect.void
    : Effect.fail(limitsKeys(actor))

const limitsKeys = (actor: Actor.Actor): Problem =>
  Actor.forbidden(actor, `${Actor.adminRole}: a team-admin limits the keys of its own team`)

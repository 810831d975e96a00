/**
 * The budgets of the database, and how they and those of the configuration stand.
 */
import * as Account from "@understudy/core/internal/spend/Account"
import * as Budget from "@understudy/core/internal/spend/Budget"
import type { BudgetStatus } from "@understudy/core/internal/spend/Budgets"
import { Budgets } from "@understudy/core/internal/spend/Budgets"
import * as Window from "@understudy/core/internal/spend/Window"
import { Router } from "@understudy/core/Router"
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { KeyBudget } from "../../config/BudgetsSection.ts"
import * as Timestamp from "../../config/Timestamp.ts"
import * as WindowText from "../../config/WindowText.ts"
import type { BudgetRow } from "../../budgets/StoredBudgets.ts"
import * as StoredBudgets from "../../budgets/StoredBudgets.ts"
import type { Record as RecordChange } from "../../store/Changes.ts"
import type { Actor } from "./Actor.ts"
import type * as Fields from "./Fields.ts"
import type { Problem } from "./Problem.ts"
import * as Problems from "./Problem.ts"
import * as Requests from "./Requests.ts"

/** Shows budgets as they stand now. */
export const shown = (
  budgets: ReadonlyArray<Budget.Budget>,
  rows: ReadonlyArray<BudgetRow>,
): Effect.Effect<ReadonlyArray<Fields.Budget>> =>
  Effect.gen(function* () {
    const statuses = yield* current
    const now = yield* Clock.currentTimeMillis
    return budgets.map((budget) =>
      show(
        budget,
        statuses.get(budget.id),
        rows.find(({ id }) => id === budget.id),
        now,
      ),
    )
  })

/** How the budgets stand that this gateway keeps, by id. */
export const current: Effect.Effect<ReadonlyMap<string, BudgetStatus>> = Effect.flatMap(
  Effect.serviceOption(Budgets),
  (budgets) =>
    budgets._tag === "None"
      ? Effect.succeed(new Map())
      : Effect.map(budgets.value.status, (statuses) => new Map(statuses.map((status) => [status.budget.id, status]))),
)

const show = (
  budget: Budget.Budget,
  status: BudgetStatus | undefined,
  row: BudgetRow | undefined,
  now: number,
): Fields.Budget => {
  // The status may be that of the scope or window that the budget had before, of which nothing counts in the new one.
  const { reserved = 0, spent = 0 } =
    status !== undefined && Account.identity(status.budget) === Account.identity(budget) ? status : {}
  const { end } = Window.period(budget.window, now)
  const left = Budget.toNanos(budget.amount) - Budget.toNanos(spent) - Budget.toNanos(reserved)
  return {
    id: budget.id,
    ...written(budget),
    spent,
    reserved,
    remaining: Math.max(0, Budget.toDollars(left)),
    resetsAt: Number.isFinite(end) ? Timestamp.print(end) : null,
    source: row === undefined ? "configuration" : "database",
    createdAt: row === undefined ? null : Timestamp.print(row.created_at),
    updatedAt: row === undefined ? null : Timestamp.print(row.updated_at),
  }
}

/** The fields of a budget that a client writes. */
export const written = (
  budget: Budget.Budget,
): Pick<Fields.Budget, "scope" | "amount" | "window" | "timeZone" | "then" | "alerts"> => ({
  scope: budget.scope.type === "all" ? "all" : { [budget.scope.type]: budget.scope.name },
  amount: budget.amount,
  window: WindowText.print(budget.window),
  timeZone: WindowText.timeZone(budget.window) ?? null,
  then: budget.atLimit,
  alerts: budget.alerts ?? Budget.defaultAlerts,
})

/** The row of a new or changed budget. */
const toRow = (
  id: string,
  scope: Budget.Scope,
  { alerts, amount, then, timeZone, window }: typeof KeyBudget.Type,
  at: { readonly createdAt: number; readonly updatedAt: number },
): BudgetRow => ({
  id,
  scope_type: scope.type,
  scope_name: scope.type === "all" ? "" : scope.name,
  amount: Budget.toNanos(amount),
  budget_window: WindowText.print(window),
  time_zone: timeZone ?? "",
  then_use: then === undefined || then === "refuse" ? null : then.use,
  alerts: JSON.stringify(alerts ?? Budget.defaultAlerts),
  created_at: at.createdAt,
  updated_at: at.updatedAt,
})

/** Fails if a budget goes on to a route that does not exist, or that `allowed` does not have. `path`: of the budget. */
export const checkRoute = Effect.fnUntraced(function* (
  path: string,
  { then }: typeof KeyBudget.Type,
  allowed: ReadonlyArray<string> | undefined,
): Effect.fn.Return<void, Problem, Router> {
  if (then === undefined || then === "refuse") return
  const { deployments, routes } = yield* Router
  const known = [...routes(), ...deployments()]
  if (!known.includes(then.use)) return yield* Effect.fail(unknown(`${path}then.use`, then.use, known))
  if (allowed === undefined || allowed.includes(then.use)) return
  const message = `the calls of this budget may not use "${then.use}". They may use: ${allowed.join(", ") || "nothing"}.`
  return yield* Effect.fail(Problems.invalidField(`${path}then.use`, message))
})

/** The problem of a name that does not exist. */
export const unknown = (path: string, name: string, known: Iterable<string>): Problem =>
  Problems.invalidField(path, `"${name}" does not exist${didYouMean(name, known) || "."}`)

/** Writes a new budget, with its audit. */
export const create = Effect.fnUntraced(function* (
  actor: Actor,
  record: RecordChange,
  scope: Budget.Scope,
  input: typeof KeyBudget.Type,
): Effect.fn.Return<BudgetRow, SqlError, SqlClient> {
  const sql = yield* SqlClient
  const now = yield* Clock.currentTimeMillis
  const row = toRow(Requests.newId("budget"), scope, input, { createdAt: now, updatedAt: now })
  yield* sql`INSERT INTO budgets ${sql.insert({ ...row })}`
  yield* record({
    actor: actor.id,
    action: "create",
    kind: "budget",
    subjectId: row.id,
    before: undefined,
    after: audited(row),
  })
  return row
})

/** Changes a budget, with its audit. */
export const update = Effect.fnUntraced(function* (
  actor: Actor,
  record: RecordChange,
  before: BudgetRow,
  scope: Budget.Scope,
  input: typeof KeyBudget.Type,
): Effect.fn.Return<BudgetRow, SqlError, SqlClient> {
  const now = yield* Clock.currentTimeMillis
  const row = toRow(before.id, scope, input, { createdAt: before.created_at, updatedAt: now })
  yield* replace(actor, record, before, row)
  return row
})

/** Gives a team the budgets of the name that it has now, made when only the configuration named it, with their audit. */
export const nameTeam = Effect.fnUntraced(function* (
  actor: Actor,
  record: RecordChange,
  name: string,
  team: string,
): Effect.fn.Return<void, SqlError, SqlClient> {
  for (const before of yield* of("team", name)) {
    yield* replace(actor, record, before, { ...before, scope_name: team, updated_at: yield* Clock.currentTimeMillis })
  }
})

const replace = Effect.fnUntraced(function* (actor: Actor, record: RecordChange, before: BudgetRow, row: BudgetRow) {
  const sql = yield* SqlClient
  yield* sql`UPDATE budgets SET ${sql.update({ ...row }, ["id"])} WHERE id = ${row.id}`
  yield* record({
    actor: actor.id,
    action: "update",
    kind: "budget",
    subjectId: row.id,
    before: audited(before),
    after: audited(row),
  })
})

/** Deletes budgets, with their audit. */
export const remove = Effect.fnUntraced(function* (
  actor: Actor,
  record: RecordChange,
  rows: ReadonlyArray<BudgetRow>,
): Effect.fn.Return<void, SqlError, SqlClient> {
  const sql = yield* SqlClient
  for (const row of rows) {
    yield* sql`DELETE FROM budgets WHERE id = ${row.id}`
    yield* record({
      actor: actor.id,
      action: "delete",
      kind: "budget",
      subjectId: row.id,
      before: audited(row),
      after: undefined,
    })
  }
})

/** The budgets of one key or team. */
export const of = (type: "key" | "team", name: string): Effect.Effect<ReadonlyArray<BudgetRow>, SqlError, SqlClient> =>
  Effect.flatMap(
    SqlClient,
    (sql) =>
      sql<BudgetRow>`SELECT * FROM budgets WHERE scope_type = ${type} AND scope_name = ${name} ORDER BY created_at, id`,
  )

/** Shows rows. */
export const shownRows = (rows: ReadonlyArray<BudgetRow>) => shown(rows.map(StoredBudgets.toBudget), rows)

/** The budgets of one key or team as they stand, those of the configuration too. */
export const shownOf = Effect.fnUntraced(function* (type: "key" | "team", name: string) {
  const rows = yield* of(type, name)
  const configured = [...(yield* current).values()].flatMap(({ budget }) =>
    budget.scope.type === type && budget.scope.name === name && !rows.some(({ id }) => id === budget.id)
      ? [budget]
      : [],
  )
  return yield* shown([...configured, ...rows.map(StoredBudgets.toBudget)], rows)
})

const audited = (row: BudgetRow): object => written(StoredBudgets.toBudget(row))

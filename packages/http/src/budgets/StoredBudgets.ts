/**
 * The budgets of the database, beside those of the configuration: all of them when the gateway starts, then every change as
 * it is made (see `Changes`). The configuration names a team, and calls are of its id: that of the team of this name.
 */
import type { Budget } from "@understudy/core/internal/spend/Budget"
import * as BudgetData from "@understudy/core/internal/spend/Budget"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as WindowText from "../config/WindowText.ts"
import type { TeamRow } from "../keys/StoredKeys.ts"
import { Changes } from "../store/Changes.ts"
import type { NoDatabase } from "../store/Store.ts"
import { unreadable } from "../store/Store.ts"
import { ConfiguredBudgets } from "./ConfiguredBudgets.ts"
import { LeasedBudgets } from "./LeasedBudgets.ts"

/** A row of `budgets`. */
export interface BudgetRow {
  readonly id: string
  readonly scope_type: BudgetData.Scope["type"]
  /** Empty for `all`. */
  readonly scope_name: string
  /** Nanodollars. */
  readonly amount: number
  readonly budget_window: string
  /** Empty for UTC, or if the window has none. */
  readonly time_zone: string
  readonly then_use: string | null
  readonly alerts: string
  readonly created_at: number
  readonly updated_at: number
}

export const toBudget = (row: BudgetRow): Budget => ({
  id: row.id,
  scope: row.scope_type === "all" ? { type: "all" } : { type: row.scope_type, name: row.scope_name },
  amount: BudgetData.toDollars(row.amount),
  window: WindowText.parse(row.budget_window, row.time_zone === "" ? undefined : row.time_zone) ?? "total",
  atLimit: row.then_use === null ? "refuse" : { use: row.then_use },
  alerts: JSON.parse(row.alerts) as ReadonlyArray<number>,
})

type Team = Pick<TeamRow, "id" | "name">

/** The budget, by the id of the team that it names, if the database has one. */
const ofTeam = (budget: Budget, teams: ReadonlyArray<Team>): Budget => {
  const { scope } = budget
  if (scope.type !== "team" || teams.some(({ id }) => id === scope.name)) return budget
  const named = teams.find(({ name }) => name === scope.name)
  return named === undefined ? budget : { ...budget, scope: { type: "team", name: named.id } }
}

/** Keeps the budgets of the gateway as the configuration, `configured` at first, and the database have them. */
export const layer = (
  configured: ReadonlyArray<Budget>,
): Layer.Layer<ConfiguredBudgets, NoDatabase, SqlClient | Changes | LeasedBudgets> =>
  Layer.effect(
    ConfiguredBudgets,
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const { set } = yield* LeasedBudgets
      const { follow } = yield* Changes
      let ofConfiguration = configured
      let ofDatabase: ReadonlyArray<Budget> = []
      let teams: ReadonlyArray<Team> = []
      const apply = Effect.suspend(() =>
        set([...ofConfiguration.map((budget) => ofTeam(budget, teams)), ...ofDatabase]),
      )
      const load = Effect.gen(function* () {
        const rows = yield* sql<BudgetRow>`SELECT * FROM budgets`
        teams = yield* sql<Team>`SELECT id, name FROM teams`
        ofDatabase = rows.map(toBudget)
        yield* apply
      })
      yield* follow(Effect.mapError(load, unreadable), (rows) =>
        rows.some(({ kind }) => kind === "budget" || kind === "team") ? load : Effect.void,
      )
      return {
        replace: (budgets) => {
          ofConfiguration = budgets
          return apply
        },
      }
    }),
  )

/**
 * The rehearsal of a gateway's configuration: its routes and deployments, with its keys and budgets over them. Nothing of it
 * calls a provider, and its state is in memory.
 */
import * as BudgetedRouter from "@understudy/core/BudgetedRouter"
import * as Budgets from "@understudy/core/Budgets"
import type { InvalidBudgets } from "@understudy/core/Budgets"
import * as Rehearsal from "@understudy/core/Rehearsal"
import type * as Router from "@understudy/core/Router"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import { isLocal } from "@understudy/providers/internal/config/Address"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Keyring from "../auth/Keyring.ts"
import { Caller } from "../auth/Caller.ts"
import type { Configuration } from "../Config.ts"
import * as KeyedRouter from "../keys/KeyedRouter.ts"

export type Options = Pick<Rehearsal.Options<unknown>, "scenario" | "for" | "rate" | "seed" | "start" | "onProgress">

/** Rehearses a configuration whose deployments have their prices. */
export const run = (
  configuration: Configuration,
  options: Options,
): Effect.Effect<Rehearsal.Report, Rehearsal.RehearsalError | InvalidBudgets> => {
  const { deployments, keys } = configuration
  return Rehearsal.run({
    ...options,
    ...routerOf(configuration),
    regionOf: (name) => regionOf(deployments[name]?.keys),
    callers: keys.map(({ id }) => id),
  })
}

/** Makes the calls of a tape to a configuration whose deployments have their prices. */
export const replay = (
  configuration: Configuration,
  options: Pick<Rehearsal.ReplayOptions<unknown>, "tape" | "seed" | "onProgress">,
): Effect.Effect<Rehearsal.Report, Router.InvalidRoutes | InvalidBudgets> =>
  Rehearsal.replay({ ...options, ...routerOf(configuration) })

/** The router of a configuration, with the limits of its keys and its budgets over it. */
const routerOf = ({
  budgets,
  defaults,
  deployments,
  keys,
  routes,
}: Configuration): Rehearsal.RehearsedRouter<Configuration["deployments"], Configuration["routes"], InvalidBudgets> => {
  const keyring = new Keyring.Keyring(keys.map(Keyring.configured))
  return {
    defaults,
    routes,
    deployments,
    local: new Set(Object.keys(deployments).filter((name) => isLocal(deployments[name]!))),
    accountsOf: (name) => deployments[name]?.apiKeys?.length ?? 1,
    contextOf: ({ caller }) => Context.make(Caller, caller === undefined ? undefined : keyring.byId(caller)),
    over: (router) => keyed(keyring, budgets.budgets.length === 0 ? router : budgeted(budgets.budgets, router)),
  }
}

const regionOf = (keys: unknown): string | undefined =>
  typeof keys === "object" && keys !== null && "region" in keys ? String(keys.region) : undefined

const budgeted = <E>(budgets: Configuration["budgets"]["budgets"], router: Layer.Layer<Router.Router, E>) =>
  Layer.provide(BudgetedRouter.layer, [router, Budgets.layerMemory(budgets)])

const keyed = <E>(keyring: Keyring.Keyring, router: Layer.Layer<Router.Router, E>): Layer.Layer<Router.Router, E> =>
  keyring.isOpen ? router : Layer.provide(KeyedRouter.layer(keyring), [router, RateLimit.layerMemory])

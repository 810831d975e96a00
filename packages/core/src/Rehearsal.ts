/**
 * Rehearsals: what a router would do in a scenario, under virtual time. The engine is the real one; only its providers are models
 * that behave as the scenario says. An hour takes well under a second, and the same seed gives the same report.
 *
 * ```ts
 * const test = Effect.gen(function* () {
 *   const report = yield* Rehearsal.run({
 *     ...options, // of Router.layer
 *     scenario: Rehearsal.scenario("vendor-outage"),
 *     rate: 10,
 *     for: "1 hour",
 *   })
 *   assert.isAbove(report.availability, 0.999)
 * })
 * ```
 */
import type * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Deployment from "./deployment/Deployment.ts"
import type * as Generation from "./generation/Generation.ts"
import { Provider } from "./model/Provider.ts"
import * as BehaviorFates from "./rehearsal/BehaviorFates.ts"
import type { Fates } from "./rehearsal/Fate.ts"
import * as ModeledProvider from "./rehearsal/ModeledProvider.ts"
import { TapeContent } from "./rehearsal/TapeContent.ts"
import type { Report } from "./rehearsal/Report.ts"
import * as Run from "./RehearsalRun.ts"
import type { Placed, Scenario } from "./rehearsal/Scenario.ts"
import * as Scenarios from "./rehearsal/Scenarios.ts"
import * as ScenarioRules from "./rehearsal/Scenario.ts"
import * as StreamInterval from "./rehearsal/StreamInterval.ts"
import * as TapeFates from "./rehearsal/TapeFates.ts"
import type { Assumption } from "./rehearsal/TapeFates.ts"
import * as Traffic from "./rehearsal/Traffic.ts"
import type { PlannedCall } from "./rehearsal/Traffic.ts"
import * as Routes from "./route/Route.ts"
import type { Route } from "./route/Route.ts"
import * as Router from "./Router.ts"

export { TapeContent }
export type { Assumption } from "./rehearsal/TapeFates.ts"
export type { Behavior, Change, Failure, Quota } from "./rehearsal/Behavior.ts"
export { usual as usualBehavior } from "./rehearsal/Behavior.ts"
export type { Distribution } from "./rehearsal/Distribution.ts"
export type { DeploymentReport, FailoverCount, Minute, Percentiles, Report } from "./rehearsal/Report.ts"
export type { Progress } from "./RehearsalRun.ts"
export type { Place, Placed, Scenario, ScenarioIncident } from "./rehearsal/Scenario.ts"
export { all as scenarios } from "./rehearsal/Scenarios.ts"
export type { Setting, Shipped } from "./rehearsal/Scenarios.ts"
export type { Burst, PlannedCall, Traffic } from "./rehearsal/Traffic.ts"
export { usual as usualTraffic } from "./rehearsal/Traffic.ts"

/** A scenario that cannot be rehearsed with these deployments. */
export class InvalidScenario extends Data.TaggedError("InvalidScenario")<{
  readonly scenario: string
  readonly problems: ReadonlyArray<{ readonly path: string; readonly message: string }>
}> {
  override get message(): string {
    return this.problems.map(({ message, path }) => `${path}: ${message}`).join("\n")
  }
}

/** Why a rehearsal cannot begin. */
export type RehearsalError = Router.InvalidRoutes | InvalidScenario

export interface Options<Deployments, Routes = Readonly<Record<string, Route>>, E = never> extends RehearsedRouter<
  Deployments,
  Routes,
  E
> {
  /** A scenario, or the name of one that comes with Understudy: see `scenarios`. */
  readonly scenario: Scenario | string
  /** How long calls come. Default: an hour. */
  readonly for?: Duration.Input | undefined
  /** Calls a second. Default: that of the scenario's traffic. */
  readonly rate?: number | undefined
  /** When it begins, in clock milliseconds. Default: 2026-01-01T00:00:00Z. */
  readonly start?: number | undefined
  /** The region of a deployment, where it is known. */
  readonly regionOf?: ((deployment: string) => string | undefined) | undefined
  /** The ids of callers, who share the calls evenly unless the scenario's traffic has shares for them. Default: none. */
  readonly callers?: ReadonlyArray<string> | undefined
}

/** What is rehearsed. `E`: the errors of the layers over the router. */
export interface RehearsedRouter<
  Deployments,
  Routes = Readonly<Record<string, Route>>,
  E = never,
> extends Generation.Options<Deployments, Routes> {
  /** Default: 1. */
  readonly seed?: number | undefined
  /** The names of deployments that are served nearby: see `ProviderService.local`. */
  readonly local?: ReadonlySet<string> | undefined
  /** How many accounts a deployment has. Default: as many as its `provider` has layers. */
  readonly accountsOf?: ((deployment: string) => number) | undefined
  /** Layers over the router, such as `BudgetedRouter.layer` with its budgets. */
  readonly over?:
    | ((
        router: Layer.Layer<Router.Router, Router.InvalidRoutes>,
      ) => Layer.Layer<Router.Router, Router.InvalidRoutes | E>)
    | undefined
  /** What else the fibre of a call has in its context. */
  readonly contextOf?: ((call: PlannedCall) => Context.Context<never>) | undefined
  /** Told after each minute of virtual time. */
  readonly onProgress?: ((progress: Run.Progress) => void) | undefined
}

/** Options of a replay: the tape, and the router that its calls are made to. */
export interface ReplayOptions<
  Deployments,
  Routes = Readonly<Record<string, Route>>,
  E = never,
> extends RehearsedRouter<Deployments, Routes, E> {
  readonly tape: TapeContent
}

/** 2026-01-01T00:00:00Z. */
const defaultStart = 1_767_225_600_000

/** Rehearses a scenario. Starts none of the deployments' own providers. */
export const run = <
  Deployments extends Readonly<Record<string, Deployment.Options>>,
  Routes extends Readonly<Record<string, Route>> = Readonly<Record<string, Route>>,
  E = never,
>(
  options: Options<Deployments, Routes, E>,
): Effect.Effect<Report, RehearsalError | E> =>
  Effect.suspend((): Effect.Effect<Report, RehearsalError | E> => {
    const {
      callers = [],
      contextOf,
      deployments,
      onProgress,
      rate,
      routes = {},
      seed = 1,
      start = defaultStart,
    } = options
    const length = Duration.toMillis(Duration.fromInputUnsafe(options.for ?? "1 hour"))
    const fleet = fleetOf(options)
    const scenario = scenarioOf(options, fleet, length)
    if (scenario === undefined) return Effect.fail(unknownScenario(String(options.scenario)))
    const problems = problemsOf(scenario, fleet)
    if (problems.length > 0) return Effect.fail(new InvalidScenario({ scenario: scenario.name, problems }))
    const byName = new Map(fleet.map((placed) => [placed.name, placed]))
    const fates = (account: string, deployment: string) =>
      BehaviorFates.make(account, seed, ScenarioRules.phasesOf(scenario, byName.get(deployment)!, start))
    const traffic: Traffic.Traffic = {
      ...Traffic.usual,
      ...(callers.length > 0 && { callers: Object.fromEntries(callers.map((id) => [id, 1])) }),
      ...scenario.traffic,
      ...(rate !== undefined && { rate }),
    }
    return Run.run<Router.InvalidRoutes | E>({
      router: routerOf(options, fates),
      calls: Traffic.calls(traffic, callable(routes, deployments), { start, end: start + length, seed }),
      start,
      seed,
      clientRetries: traffic.clientRetries,
      contextOf,
      onProgress,
    })
  })

/**
 * Makes the calls of a tape again. What a deployment does is drawn from what it did near that time on the tape; what the tape does not
 * have is in the report (`assumed`). Starts none of the deployments' own providers.
 */
export const replay = <
  Deployments extends Readonly<Record<string, Deployment.Options>>,
  Routes extends Readonly<Record<string, Route>> = Readonly<Record<string, Route>>,
  E = never,
>(
  options: ReplayOptions<Deployments, Routes, E>,
): Effect.Effect<Report, Router.InvalidRoutes | E> =>
  Effect.suspend(() => {
    const { contextOf, onProgress, seed = 1, tape } = options
    const { calls } = tape
    const assumed = new Map<string, Assumption>()
    const fates = (account: string, deployment: string) => {
      const assumption = assumed.get(deployment) ?? { deployment, distant: 0, prior: 0 }
      assumed.set(deployment, assumption)
      return TapeFates.make(account, seed, tape.attemptsOf(deployment), assumption)
    }
    const router = routerOf(options, fates)
    return Run.run<Router.InvalidRoutes | E>({
      router,
      calls,
      start: calls[0]?.at ?? 0,
      seed,
      contextOf,
      assumed: [...assumed.values()],
      onProgress,
    })
  })

/** The router over modeled providers, with the layers over it. `fates`: those of an account of a deployment. */
const routerOf = <E>(
  options: RehearsedRouter<Readonly<Record<string, Deployment.Options>>, Readonly<Record<string, Route>>, E>,
  fates: (account: string, deployment: string) => Fates,
): Layer.Layer<Router.Router, Router.InvalidRoutes | E> => {
  const { accountsOf, defaults, deployments, local, over, routes = {} } = options
  const interval = StreamInterval.of(options)
  const modeled = Object.fromEntries(
    Object.entries(deployments).map(([name, deployment]) => {
      const accounts = accountsOf?.(name) ?? ("provider" in deployment ? accountsIn(deployment.provider) : 1)
      const provider = Array.from({ length: Math.max(1, accounts) }, (_, index) => {
        const account = index === 0 ? name : `${name}#${index + 1}`
        const service = ModeledProvider.make(fates(account, name), {
          protocol: "rehearsal",
          account,
          interval,
          local: local?.has(name) === true,
        })
        return Layer.succeed(Provider, service)
      })
      return [name, { ...deployment, provider }]
    }),
  )
  const router = Router.layer({ deployments: modeled, routes, defaults })
  return over === undefined ? router : over(router)
}

const accountsIn = (provider: unknown): number => (Array.isArray(provider) ? provider.length : 1)

/** The scenario of a name for these deployments. Fails with `InvalidScenario` if there is none. */
const scenarioOf = (
  { rate, scenario }: Pick<Options<unknown>, "rate" | "scenario">,
  deployments: ReadonlyArray<Placed>,
  length: number,
): Scenario | undefined =>
  Predicate.isString(scenario)
    ? Scenarios.find(scenario)?.make({ deployments, length, rate: rate ?? Traffic.usual.rate })
    : scenario

const unknownScenario = (name: string): InvalidScenario =>
  new InvalidScenario({
    scenario: name,
    problems: [
      {
        path: "scenario",
        message: `there is no scenario "${name}": use one of ${Scenarios.all.map(({ name }) => name).join(", ")}`,
      },
    ],
  })

const problemsOf = (scenario: Scenario, fleet: ReadonlyArray<Placed>): InvalidScenario["problems"] =>
  ScenarioRules.unmatched(scenario, fleet)
    .filter(([path, pattern]) => path !== "deployments" || pattern !== "*")
    .map(([path, pattern]) => ({
      path,
      message: `"${pattern}" matches no deployment: there is ${fleet.map(({ name }) => `"${name}"`).join(", ")}`,
    }))

/** The deployments, first those that routes name, in their order. */
const fleetOf = ({
  deployments,
  regionOf,
  routes = {},
}: Options<
  Readonly<Record<string, Deployment.Options>>,
  Readonly<Record<string, Route>>,
  unknown
>): ReadonlyArray<Placed> => {
  const named = Object.values(routes).flatMap(Routes.names)
  const names = new Set([...named.filter((name) => Object.hasOwn(deployments, name)), ...Object.keys(deployments)])
  return [...names].map((name) => ({ name, vendor: deployments[name]?.vendor, region: regionOf?.(name) }))
}

/** What calls name: routes that no other route names, or deployments if there are none. A call needs a name without a `*`. */
const callable = (
  routes: Readonly<Record<string, Route>>,
  deployments: Readonly<Record<string, unknown>>,
): ReadonlyArray<string> => {
  const within = new Set(Object.values(routes).flatMap(Routes.names))
  const outer = Object.keys(routes).filter((name) => !within.has(name))
  const names = outer.length > 0 ? outer : Object.keys(deployments)
  return names.map((name) => name.replaceAll("*", "any"))
}

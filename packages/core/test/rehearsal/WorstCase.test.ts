/**
 * The worst case that `check` prints holds: no call of a random configuration, rehearsed under random faults, exceeds it.
 *
 * Here for a few hundred configurations. For more, from another seed on:
 *
 *     WORST_CASES=10000 WORST_CASES_FROM=1 vitest run packages/core/test/rehearsal/WorstCase.test.ts
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { inspect } from "node:util"
import * as Lint from "../../src/inspect/Lint.ts"
import { Provider } from "../../src/model/Provider.ts"
import type { Receipt } from "../../src/receipt/Receipt.ts"
import * as Receipts from "../../src/receipt/Receipt.ts"
import * as BehaviorFates from "../../src/rehearsal/BehaviorFates.ts"
import * as ModeledProvider from "../../src/rehearsal/ModeledProvider.ts"
import * as Scenario from "../../src/rehearsal/Scenario.ts"
import * as Run from "../../src/RehearsalRun.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import type { RandomConfiguration } from "./RandomConfiguration.ts"
import * as RandomConfigurations from "./RandomConfiguration.ts"

const count = Number(process.env["WORST_CASES"] ?? 200)
const first = Number(process.env["WORST_CASES_FROM"] ?? 1)

/** Seeds whose configurations have exceeded it. */
const exceeding = [4580]

/** The receipts of the calls of a configuration, those of shadow calls included. */
const rehearsed = (
  configuration: RandomConfiguration,
  seed: number,
): Effect.Effect<ReadonlyArray<Receipt>, unknown> => {
  const { accounts, calls, defaults, deployments, routes, scenario } = configuration
  const { start } = RandomConfigurations
  const modeled = Object.entries(deployments).map(([name, deployment]) => {
    const phases = Scenario.phasesOf(scenario, { name, vendor: undefined, region: undefined }, start)
    const provider = Array.from({ length: accounts.get(name) ?? 1 }, (_, index) => {
      const account = `${name}#${index + 1}`
      const fates = BehaviorFates.make(account, seed, phases)
      return Layer.succeed(
        Provider,
        ModeledProvider.make(fates, { protocol: "rehearsal", account, local: false, interval: 2000 }),
      )
    })
    return [name, { ...deployment, provider }] as const
  })
  const receipts: Array<Receipt> = []
  const recording = Layer.effectDiscard(
    Effect.flatMap(Router.Router, (router) =>
      router.subscribe((event) => {
        if (event._tag === "CallEnded") receipts.push(event.receipt)
      }),
    ),
  )
  const layer = Router.layer({ deployments: Object.fromEntries(modeled), routes, defaults })
  const router = Layer.provideMerge(recording, layer)
  return Effect.as(Run.run({ router, calls, start, seed }), receipts)
}

const worstCasesOf = (
  { accounts, defaults, deployments, routes }: RandomConfiguration,
  seed: number,
): ReadonlyArray<Lint.WorstCase> =>
  Result.getOrThrowWith(
    Lint.lint(routes, deployments, defaults, { accounts }),
    (problems) => new Error(`seed ${seed}: ${problems.map(({ message, path }) => `${path} ${message}`).join()}`),
  ).worstCases

/** What exceeds its worst case: of a call with its shadow call, of which a caller does not wait for the latter. */
const excesses = (receipts: ReadonlyArray<Receipt>, worst: Lint.WorstCase): ReadonlyArray<string> => {
  const [call] = receipts
  const attempts = receipts.flatMap((receipt) => receipt.attempts)
  const cost = Receipts.total({ attempts }).cost ?? 0
  const millis = call === undefined || call.streaming ? 0 : (call.millis ?? Number.POSITIVE_INFINITY)
  return [
    ...(attempts.length > worst.attempts ? [`${attempts.length} attempts`] : []),
    ...(millis > worst.millis + rounding ? [`${millis} milliseconds`] : []),
    ...(isAsPriced(receipts) && cost > (worst.dollars ?? 0) + rounding ? [`${cost} dollars`] : []),
  ]
}

/** Of sums of floating-point numbers. */
const rounding = 1e-6

/** Whether each attempt is as the worst case assumes it. One that goes on after delivered text has that text in its input. */
const isAsPriced = (receipts: ReadonlyArray<Receipt>): boolean =>
  receipts.every(({ attempts }) =>
    attempts.every(({ usage }) => (usage?.inputTokens ?? 0) <= Lint.pricingAssumption.input),
  )

describe("the worst case of a route", () => {
  it.effect(
    `is not exceeded by ${count} random configurations under random faults`,
    () =>
      Effect.gen(function* () {
        const reached = { calls: 0, asPriced: 0, attempts: 0, millis: 0, dollars: 0, shadows: 0 }
        const failures: Array<string> = []
        for (const seed of [...exceeding, ...Array.from({ length: count }, (_, index) => first + index)]) {
          const configuration = RandomConfigurations.make(seed)
          const { calls } = configuration
          const worstCases = worstCasesOf(configuration, seed)
          const receipts = yield* rehearsed(configuration, seed)
          const own = receipts.filter(({ shadowOf }) => shadowOf === undefined)
          assert.lengthOf(own, calls.length, `seed ${seed}`)
          for (const receipt of own) {
            const worst = worstCases.find(({ route }) => route === receipt.route)
            assert.isDefined(worst, receipt.route)
            const shadows = receipts.filter(({ shadowOf }) => shadowOf === receipt.id)
            const all = [receipt, ...shadows]
            reached.calls++
            reached.shadows += shadows.length
            if (isAsPriced(all)) reached.asPriced++
            if (receipt.attempts.length === worst.attempts) reached.attempts++
            if (!receipt.streaming && (receipt.millis ?? 0) > worst.millis * 0.95) reached.millis++
            if ((Receipts.total(receipt).cost ?? 0) > (worst.dollars ?? Infinity) * 0.8) reached.dollars++
            const found = excesses(all, worst)
            if (found.length > 0) failures.push(described(seed, found, worst, configuration, all))
          }
        }
        if (failures.length > 0) {
          assert.fail([`${failures.length} calls exceed their worst case`, ...failures.slice(0, 3)].join("\n\n"))
        }
        // The bounds are tight enough to be reached, each of them.
        if (count >= 200)
          assert.isAbove(Math.min(reached.attempts, reached.millis, reached.dollars, reached.shadows), 0)
        assert.isAbove(reached.asPriced / reached.calls, 0.9)
      }),
    { timeout: Math.max(60_000, count * 200) },
  )

  it.effect("includes the racer that lost, when it takes over the stream that won", () =>
    Effect.gen(function* () {
      const route = Route.hedge({ after: 0, across: ["slow", "slower"], budget: 1 })
      const configuration = {
        ...fixed,
        deployments: { slow: { model: "a" }, slower: { model: "b" } },
        routes: { main: Route.stream({ protect: "continue" })(route) },
        scenario: {
          ...fixed.scenario,
          deployments: { slow: { firstToken: 1000, cut: 1 }, slower: { firstToken: 1100, cut: 1 } },
        },
      }
      const receipts = yield* rehearsed(configuration, 1)
      assert.strictEqual(worstCasesOf(configuration, 1)[0]?.attempts, 3)
      assert.deepStrictEqual(tried(receipts[0]), ["slower hedge", "slow initial", "slower continuation"])
    }),
  )

  it.effect("includes the racer that is interrupted for an error branch, and tried again after a wait", () =>
    Effect.gen(function* () {
      const limits = { rpm: 1, queue: { maxWait: "10 minutes" } } as const
      const hedge = Route.hedge({ after: 0, across: ["limited", "slow"], budget: 1 })
      const failure = { share: 1, after: 100 }
      const configuration: RandomConfiguration = {
        ...fixed,
        deployments: {
          limited: { model: "a", cooldown: { max: 1 } },
          slow: { model: "b" },
          third: { model: "c" },
          fourth: { model: "d", limits },
          fifth: { model: "e", limits },
        },
        routes: { main: Route.fallback(Route.onError(["RateLimited"], "third")(hedge), "fourth", "fifth") },
        scenario: {
          ...fixed.scenario,
          deployments: {
            limited: { failures: [{ ...failure, reason: { _tag: "RateLimited" } }] },
            slow: { failures: [{ ...failure, after: 1000, reason: { _tag: "Malformed" } }] },
            "*": { failures: [{ ...failure, reason: { _tag: "Malformed" } }] },
          },
        },
      }
      const receipts = yield* rehearsed(configuration, 1)
      assert.isAtLeast(worstCasesOf(configuration, 1)[0]?.attempts ?? 0, 6)
      assert.deepStrictEqual(tried(receipts[1]), [
        "limited initial",
        "slow hedge",
        "third fallback",
        "slow fallback",
        "fourth fallback",
        "fifth fallback",
      ])
    }),
  )
})

/** A configuration without deployments, and two streams, a second apart. */
const fixed = {
  defaults: { retry: { times: 0 }, timeout: { total: "1 hour" }, circuit: { failures: 100 } },
  accounts: new Map<string, number>(),
  scenario: { name: "fixed", description: "" },
  calls: [0, 1].map((number) => ({
    number,
    at: RandomConfigurations.start + number * 1000,
    model: "main",
    streaming: true,
    inputTokens: 100,
    outputTokens: 100,
    caller: undefined,
    tags: [],
    content: number,
  })),
} as const

const tried = (receipt: Receipt | undefined): ReadonlyArray<string> =>
  receipt?.attempts.map(({ deployment, type }) => `${deployment} ${type}`) ?? []

/** A call that exceeds its worst case, with all that is needed to see why. */
const described = (
  seed: number,
  found: ReadonlyArray<string>,
  worst: Lint.WorstCase,
  { accounts, defaults, deployments, routes }: RandomConfiguration,
  receipts: ReadonlyArray<Receipt>,
): string => {
  const { attempts, dollars, millis, route } = worst
  const made = receipts.map(({ attempts, millis, queuedMillis, skipped, streaming }) => ({
    streaming,
    millis,
    queuedMillis,
    attempts: attempts.map(({ account, cost, deployment, millis, outcome, reason, type }) =>
      [deployment, account, type, outcome, reason, Math.round(millis), cost].join(" "),
    ),
    skipped: skipped.map(({ deployment, reason }) => `${deployment} ${reason._tag}`),
  }))
  const used = route === "main" ? routes : { [route]: routes[route] }
  return `WORST_CASES_FROM=${seed}: ${found.join(", ")} on "${route}", at most ${attempts} attempts, ${millis} milliseconds, ${dollars ?? 0} dollars\n${inspect(
    JSON.parse(JSON.stringify({ routes: used, deployments, defaults, accounts: [...accounts], made })),
    { depth: 20, breakLength: 140 },
  )}`
}

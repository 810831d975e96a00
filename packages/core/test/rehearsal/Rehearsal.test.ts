import { assert, describe, it } from "@effect/vitest"
import * as Budgets from "@understudy/core/Budgets"
import * as BudgetedRouter from "@understudy/core/BudgetedRouter"
import * as Deployment from "@understudy/core/Deployment"
import { Provider } from "@understudy/core/Provider"
import * as Rehearsal from "@understudy/core/Rehearsal"
import * as Route from "@understudy/core/Route"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"

/** A provider that must not be started. */
const real = Layer.effect(Provider, Effect.die(new Error("the provider was started")))

const deployment = (vendor: string) =>
  Deployment.make({ model: "m", vendor, provider: real, price: { input: 1, output: 4 } })

const options = {
  deployments: { primary: deployment("openai"), backup: deployment("anthropic") },
  routes: { assistant: Route.fallback("primary", "backup") },
}

const rehearse = (more: Partial<Rehearsal.Options<typeof options.deployments>> = {}) =>
  Rehearsal.run({ ...options, scenario: "vendor-outage", rate: 1, for: "30 minutes", ...more })

describe("Rehearsal", () => {
  it.effect("gives the same report for the same seed, and another for another", () =>
    Effect.gen(function* () {
      const text = (seed: number) => Effect.map(rehearse({ seed }), (report) => JSON.stringify(report))
      const [one, same, other] = [yield* text(1), yield* text(1), yield* text(2)]
      assert.strictEqual(one, same)
      assert.notStrictEqual(one, other)
    }),
  )

  it.effect("has the backup rescue the calls while the first vendor is out, and its circuit opens", () =>
    Effect.gen(function* () {
      const report = yield* rehearse()
      assert.isAbove(report.availability, 0.99)
      const [failover] = report.failovers
      assert.deepInclude(failover, { from: "primary", to: "backup" })
      assert.isAbove(failover!.calls, 500)
      const [primary, backup] = report.deployments
      assert.isAbove(primary!.skipped.CircuitOpen ?? 0, 250)
      assert.isAbove(backup!.answered, 500)
      const during = report.minutes.slice(11, 19)
      assert.isTrue(during.every(({ answered, open }) => answered["primary"] === undefined && open.includes("primary")))
      assert.isTrue(report.minutes.slice(0, 10).every(({ open }) => open.length === 0))
    }),
  )

  it.effect("has no stream that goes on ended by an idle timeout, wherever it is set", () =>
    Effect.gen(function* () {
      const scenario = { name: "streams", description: "", traffic: { streaming: 1 } }
      const idle = { timeout: { idle: "400 millis" } } as const
      const { backup, primary } = options.deployments
      const slow = [
        { defaults: idle },
        { deployments: { primary: { ...primary, ...idle }, backup } },
        { routes: { assistant: Route.fallback(Route.to("primary").pipe(Route.timeout(idle.timeout)), "backup") } },
      ]
      for (const more of slow) {
        const report = yield* rehearse({ ...more, scenario, for: "3 minutes" })
        assert.deepStrictEqual([report.errors, report.attemptsPerCall], [{}, 1])
        assert.isAbove(report.latency.p50!, 2000)
      }
    }),
  )

  it.effect("counts every call once, in its minute and with its attempts", () =>
    Effect.gen(function* () {
      for (const { name } of Rehearsal.scenarios) {
        const report = yield* rehearse({ scenario: name, for: "10 minutes" })
        const sum = (of: (minute: Rehearsal.Minute) => number) =>
          report.minutes.reduce((total, minute) => total + of(minute), 0)
        const failed = Object.values(report.errors).reduce((total, count) => total + count, 0)
        assert.isAbove(report.calls, 500, name)
        assert.strictEqual(report.answered + failed, report.calls, name)
        assert.strictEqual(
          sum(({ calls }) => calls),
          report.calls,
          name,
        )
        assert.strictEqual(
          sum(({ failed }) => failed),
          failed,
          name,
        )
        assert.strictEqual(
          report.deployments.reduce((total, { attempts }) => total + attempts, 0),
          report.attempts,
          name,
        )
      }
    }),
  )

  it.effect("answers the same calls by two configurations", () =>
    Effect.gen(function* () {
      const alone = yield* rehearse({ routes: { assistant: Route.to("primary") } })
      const both = yield* rehearse()
      assert.strictEqual(alone.minutes[3]!.calls, both.minutes[3]!.calls)
      assert.isBelow(alone.availability, 0.75)
    }),
  )

  it.effect("keeps the limits and circuits of the configuration, and the layers over the router", () =>
    Effect.gen(function* () {
      const limited = yield* rehearse({
        scenario: "calm",
        deployments: { ...options.deployments, primary: { ...options.deployments.primary, limits: { rpm: 30 } } },
      })
      const [primary] = limited.deployments
      assert.isAtMost(primary!.attempts, 30 * 31)
      assert.isAbove(primary!.skipped.RateLimited ?? 0, 500)

      const budget = {
        id: "all",
        scope: { type: "all" as const },
        amount: 1,
        window: { unit: "day" as const },
        atLimit: "refuse" as const,
      }
      const budgeted = yield* Rehearsal.run({
        ...options,
        scenario: "calm",
        rate: 2,
        for: "30 minutes",
        over: (router) => Layer.provide(BudgetedRouter.layer, [router, Budgets.layerMemory([budget])]),
      })
      assert.isAtMost(budgeted.cost, 1)
      assert.isAbove(budgeted.cost, 0.9)
      assert.isAbove(budgeted.errors.BudgetExceeded ?? 0, 1000)
    }),
  )

  it.effect("makes a failed call again where clients do", () =>
    Effect.gen(function* () {
      const scenario: Rehearsal.Scenario = {
        name: "down",
        description: "",
        deployments: { "*": { failures: [{ share: 1, reason: { _tag: "InvalidRequest" }, status: 400, after: 10 }] } },
      }
      const once = yield* rehearse({ scenario })
      const often = yield* rehearse({
        scenario: { ...scenario, traffic: { clientRetries: { times: 3, after: 100 } } },
      })
      assert.strictEqual(often.calls, once.calls * 4)
      assert.strictEqual(often.availability, 0)
    }),
  )

  it.effect("says which names of a scenario match no deployment, and which scenarios there are", () =>
    Effect.gen(function* () {
      const scenario: Rehearsal.Scenario = {
        name: "elsewhere",
        description: "",
        deployments: { "gpt-*": {} },
        incidents: [{ from: 0, for: "1 hour", where: { vendor: "google" }, change: { outage: true } }],
      }
      const error = yield* Effect.flip(rehearse({ scenario }))
      assert.strictEqual(
        error.message,
        [
          'deployments: "gpt-*" matches no deployment: there is "primary", "backup"',
          'incidents[0].where.vendor: "google" matches no deployment: there is "primary", "backup"',
        ].join("\n"),
      )
      const unknown = yield* Effect.flip(rehearse({ scenario: "monday" }))
      assert.match(unknown.message, /there is no scenario "monday": use one of calm, vendor-outage/)
    }),
  )

  it.live("ends at once when it is interrupted", () =>
    Effect.gen(function* () {
      let minutes = 0
      const some = yield* Latch.make()
      const onProgress = () => {
        if (++minutes === 3) some.openUnsafe()
      }
      const fiber = yield* Effect.forkChild(rehearse({ for: "1000 hours", onProgress }))
      yield* some.await
      yield* Fiber.interrupt(fiber)
      const then = minutes
      yield* Effect.sleep(20)
      assert.strictEqual(minutes, then)
    }),
  )
})

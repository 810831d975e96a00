import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as BudgetedRouter from "../src/BudgetedRouter.ts"
import * as Metrics from "../src/Metrics.ts"
import type { Budget } from "../src/spend/Budget.ts"
import * as Budgets from "../src/spend/Budgets.ts"
import * as Route from "../src/route/Route.ts"
import * as Router from "../src/Router.ts"
import * as Testing from "../src/Testing.ts"
import * as TestRouter from "./support/TestRouter.ts"

/** The samples of a scrape: each series with its value. */
const scrape = Effect.map(
  Effect.andThen(Metrics.collect, PrometheusMetrics.format()),
  (text): ReadonlyMap<string, number> =>
    new Map(
      text
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith("#"))
        .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
    ),
)

const withMetrics = <E>(router: Layer.Layer<Router.Router, E>, options?: Metrics.Options) =>
  Metrics.layer(options).pipe(
    Layer.provideMerge(router),
    Layer.provideMerge(Layer.succeed(Metric.MetricRegistry, new Map())),
  )

const scripts = (outcomes: Readonly<Record<string, Parameters<typeof Testing.script>[0]>>) =>
  Object.fromEntries(Object.entries(outcomes).map(([name, script]) => [name, Testing.script(script)]))

const route = Route.fallback("a", "b", "c").pipe(Route.retry({ times: 0 }))

describe("Metrics", () => {
  it.effect("counts shadow calls apart from the calls of routes, and their attempts by deployment", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      yield* TestRouter.chat()
      yield* TestClock.adjust("1 second")
      yield* Effect.scoped(
        Effect.flatMap(router.chatStream(TestRouter.request), ({ frames }) => Stream.runDrain(frames)),
      )
      yield* TestClock.adjust("1 second")
      const samples = yield* scrape
      const ofShadow = (outcome: string) =>
        samples.get(`understudy_shadow_requests_total{route="assistant",to="b",outcome="${outcome}"}`)
      assert.deepStrictEqual([ofShadow("success"), ofShadow("failure"), ofShadow("skipped")], [1, 1, undefined])
      assert.strictEqual(samples.get('understudy_requests_total{route="assistant",outcome="success",error=""}'), 2)
      assert.deepStrictEqual(
        [...samples.keys()].filter((series) => series.includes('route="b"')),
        [],
      )
      assert.strictEqual(samples.get('understudy_attempts_total{deployment="b",outcome="success",reason=""}'), 1)
      assert.strictEqual(samples.get('understudy_time_to_first_token_seconds_count{route="assistant"}'), 1)
    }).pipe(
      Effect.provide(
        withMetrics(
          TestRouter.layer(
            scripts({ a: [Testing.reply("Hi")], b: [Testing.reply("Hey"), Testing.fail({ _tag: "ServerError" })] }),
            { route: Route.to("a").pipe(Route.shadow({ to: "b", share: 1 })) },
          ),
        ),
      ),
    ),
  )

  it.effect("counts calls by route and attempts by deployment", () =>
    Effect.gen(function* () {
      yield* TestRouter.during("2 seconds", TestRouter.chat())
      const samples = yield* scrape
      const value = (series: string) => samples.get(series)
      assert.strictEqual(value('understudy_requests_total{route="assistant",outcome="success",error=""}'), 1)
      assert.strictEqual(value('understudy_attempts_total{deployment="a",outcome="failure",reason="overloaded"}'), 1)
      assert.strictEqual(value('understudy_attempts_total{deployment="b",outcome="success",reason=""}'), 1)
      assert.strictEqual(value('understudy_tokens_total{deployment="b",type="output"}'), 5)
      assert.strictEqual(value('understudy_unpriced_attempts_total{deployment="b"}'), 1)
      const duration = 'understudy_request_duration_seconds_bucket{route="assistant",outcome="success",le='
      assert.strictEqual(value(`${duration}"1"}`), 0)
      assert.strictEqual(value(`${duration}"2.5"}`), 1)
      assert.strictEqual(value('understudy_request_duration_seconds_sum{route="assistant",outcome="success"}'), 2)
    }).pipe(
      Effect.provide(
        withMetrics(
          TestRouter.layer(
            scripts({
              a: [Testing.fail({ _tag: "Overloaded" })],
              b: [Testing.reply("Hello", { after: "2 seconds" })],
              c: [Testing.hang()],
            }),
            { route },
          ),
        ),
      ),
    ),
  )

  it.effect("counts failed calls by the kind of their error", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      yield* Effect.flip(TestRouter.chat())
      yield* Effect.flip(Effect.scoped(router.chatStream(TestRouter.request)))
      const interrupted = Effect.flatMap(router.chatStream(TestRouter.request), ({ frames }) => Stream.runDrain(frames))
      yield* Effect.flip(Effect.scoped(interrupted))
      const samples = yield* scrape
      const failures = [...samples].filter(
        ([series, value]) => /^understudy_requests_total.*outcome="failure"/.test(series) && value > 0,
      )
      assert.deepStrictEqual(failures.toSorted(), [
        ['understudy_requests_total{route="assistant",outcome="failure",error="invalid_request"}', 1],
        ['understudy_requests_total{route="assistant",outcome="failure",error="stream_interrupted"}', 1],
        ['understudy_requests_total{route="assistant",outcome="failure",error="unavailable"}', 1],
      ])
    }).pipe(
      Effect.provide(
        withMetrics(
          TestRouter.layer(
            scripts({
              a: [
                Testing.fail({ _tag: "InvalidRequest" }),
                Testing.fail({ _tag: "Overloaded" }),
                Testing.fail({ _tag: "Network" }, { output: "Hel" }),
              ],
            }),
            { route: Route.fallback("a").pipe(Route.retry({ times: 0 })) },
          ),
        ),
      ),
    ),
  )

  it.effect("does not count attempts of unbilled deployments as unpriced", () =>
    Effect.gen(function* () {
      yield* TestRouter.chat()
      assert.isFalse((yield* scrape).has('understudy_unpriced_attempts_total{deployment="a"}'))
    }).pipe(
      Effect.provide(
        withMetrics(TestRouter.layer(scripts({ a: [Testing.reply("Hello")] })), { unbilled: new Set(["a"]) }),
      ),
    ),
  )

  it.effect("names the attempt that failed in a failover, not a candidate that was skipped after it", () =>
    Effect.gen(function* () {
      // The first call opens the circuit of b; in the second, a fails and b is skipped.
      yield* TestRouter.chat()
      yield* TestRouter.chat()
      const samples = yield* scrape
      const failovers = [...samples].filter(([series]) => series.startsWith("understudy_failovers_total"))
      assert.deepStrictEqual(failovers, [
        ['understudy_failovers_total{from="a",to="b",reason="overloaded"}', 1],
        ['understudy_failovers_total{from="b",to="c",reason="authentication"}', 1],
        ['understudy_failovers_total{from="a",to="c",reason="overloaded"}', 1],
      ])
      assert.strictEqual(samples.get('understudy_skips_total{deployment="b",reason="circuit_open"}'), 1)
    }).pipe(
      Effect.provide(
        withMetrics(
          TestRouter.layer(
            scripts({
              a: [Testing.fail({ _tag: "Overloaded" })],
              b: [Testing.fail({ _tag: "Authentication" })],
              c: [Testing.reply("Hello")],
            }),
            { route },
          ),
        ),
      ),
    ),
  )

  it.effect("sets the gauges of deployments when they are collected", () =>
    Effect.gen(function* () {
      const before = yield* scrape
      assert.strictEqual(before.get('understudy_circuit_state{deployment="a"}'), 0)
      assert.strictEqual(before.get('understudy_cooldown_seconds{deployment="b"}'), 0)
      yield* TestRouter.chat()
      yield* TestClock.adjust("10 seconds")
      const after = yield* scrape
      assert.strictEqual(after.get('understudy_circuit_state{deployment="a"}'), 2)
      assert.strictEqual(after.get('understudy_cooldown_seconds{deployment="a"}'), 0)
      assert.strictEqual(after.get('understudy_cooldown_seconds{deployment="b"}'), 10)
      assert.strictEqual(after.get('understudy_circuit_state{deployment="b"}'), 0)
      assert.strictEqual(after.get('understudy_attempts_in_flight{deployment="c"}'), 0)
    }).pipe(
      Effect.provide(
        withMetrics(
          TestRouter.layer(
            scripts({
              a: [Testing.fail({ _tag: "Authentication" })],
              b: [Testing.fail({ _tag: "RateLimited", retryAfter: Duration.seconds(20) })],
              c: [Testing.reply("Hello")],
            }),
            { route },
          ),
        ),
      ),
    ),
  )

  it.effect("has a value of 0 for what alerts count, before it happens first", () =>
    Effect.gen(function* () {
      const samples = yield* scrape
      for (const series of [
        'understudy_requests_total{route="assistant",outcome="failure",error="upstream"}',
        'understudy_attempts_total{deployment="a",outcome="failure",reason="authentication"}',
        'understudy_time_to_first_token_seconds_count{route="assistant"}',
      ]) {
        assert.strictEqual(samples.get(series), 0, series)
      }
    }).pipe(Effect.provide(withMetrics(TestRouter.layer(scripts({ a: [Testing.hang()] }))))),
  )

  const budget: Budget = { id: "day", scope: { type: "all" }, amount: 1, window: { unit: "day" }, atLimit: "refuse" }

  it.effect("shows what was spent of budgets, and removes the gauges of a budget that is no more", () =>
    Effect.gen(function* () {
      const { service, set } = yield* Budgets.makeMemory([budget])
      const BudgetsLive = Layer.succeed(Budgets.Budgets, service)
      const RouterLive = BudgetedRouter.layer.pipe(
        Layer.provide(
          TestRouter.layer(scripts({ a: [Testing.reply("Hello")] }), {
            deployment: { price: { input: 0, output: 120_000 } },
          }),
        ),
        Layer.provideMerge(BudgetsLive),
      )
      yield* Effect.gen(function* () {
        yield* Effect.flatMap(Router.Router, (router) =>
          router.chat({ ...TestRouter.request, sampling: { maxTokens: 8 } }),
        )
        const samples = yield* scrape
        assert.strictEqual(samples.get('understudy_budget_spent_usd{budget="day"}'), 0.6)
        assert.strictEqual(samples.get('understudy_budget_amount_usd{budget="day"}'), 1)
        assert.strictEqual(samples.get('understudy_budget_reserved_usd{budget="day"}'), 0)
        assert.strictEqual(samples.get('understudy_budget_alerts_total{budget="day",share="0.5"}'), 1)
        assert.strictEqual(samples.get('understudy_budget_alerts_total{budget="day",share="1"}'), 0)
        yield* set([])
        const without = yield* scrape
        assert.isFalse(without.has('understudy_budget_spent_usd{budget="day"}'))
        assert.isTrue(without.has('understudy_budget_alerts_total{budget="day",share="0.5"}'))
      }).pipe(Effect.provide(withMetrics(RouterLive)))
    }),
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Cooldown from "../../src/policy/Cooldown.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const ask: Chat.Request = { model: "assistant", messages: [Chat.user("Hello")] }

const chat = Effect.flatMap(Router.Router, (router) => router.chat(ask))

/** Who answered, and who was skipped for which reason and for how long. */
const answered = Effect.map(chat, ({ receipt }) => [
  receipt.deployment,
  ...receipt.skipped.map(({ deployment, reason }) => [
    deployment,
    reason._tag,
    "retryAfter" in reason ? reason.retryAfter : undefined,
  ]),
])

const limited = (retryAfter?: Duration.Duration): Testing.Outcome =>
  Testing.fail({ _tag: "RateLimited", retryAfter } as Reason)

const routed = (
  outcomes: readonly [Testing.Outcome, ...ReadonlyArray<Testing.Outcome>],
  options: Partial<Deployment.Options> = {},
) => {
  const primary = Testing.script(outcomes)
  const backup = Testing.script([Testing.reply("Hi")])
  const layer = Router.layer({
    deployments: {
      primary: Deployment.make({ model: "p", provider: primary.layer, retry: { times: 0 }, ...options }),
      backup: Deployment.make({ model: "b", provider: backup.layer }),
    },
    routes: { assistant: Route.fallback("primary", "backup") },
  })
  return { primary, layer }
}

describe("cooldown.max", () => {
  for (const [named, wait] of [
    ["an hour", Duration.hours(1)],
    ["years", Duration.days(4000)],
    ["for ever", Duration.infinity],
  ] as const) {
    it.effect(`bounds a requested wait of ${named} to the circuit's max, after which one call probes`, () => {
      const { layer, primary } = routed([limited(wait), Testing.reply("Back", { after: "1 second" })])
      return Effect.gen(function* () {
        assert.deepStrictEqual(yield* answered, ["backup"])
        assert.deepStrictEqual(yield* answered, ["backup", ["primary", "CoolingDown", 30_000]])
        yield* TestClock.adjust("29 seconds")
        assert.deepStrictEqual(yield* answered, ["backup", ["primary", "CoolingDown", 1000]])
        yield* TestClock.adjust("1 second")
        const probe = yield* Effect.forkChild(chat, { startImmediately: true })
        assert.deepStrictEqual(yield* answered, ["backup", ["primary", "CoolingDown", 30_000]])
        assert.strictEqual(primary.requests.length, 2, "one probe")
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(probe)).receipt.deployment, "primary")
        const after = yield* Effect.forkChild(chat, { startImmediately: true })
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(after)).receipt.deployment, "primary", "an answer ends it for all")
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("starts a new cooldown when the probe is rate limited again", () => {
    const { layer, primary } = routed([limited(Duration.hours(1)), limited(Duration.seconds(4)), Testing.reply("Back")])
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* answered, ["backup"])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* answered, ["backup"])
      assert.deepStrictEqual(yield* answered, ["backup", ["primary", "CoolingDown", 4000]])
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* answered, ["primary"])
      assert.strictEqual(primary.requests.length, 3)
    }).pipe(Effect.provide(layer))
  })

  it.effect("lets the next call probe when a probe was inconclusive", () => {
    const { layer } = routed([limited(Duration.hours(1)), Testing.fail({ _tag: "Network" }), Testing.reply("Back")])
    return Effect.gen(function* () {
      yield* answered
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* answered, ["backup"])
      assert.deepStrictEqual(yield* answered, ["primary"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("lets the next call probe when the client of the probe disconnected", () => {
    const { layer } = routed([limited(Duration.hours(1)), Testing.hang(), Testing.reply("Back")])
    return Effect.gen(function* () {
      yield* answered
      yield* TestClock.adjust("30 seconds")
      const probe = yield* Effect.forkChild(chat, { startImmediately: true })
      yield* Fiber.interrupt(probe)
      assert.deepStrictEqual(yield* answered, ["primary"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("admits all calls after a requested wait within the bound", () => {
    const { layer, primary } = routed([limited(Duration.minutes(2)), Testing.reply("Back", { after: "1 second" })], {
      cooldown: { max: "10 minutes" },
    })
    return Effect.gen(function* () {
      yield* answered
      yield* TestClock.adjust("119 seconds")
      assert.deepStrictEqual(yield* answered, ["backup", ["primary", "CoolingDown", 1000]])
      yield* TestClock.adjust("1 second")
      const calls = yield* Effect.forkChild(Effect.all([chat, chat, chat], { concurrency: "unbounded" }), {
        startImmediately: true,
      })
      assert.strictEqual(primary.requests.length, 4)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(calls)
    }).pipe(Effect.provide(layer))
  })

  it.effect("defaults to the circuit's max, and is shown by explain", () =>
    Effect.gen(function* () {
      const explain = (options: Partial<Deployment.Options>) =>
        Effect.provide(
          Effect.gen(function* () {
            const explanation = yield* (yield* Router.Router).explain(ask)
            const [primary] = Explain.candidates(explanation.plan)
            return [
              primary?.policies.cooldown.max,
              Explain.lines(explanation)
                .find((line) => /cools/.test(line))
                ?.trim(),
            ]
          }),
          routed([Testing.reply("")], options).layer,
        )
      assert.deepStrictEqual(yield* explain({}), [30_000, undefined])
      assert.deepStrictEqual(yield* explain({ circuit: { max: "2 minutes" } }), [120_000, undefined])
      assert.deepStrictEqual(yield* explain({ cooldown: { max: "1 hour" } }), [
        3_600_000,
        "cools down for at most 1h before a call probes",
      ])
    }),
  )

  it.effect("reports a Retry-After of at most a day to the caller", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.flatMap(Router.Router, (router) => router.chat({ ...ask, model: "primary" })),
      )
      assert.strictEqual(error.kind, "RateLimited")
      assert.strictEqual(error.retryAfter, 86_400_000)
    }).pipe(Effect.provide(routed([limited(Duration.infinity)]).layer)),
  )
})

describe("Cooldown.of", () => {
  it("bounds the requested wait to a day", () => {
    const day = 86_400_000
    assert.deepStrictEqual(Cooldown.of(5000, 30_000, 100), { until: 5100, requestedUntil: 5100 })
    assert.deepStrictEqual(Cooldown.of(60_000, 30_000, 100), { until: 30_100, requestedUntil: 60_100 })
    assert.deepStrictEqual(Cooldown.of(Infinity, Infinity, 100), { until: day + 100, requestedUntil: day + 100 })
    assert.deepStrictEqual(Cooldown.of(Number.NaN, 30_000, 100), { until: 100, requestedUntil: 100 })
  })
})

describe("Router.reset", () => {
  it.effect("ends a cooldown", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      yield* answered
      assert.strictEqual((yield* router.status)[0]?.retryAfter, 30_000)
      yield* router.reset("primary")
      assert.strictEqual((yield* router.status)[0]?.retryAfter, 0)
      assert.deepStrictEqual(yield* answered, ["primary"])
    }).pipe(Effect.provide(routed([limited(Duration.hours(1)), Testing.reply("Back")]).layer)),
  )

  for (const reason of ["Authentication", "QuotaExhausted", "ModelNotFound", "Permission"] as const) {
    it.effect(`closes a circuit that ${reason} opened, and resets its open duration`, () =>
      Effect.gen(function* () {
        const router = yield* Router.Router
        yield* answered
        assert.deepStrictEqual(yield* answered, ["backup", ["primary", "CircuitOpen", 300_000]])
        yield* router.reset("primary")
        const [status] = yield* router.status
        assert.deepStrictEqual([status?.circuit, status?.retryAfter], ["closed", 0])
        assert.deepStrictEqual(yield* answered, ["primary"])
        yield* answered
        assert.deepStrictEqual(yield* answered, ["backup", ["primary", "CircuitOpen", 5000]])
      }).pipe(
        Effect.provide(
          routed([Testing.fail({ _tag: reason }), Testing.reply("Back"), Testing.fail({ _tag: "Overloaded" })], {
            circuit: { failures: 1 },
          }).layer,
        ),
      ),
    )
  }

  it.effect("ignores the outcome of a call that was running", () => {
    const { layer } = routed([Testing.fail({ _tag: "Permission" }, { after: "1 second" }), Testing.reply("Back")])
    return Effect.gen(function* () {
      const late = yield* Effect.forkChild(chat, { startImmediately: true })
      yield* Effect.flatMap(Router.Router, (router) => router.reset("primary"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(late)
      assert.deepStrictEqual(yield* answered, ["primary"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("fails for an unknown deployment, and lists the known ones", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      for (const name of ["assistant", "primry"]) {
        const error = yield* Effect.flip(router.reset(name))
        assert.strictEqual(error.kind, "ModelNotFound")
        assert.match(error.message, /primary, backup/)
      }
    }).pipe(Effect.provide(routed([Testing.reply("Hi")]).layer)),
  )
})

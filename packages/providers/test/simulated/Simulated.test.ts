import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Deployment from "@understudy/core/Deployment"
import type { Provider } from "@understudy/core/Provider"
import * as Route from "@understudy/core/Route"
import * as Router from "@understudy/core/Router"
import * as Simulated from "@understudy/providers/simulated"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { failure, watch } from "./watch.ts"

const ask: Chat.Request = { model: "m", messages: [Chat.user("Why is the sky blue?")] }

const six = "one two three four five six"

/** What became of a plain call, and after how long. */
const timed = (provider: Provider["Service"], request = ask) =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const result = yield* Effect.result(provider.chat(request))
    const millis = (yield* Clock.currentTimeMillis) - startedAt
    return result._tag === "Success"
      ? { millis, text: Chat.text(result.success) }
      : { millis, reason: result.failure.reason._tag, status: result.failure.status }
  })

describe("time", () => {
  it.effect("answers at once where nothing is said of time", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make({ reply: six })
      assert.strictEqual(Chat.text(yield* provider.chat(ask)), six)
      const frames = yield* Stream.runCollect(Stream.chunks(provider.stream(ask)))
      assert.strictEqual(frames.length, 1, "what is due together comes together")
    }),
  )

  it.effect("gives a plain answer after its latency", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make({ latency: "2 seconds", reply: six })
      const fiber = yield* Effect.forkChild(timed(provider))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { millis: 2000, text: six })
    }),
  )

  it.effect("streams the first token when it says, and the others at its pace", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make({ firstToken: "300 millis", tokenDelay: "50 millis", reply: six })
      const seen = yield* watch(provider.stream(ask))
      yield* TestClock.adjust("299 millis")
      assert.deepStrictEqual(seen.tokens, [])
      yield* TestClock.adjust("1 milli")
      assert.deepStrictEqual(seen.tokens, ["one"])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(seen.fiber)
      assert.deepStrictEqual(seen.times, [300, 350, 400, 450, 500, 550])
      assert.strictEqual(seen.tokens.join(""), six)
    }),
  )

  it.effect("counts the latency as the first token's where no other is said", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make({ latency: "1 second", reply: "one" })
      const seen = yield* watch(provider.stream(ask))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(seen.fiber)
      assert.deepStrictEqual(seen.times, [1000])
    }),
  )

  it.effect("gives a slow reader together what came due meanwhile", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make({ tokenDelay: "10 millis", reply: six })
      const sizes: Array<number> = []
      const fiber = yield* Stream.chunks(provider.stream(ask)).pipe(
        Stream.runForEach((chunk) => {
          sizes.push(chunk.length)
          return Effect.sleep("25 millis")
        }),
        Effect.forkChild,
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      // The start and a token; two tokens; three; and the finish and the usage beside the last.
      assert.deepStrictEqual(sizes, [2, 2, 5])
    }),
  )

  it.effect("stops at once when it is interrupted", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make({ tokenDelay: "1 hour", reply: six })
      const seen = yield* watch(provider.stream(ask))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.interrupt(seen.fiber)
      assert.deepStrictEqual(seen.tokens, ["one", " two"])
    }),
  )
})

describe("failing on demand", () => {
  it.effect("fails every call with its status, after its latency, with what it says of coming back", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make({
        name: "primary",
        status: 429,
        retryAfter: "7 seconds",
        latency: "100 millis",
      })
      const fiber = yield* Effect.forkChild(Effect.flip(provider.chat(ask)))
      yield* TestClock.adjust("99 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 milli")
      const error = yield* Fiber.join(fiber)
      assert.deepStrictEqual(error.reason, { _tag: "RateLimited", retryAfter: Duration.seconds(7) })
      assert.strictEqual(error.status, 429)
      assert.strictEqual(error.message, "primary (simulated) failed with status 429")
    }),
  )

  it.effect("means by a status what vendors mean", () =>
    Effect.gen(function* () {
      const reasons = yield* Effect.forEach(
        [400, 401, 402, 403, 404, 408, 413, 429, 500, 502, 503, 504, 529],
        (status) =>
          Effect.gen(function* () {
            const { provider } = yield* Simulated.make({ status })
            const error = yield* Effect.flip(Stream.runDrain(provider.stream(ask)))
            return [status, error.reason._tag] as const
          }),
      )
      assert.deepStrictEqual(reasons, [
        [400, "InvalidRequest"],
        [401, "Authentication"],
        [402, "QuotaExhausted"],
        [403, "Permission"],
        [404, "ModelNotFound"],
        [408, "Timeout"],
        [413, "InvalidRequest"],
        [429, "RateLimited"],
        [500, "ServerError"],
        [502, "ServerError"],
        [503, "Overloaded"],
        [504, "Timeout"],
        [529, "Overloaded"],
      ])
    }),
  )

  it.effect("fails a share of the calls, the same ones for the same seed", () =>
    Effect.gen(function* () {
      const run = Effect.fnUntraced(function* (seed: number, failureRate: number) {
        const { provider } = yield* Simulated.make({ seed, failureRate, reply: "ok" })
        const outcomes = yield* Effect.forEach(Array.from({ length: 400 }), () => timed(provider))
        return outcomes.map(({ status }) => status ?? 200)
      })
      const outcomes = yield* run(7, 0.25)
      assert.deepStrictEqual(yield* run(7, 0.25), outcomes)
      assert.notDeepEqual(yield* run(8, 0.25), outcomes)
      const failed = outcomes.filter((status) => status === 500).length
      assert.isTrue(failed > 75 && failed < 125, `${failed} of 400`)
      assert.deepStrictEqual([...new Set(yield* run(7, 0))], [200])
      assert.deepStrictEqual([...new Set(yield* run(7, 1))], [500])
      const more = yield* run(7, 0.5)
      assert.isTrue(
        outcomes.every((status, call) => status === 200 || more[call] === 500),
        "a higher rate fails those that a lower one fails, and others",
      )
    }),
  )

  it.effect("breaks a stream after so many tokens, and leaves a plain answer whole", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make({
        name: "primary",
        disconnectAfterTokens: 3,
        tokenDelay: "10 millis",
        reply: six,
      })
      const seen = yield* watch(provider.stream(ask))
      yield* TestClock.adjust("30 millis")
      const error = yield* failure(seen)
      assert.deepStrictEqual(error.reason, { _tag: "Network" })
      assert.strictEqual(error.message, "primary (simulated) broke off after 3 tokens")
      assert.deepStrictEqual(seen.tokens, ["one", " two", " three"])
      assert.strictEqual(Chat.text(yield* provider.chat(ask)), six)
    }),
  )

  it.effect("breaks a stream before its first token, and before its finish", () =>
    Effect.gen(function* () {
      const cut = Effect.fnUntraced(function* (disconnectAfterTokens: number) {
        const { provider } = yield* Simulated.make({ disconnectAfterTokens: disconnectAfterTokens, reply: six })
        const seen = yield* watch(provider.stream(ask))
        const exit = yield* Effect.result(Fiber.join(seen.fiber))
        return [exit._tag, seen.tokens.length]
      })
      assert.deepStrictEqual(yield* cut(0), ["Failure", 0])
      assert.deepStrictEqual(yield* cut(6), ["Failure", 6])
      assert.deepStrictEqual(yield* cut(7), ["Success", 6])
    }),
  )

  it.effect("falls silent after so many tokens", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make({ stallAfterTokens: 2, reply: six })
      const seen = yield* watch(provider.stream(ask))
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(seen.tokens, ["one", " two"])
      assert.isUndefined(seen.fiber.pollUnsafe())
    }),
  )

  it.effect("cannot be reached in its outage, counted from its start", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const { provider } = yield* Simulated.make({ outage: { from: "10 seconds", for: "5 seconds" }, reply: "ok" })
      const down = { millis: 0, reason: "Network" as const, status: undefined }
      const up = { millis: 0, text: "ok" }
      assert.deepStrictEqual(yield* timed(provider), up)
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(yield* timed(provider), up)
      yield* TestClock.adjust("1 milli")
      assert.deepStrictEqual(yield* timed(provider), down)
      yield* TestClock.adjust("4999 millis")
      assert.deepStrictEqual(yield* timed(provider), down)
      yield* TestClock.adjust("1 milli")
      assert.deepStrictEqual(yield* timed(provider), up)
    }),
  )

  it.effect("breaks what is under way when its outage begins", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make({
        outage: { from: "100 millis", for: "1 second" },
        latency: "1 minute",
        firstToken: "0 millis",
        tokenDelay: "40 millis",
        reply: six,
      })
      const plain = yield* Effect.forkChild(timed(provider))
      const seen = yield* watch(provider.stream(ask))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* failure(seen)).message, "simulated (simulated) broke off after 3 tokens")
      assert.deepStrictEqual(yield* Fiber.join(plain), { millis: 100, reason: "Network", status: undefined })
    }),
  )
})

describe("breaking and mending", () => {
  it.effect("breaks a stream under way, refuses the next calls, and answers again once mended", () =>
    Effect.gen(function* () {
      const { control, provider } = yield* Simulated.make({ tokenDelay: "10 millis", reply: six })
      const seen = yield* watch(provider.stream(ask))
      yield* TestClock.adjust("15 millis")
      yield* control.inject({ status: 503 })
      const error = yield* failure(seen)
      assert.deepStrictEqual(error.reason, { _tag: "Network" })
      assert.deepStrictEqual(seen.tokens, ["one", " two"])
      assert.deepStrictEqual(yield* timed(provider), { millis: 0, reason: "Overloaded", status: 503 })
      assert.deepStrictEqual(yield* control.fault, { status: 503 })
      yield* control.reset
      assert.deepStrictEqual(yield* control.fault, {})
      assert.deepStrictEqual(yield* timed(provider), { millis: 0, text: six })
    }),
  )

  it.effect("fails with the status what has not begun to answer", () =>
    Effect.gen(function* () {
      const { control, provider } = yield* Simulated.make({ latency: "1 minute", reply: six })
      const plain = yield* Effect.forkChild(timed(provider))
      const seen = yield* watch(provider.stream(ask))
      yield* TestClock.adjust("1 second")
      yield* control.inject({ status: 500 })
      assert.deepStrictEqual(yield* Fiber.join(plain), { millis: 1000, reason: "ServerError", status: 500 })
      assert.strictEqual((yield* failure(seen)).status, 500)
    }),
  )

  it.effect("changes the pace, the cut and the stall of a stream under way", () =>
    Effect.gen(function* () {
      const { control, provider } = yield* Simulated.make({ tokenDelay: "100 millis", reply: six })
      const seen = yield* watch(provider.stream(ask))
      yield* TestClock.adjust("150 millis")
      yield* control.inject({ stallAfterTokens: 3 })
      yield* TestClock.adjust("850 millis")
      assert.deepStrictEqual(seen.times, [0, 100, 200])
      yield* control.inject({ tokenDelay: Duration.millis(10), disconnectAfterTokens: 5 })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen.times, [0, 100, 200, 1010, 1020], "silence is not made up for in a burst")
      assert.strictEqual((yield* failure(seen)).message, "simulated (simulated) broke off after 5 tokens")
    }),
  )

  it.effect("is slow for streams too when only the latency is broken", () =>
    Effect.gen(function* () {
      const { control, provider } = yield* Simulated.make({ firstToken: "10 millis", reply: "one" })
      yield* control.inject({ latency: Duration.seconds(2) })
      const seen = yield* watch(provider.stream(ask))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(seen.fiber)
      assert.deepStrictEqual(seen.times, [2000])
    }),
  )

  it.effect("can be down for a while and come back by itself, and be spared its configured outage", () =>
    Effect.gen(function* () {
      const { control, provider } = yield* Simulated.make({ outage: { from: "1 hour", for: "1 hour" }, reply: "ok" })
      const says = Effect.map(timed(provider), ({ reason, text }) => reason ?? text)
      yield* TestClock.adjust("30 minutes")
      yield* control.inject({ outage: { for: Duration.seconds(30) } })
      assert.strictEqual(yield* says, "Network")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* says, "ok")
      yield* control.inject({ outage: true })
      assert.strictEqual(yield* says, "Network")
      yield* TestClock.adjust("1 hour")
      yield* control.inject({ outage: false })
      assert.strictEqual(yield* says, "ok")
      yield* control.reset
      assert.strictEqual(yield* says, "Network")
    }),
  )

  it.effect("fails a share of the calls while it is half broken, and none of those under way", () =>
    Effect.gen(function* () {
      const { control, provider } = yield* Simulated.make({
        tokenDelay: "10 millis",
        reply: six,
        status: 503,
        failureRate: 0,
      })
      const seen = yield* watch(provider.stream(ask))
      yield* control.inject({ failureRate: 0.5 })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(seen.fiber)
      const outcomes = yield* Effect.forEach(Array.from({ length: 40 }), () => timed(provider))
      assert.deepStrictEqual(new Set(outcomes.map(({ status }) => status)), new Set([undefined, 503]))
    }),
  )
})

describe("the registry", () => {
  it.effect("breaks a deployment by its name, and another answers", () =>
    Effect.gen(function* () {
      const registry = yield* Simulated.SimulatedRegistry
      const router = yield* Router.Router
      const answeredBy = Effect.map(router.chat(ask), ({ receipt }) => receipt.deployment)
      assert.strictEqual(yield* answeredBy, "primary")
      assert.deepStrictEqual(yield* registry.send("primary", { status: 401 }), { status: 401 })
      assert.strictEqual(yield* answeredBy, "backup")
      yield* registry.send("backup", { outage: true })
      assert.strictEqual((yield* Effect.flip(router.chat({ ...ask, model: "backup" })))._tag, "RouterError")
      assert.deepStrictEqual(yield* registry.send("backup", {}), {})
      assert.strictEqual(yield* answeredBy, "backup")
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            primary: Deployment.make({ model: "p", provider: Simulated.layer({ name: "primary" }) }),
            backup: Deployment.make({ model: "b", provider: Simulated.layer({ name: "backup" }), retry: { times: 0 } }),
          },
          routes: { m: Route.fallback("primary", "backup") },
        }).pipe(Layer.provideMerge(Simulated.layerRegistry)),
      ),
    ),
  )

  it.effect("knows a deployment for as long as its layer lives, and names those it knows", () =>
    Effect.gen(function* () {
      const registry = yield* Simulated.SimulatedRegistry
      const { control } = yield* Simulated.make({ name: "a" })
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* registry.register(control)
          assert.deepStrictEqual(yield* registry.names, ["a"])
          const error = yield* Effect.flip(registry.send("b", {}))
          assert.strictEqual(error.message, "no simulated deployment is named `b`; running: a")
        }),
      )
      const error = yield* Effect.flip(registry.send("a", {}))
      assert.strictEqual(error.message, "no simulated deployment is named `a`; none is running")
    }).pipe(Effect.provide(Simulated.layerRegistry)),
  )

  it.effect("leaves a deployment as it is when the body is no fault", () =>
    Effect.gen(function* () {
      const registry = yield* Simulated.SimulatedRegistry
      const { control } = yield* Simulated.make({ name: "a" })
      yield* registry.register(control)
      assert.deepStrictEqual(yield* registry.send("a", { latency: "2s" }), { latency: "2s" })
      yield* registry.send("a", { disconnectAfterTokens: 1 })
      const error = yield* Effect.flip(registry.send("a", { status: 42 }))
      assert.strictEqual(error._tag, "InvalidFault")
      assert.deepStrictEqual(yield* control.fault, { disconnectAfterTokens: 1 })
    }).pipe(Effect.provide(Simulated.layerRegistry)),
  )

  it.effect("keeps the newer of two with one name when the older goes", () =>
    Effect.gen(function* () {
      const registry = yield* Simulated.SimulatedRegistry
      const older = yield* Simulated.make({ name: "a" })
      const newer = yield* Simulated.make({ name: "a" })
      const scope = yield* Scope.make()
      yield* Scope.provide(registry.register(older.control), scope)
      yield* registry.register(newer.control)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* registry.control("a"), newer.control)
    }).pipe(Effect.provide(Simulated.layerRegistry)),
  )
})

import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import { LatencyTracker } from "../../src/deployment/Health.ts"
import * as Health from "../../src/deployment/Health.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const ask: Chat.Request = { model: "quick", messages: [Chat.user("Hello?")] }

/** A race of two or three, the next starting after 100 ms; nobody retries unless told to. */
const racing = (
  racers: Record<string, Testing.Scripted>,
  hedge: Route.Hedging = { after: "100 millis" },
  options: Partial<Deployment.Options> = { retry: { times: 0 } },
) => {
  const [first = "", ...others] = Object.keys(racers)
  return Router.layer({
    deployments: Object.fromEntries(
      Object.entries(racers).map(([name, { layer }]) => [
        name,
        Deployment.make({ model: name, provider: layer, ...options }),
      ]),
    ),
    routes: { quick: Route.hedge({ ...hedge, across: [first, ...others] }) },
  })
}

const chat = Effect.flatMap(Router.Router, (router) => router.chat(ask))

const outcomes = ({ attempts }: Router.Answer["receipt"]) =>
  attempts.map(({ deployment, outcome, reason }) => [deployment, outcome, ...(reason === undefined ? [] : [reason])])

/** Runs `self` while that much time passes. */
const during = <A, E, R>(time: Duration.Input, self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(self)
    yield* TestClock.adjust(time)
    return yield* Fiber.join(fiber)
  })

describe("hedge", () => {
  it.effect("asks nobody else while the first answers in time", () => {
    const slow = Testing.script([Testing.reply("first", { after: "90 millis" })])
    const other = Testing.script([Testing.reply("second")])
    return Effect.gen(function* () {
      const { receipt } = yield* during("90 millis", chat)
      assert.strictEqual(receipt.deployment, "slow")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(other.requests.length, 0)
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("starts the second after the delay; the first to answer wins, the other is interrupted", () => {
    const slow = Testing.script([Testing.hang()])
    const other = Testing.script([Testing.reply("second", { after: "50 millis" })])
    return Effect.gen(function* () {
      const { receipt, response } = yield* during("150 millis", chat)
      assert.strictEqual(Chat.text(response), "second")
      assert.deepStrictEqual(outcomes(receipt), [
        ["other", "success"],
        ["slow", "cancelled"],
      ])
      assert.strictEqual(receipt.deployment, "other")
      assert.deepStrictEqual([slow.inFlight(), other.inFlight()], [0, 0])
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("lets the first win even after the second has started", () => {
    const slow = Testing.script([Testing.reply("first", { after: "120 millis" })])
    const other = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const { receipt } = yield* during("120 millis", chat)
      assert.strictEqual(receipt.deployment, "slow")
      assert.strictEqual(other.inFlight(), 0)
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("counts one answer where two come at the same moment", () => {
    const one = Testing.script([Testing.reply("one", { after: "150 millis" })])
    const two = Testing.script([Testing.reply("two", { after: "50 millis" })])
    return Effect.gen(function* () {
      const { receipt, response } = yield* during("150 millis", chat)
      assert.strictEqual(receipt.attempts.filter(({ outcome }) => outcome === "success").length, 1)
      assert.strictEqual(receipt.deployment, Chat.text(response))
      assert.strictEqual(receipt.attempts.length, 2)
    }).pipe(Effect.provide(racing({ one, two })))
  })

  it.effect("starts the next at once when one has failed, and fails when all have", () => {
    const bad = Testing.script([Testing.fail({ _tag: "Overloaded" })])
    const worse = Testing.script([Testing.fail({ _tag: "Network" })])
    const good = Testing.script([Testing.reply("third")])
    return Effect.gen(function* () {
      const { receipt } = yield* Effect.provide(chat, racing({ bad, worse, good }))
      assert.deepStrictEqual(outcomes(receipt), [
        ["bad", "failure", "Overloaded"],
        ["worse", "failure", "Network"],
        ["good", "success"],
      ])
      const error = yield* Effect.provide(Effect.flip(chat), racing({ bad, worse }))
      assert.strictEqual(error.receipt?.attempts.length, 2)
    })
  })

  it.effect("starts the next while one waits to be retried, and takes whoever answers", () => {
    const flaky = Testing.script([Testing.fail({ _tag: "Overloaded" }), Testing.reply("again")])
    const other = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(chat)
      yield* TestClock.adjust("100 millis")
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(other.requests.length, 1)
      yield* TestClock.adjust("2 seconds")
      const { receipt } = yield* Fiber.join(fiber)
      assert.strictEqual(receipt.deployment, "flaky")
      assert.strictEqual(flaky.requests.length, 2)
      assert.strictEqual(other.inFlight(), 0)
    }).pipe(Effect.provide(racing({ flaky, other }, { after: "1 minute" }, { retry: { times: 2 } })))
  })

  it.effect("ends with the caller's own fault, and interrupts the rest", () => {
    const slow = Testing.script([Testing.hang()])
    const other = Testing.script([Testing.fail({ _tag: "InvalidRequest" })])
    return Effect.gen(function* () {
      const error = yield* during("100 millis", Effect.flip(chat))
      assert.strictEqual(error.kind, "InvalidRequest")
      assert.strictEqual(slow.inFlight(), 0)
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("commits one stream: the first with real output; nothing of the other is shown", () => {
    const slow = Testing.script([Testing.reply(["s", "low"], { after: "200 millis" })])
    const other = Testing.script([Testing.reply(["quick", "ly"], { after: "20 millis", tokenDelay: "150 millis" })])
    return Effect.gen(function* () {
      const parts = yield* during("1 second", Stream.runCollect(Router.stream(ask)))
      assert.strictEqual(parts.map((part) => (part.type === "text" ? part.text : "")).join(""), "slow")
      assert.deepStrictEqual([slow.inFlight(), other.inFlight()], [0, 0])
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("settles a stream's receipt by the winner, and lets none live longer than its call", () => {
    const slow = Testing.script([Testing.hang({ output: "" })])
    const other = Testing.script([Testing.reply(["quick", "ly"], { tokenDelay: "10 millis" })])
    return Effect.gen(function* () {
      const { receipt } = yield* during(
        "1 second",
        Effect.scoped(
          Effect.gen(function* () {
            const router = yield* Router.Router
            const streaming = yield* router.chatStream(ask)
            assert.strictEqual(slow.inFlight(), 0)
            yield* Stream.runDrain(streaming.frames)
            return streaming
          }),
        ),
      )
      assert.strictEqual(receipt.outcome, "success")
      assert.deepStrictEqual(outcomes(receipt), [
        ["slow", "cancelled"],
        ["other", "success"],
      ])
      const router = yield* Router.Router
      assert.deepStrictEqual(
        (yield* router.status).map(({ inFlight }) => inFlight),
        [0, 0],
      )
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("tells of who is asked beside another, and of who is asked instead", () => {
    const slow = Testing.script([Testing.hang()])
    const bad = Testing.script([Testing.fail({ _tag: "Overloaded" })])
    const good = Testing.script([Testing.reply("third")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const told: Array<string> = []
      yield* router.subscribe((event) => {
        if (event._tag === "Hedged" || event._tag === "Failover") told.push(`${event._tag}: ${event.from}, ${event.to}`)
      })
      yield* during("100 millis", chat)
      assert.deepStrictEqual(told, ["Hedged: slow, bad", "Failover: bad, good"])
    }).pipe(Effect.scoped, Effect.provide(racing({ slow, bad, good })))
  })

  it.effect("hedges a share of the traffic, and is a plain fallback beyond it", () => {
    const slow = Testing.script([Testing.reply("first", { after: "150 millis" })])
    const other = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      for (let call = 0; call < 30; call++) yield* during("150 millis", chat)
      assert.strictEqual(slow.requests.length, 30)
      assert.strictEqual(other.requests.length, 10, "never fewer than ten a minute")
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("does not hedge at all with a budget of 0, but falls back", () => {
    const slow = Testing.script([Testing.fail({ _tag: "Network" }, { after: "150 millis" })])
    const other = Testing.script([Testing.reply("second")])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(chat)
      yield* TestClock.adjust("149 millis")
      assert.strictEqual(other.requests.length, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).receipt.deployment, "other")
    }).pipe(Effect.provide(racing({ slow, other }, { after: "100 millis", budget: 0 })))
  })

  it.effect("gives everything back when the caller goes away", () => {
    const one = Testing.script([Testing.hang()])
    const two = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(chat)
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual([one.inFlight(), two.inFlight()], [1, 1])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([one.inFlight(), two.inFlight()], [0, 0])
    }).pipe(Effect.provide(racing({ one, two })))
  })
})

describe("Hedge.delay", () => {
  it("is the quantile of what the deployment was seen to take, once enough was seen", () => {
    const health = new LatencyTracker()
    assert.strictEqual(Health.delay("p95", health, false), 1000)
    for (let millis = 1; millis <= 100; millis++) health.recordLatency(millis)
    assert.strictEqual(Health.delay("p50", health, false), 68, "of the latest 64")
    assert.strictEqual(Health.delay("p95", health, false), 97)
    assert.strictEqual(Health.delay("p95", health, true), 1000, "streams are timed by their first output")
    assert.strictEqual(Health.delay("2 seconds", health, false), 2000)
  })
})

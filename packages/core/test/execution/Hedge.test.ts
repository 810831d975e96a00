import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import type * as Deployment from "../../src/deployment/Deployment.ts"
import { LatencyTracker } from "../../src/deployment/Health.ts"
import * as Health from "../../src/deployment/Health.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"
import { chat, during, layer, request, textOf } from "../support/TestRouter.ts"

/** A race in which the next deployment starts after 100 ms, without retries unless given. */
const racing = (
  racers: Record<string, Testing.Scripted>,
  hedge: Route.Hedging = { after: "100 millis" },
  deployment: Partial<Deployment.Options> = { retry: { times: 0 } },
) => {
  const [first = "", ...others] = Object.keys(racers)
  return layer(racers, { route: Route.hedge({ ...hedge, across: [first, ...others] }), deployment })
}

const outcomes = ({ attempts }: Router.Answer["receipt"]) =>
  attempts.map(({ deployment, outcome, reason }) => [deployment, outcome, ...(reason === undefined ? [] : [reason])])

describe("Hedge", () => {
  it.effect("starts no second attempt when the first answers before the delay", () => {
    const slow = Testing.script([Testing.reply("first", { after: "90 millis" })])
    const other = Testing.script([Testing.reply("second")])
    return Effect.gen(function* () {
      const { receipt } = yield* during("90 millis", chat())
      assert.strictEqual(receipt.deployment, "slow")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(other.requests.length, 0)
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("starts the second after the delay, and interrupts the slower one", () => {
    const slow = Testing.script([Testing.hang()])
    const other = Testing.script([Testing.reply("second", { after: "50 millis" })])
    return Effect.gen(function* () {
      const { receipt, response } = yield* during("150 millis", chat())
      assert.strictEqual(Chat.text(response), "second")
      assert.deepStrictEqual(outcomes(receipt), [
        ["other", "success"],
        ["slow", "cancelled"],
      ])
      assert.strictEqual(receipt.deployment, "other")
      assert.deepStrictEqual([slow.inFlight(), other.inFlight()], [0, 0])
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("gives the answer of the first if it answers before the second", () => {
    const slow = Testing.script([Testing.reply("first", { after: "120 millis" })])
    const other = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const { receipt } = yield* during("120 millis", chat())
      assert.strictEqual(receipt.deployment, "slow")
      assert.strictEqual(other.inFlight(), 0)
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("takes one of two answers that arrive together", () => {
    const one = Testing.script([Testing.reply("one", { after: "150 millis" })])
    const two = Testing.script([Testing.reply("two", { after: "50 millis" })])
    return Effect.gen(function* () {
      const { receipt, response } = yield* during("150 millis", chat())
      assert.strictEqual(receipt.attempts.filter(({ outcome }) => outcome === "success").length, 1)
      assert.strictEqual(receipt.deployment, Chat.text(response))
      assert.strictEqual(receipt.attempts.length, 2)
    }).pipe(Effect.provide(racing({ one, two })))
  })

  it.effect("starts the next at once when one fails, and fails when all have failed", () => {
    const bad = Testing.script([Testing.fail({ _tag: "Overloaded" })])
    const worse = Testing.script([Testing.fail({ _tag: "Network" })])
    const good = Testing.script([Testing.reply("third")])
    return Effect.gen(function* () {
      const { receipt } = yield* Effect.provide(chat(), racing({ bad, worse, good }))
      assert.deepStrictEqual(outcomes(receipt), [
        ["bad", "failure", "Overloaded"],
        ["worse", "failure", "Network"],
        ["good", "success"],
      ])
      const error = yield* Effect.provide(Effect.flip(chat()), racing({ bad, worse }))
      assert.strictEqual(error.receipt?.attempts.length, 2)
    })
  })

  it.effect("starts the next while one waits for a retry, and gives the first answer", () => {
    const flaky = Testing.script([Testing.fail({ _tag: "Overloaded" }), Testing.reply("again")])
    const other = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(chat())
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

  it.effect("fails on an invalid request, and interrupts the other attempts", () => {
    const slow = Testing.script([Testing.hang()])
    const other = Testing.script([Testing.fail({ _tag: "InvalidRequest" })])
    return Effect.gen(function* () {
      const error = yield* during("100 millis", Effect.flip(chat()))
      assert.strictEqual(error.kind, "InvalidRequest")
      assert.strictEqual(slow.inFlight(), 0)
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("gives the stream with the first output, and no part of the other", () => {
    const slow = Testing.script([Testing.reply(["s", "low"], { after: "200 millis" })])
    const other = Testing.script([Testing.reply(["quick", "ly"], { after: "20 millis", tokenDelay: "150 millis" })])
    return Effect.gen(function* () {
      const parts = yield* during("1 second", Stream.runCollect(Router.stream(request)))
      assert.strictEqual(textOf(parts), "slow")
      assert.deepStrictEqual([slow.inFlight(), other.inFlight()], [0, 0])
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("records the winner as the stream's deployment, and ends all attempts with the call", () => {
    const slow = Testing.script([Testing.hang({ output: "" })])
    const other = Testing.script([Testing.reply(["quick", "ly"], { tokenDelay: "10 millis" })])
    return Effect.gen(function* () {
      const { receipt } = yield* during(
        "1 second",
        Effect.scoped(
          Effect.gen(function* () {
            const router = yield* Router.Router
            const streaming = yield* router.chatStream(request)
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

  it.effect("publishes Hedged after the delay, and Failover after a failure", () => {
    const slow = Testing.script([Testing.hang()])
    const bad = Testing.script([Testing.fail({ _tag: "Overloaded" })])
    const good = Testing.script([Testing.reply("third")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const transitions: Array<string> = []
      yield* router.subscribe((event) => {
        if (event._tag === "Hedged" || event._tag === "Failover")
          transitions.push(`${event._tag}: ${event.from}, ${event.to}`)
      })
      yield* during("100 millis", chat())
      assert.deepStrictEqual(transitions, ["Hedged: slow, bad", "Failover: bad, good"])
    }).pipe(Effect.scoped, Effect.provide(racing({ slow, bad, good })))
  })

  it.effect("hedges while the budget lasts, and falls back after that", () => {
    const slow = Testing.script([Testing.reply("first", { after: "150 millis" })])
    const other = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      for (let call = 0; call < 30; call++) yield* during("150 millis", chat())
      assert.strictEqual(slow.requests.length, 30)
      assert.strictEqual(other.requests.length, 10, "never fewer than ten a minute")
    }).pipe(Effect.provide(racing({ slow, other })))
  })

  it.effect("falls back without hedging with a budget of 0", () => {
    const slow = Testing.script([Testing.fail({ _tag: "Network" }, { after: "150 millis" })])
    const other = Testing.script([Testing.reply("second")])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(chat())
      yield* TestClock.adjust("149 millis")
      assert.strictEqual(other.requests.length, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).receipt.deployment, "other")
    }).pipe(Effect.provide(racing({ slow, other }, { after: "100 millis", budget: 0 })))
  })

  it.effect("interrupts all attempts when the call is interrupted", () => {
    const one = Testing.script([Testing.hang()])
    const two = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(chat())
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual([one.inFlight(), two.inFlight()], [1, 1])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([one.inFlight(), two.inFlight()], [0, 0])
    }).pipe(Effect.provide(racing({ one, two })))
  })
})

describe("Health.delay", () => {
  it("is the quantile of the observed latencies, once there are enough", () => {
    const health = new LatencyTracker()
    assert.strictEqual(Health.delay("p95", health, false), 1000)
    for (let millis = 1; millis <= 100; millis++) health.recordLatency(millis)
    assert.strictEqual(Health.delay("p50", health, false), 68, "of the latest 64")
    assert.strictEqual(Health.delay("p95", health, false), 97)
    assert.strictEqual(Health.delay("p95", health, true), 1000, "streams are timed by their first output")
    assert.strictEqual(Health.delay("2 seconds", health, false), 2000)
  })
})

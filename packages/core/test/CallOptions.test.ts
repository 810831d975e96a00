import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Explain from "../src/inspect/Explain.ts"
import * as Route from "../src/route/Route.ts"
import * as Router from "../src/Router.ts"
import * as Testing from "../src/Testing.ts"
import { layer, request } from "./support/TestRouter.ts"

describe("CallOptions.timeout", () => {
  it.effect("ends the call with a timeout that is the caller's, and opens no circuit", () => {
    const slow = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      for (let call = 0; call < 5; call++) {
        const streaming = Effect.scoped(router.chatStream(request, { timeout: "200 millis" }))
        const fiber = yield* Effect.forkChild(
          Effect.flip(
            call % 2 === 0 ? Effect.asVoid(router.chat(request, { timeout: "200 millis" })) : Effect.asVoid(streaming),
          ),
        )
        yield* TestClock.adjust("200 millis")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.kind, "Timeout")
        assert.deepStrictEqual(error.cause?.reason, { _tag: "Timeout", phase: "total", byCaller: true })
        assert.strictEqual(slow.inFlight(), 0)
      }
      assert.deepStrictEqual(
        (yield* router.status).map(({ circuit }) => circuit),
        ["closed"],
      )
    }).pipe(Effect.provide(layer({ slow })))
  })

  it.effect("does not extend the total timeout of the route", () => {
    const slow = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const fiber = yield* Effect.forkChild(Effect.flip(router.chat(request, { timeout: "1 hour" })))
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      assert.deepStrictEqual(error.cause?.reason, { _tag: "Timeout", phase: "total" })
    }).pipe(Effect.provide(layer({ slow }, { route: Route.to("slow").pipe(Route.timeout({ total: "1 second" })) })))
  })
})

describe("Route.when", () => {
  it.effect("takes the first case whose condition holds", () => {
    const scripts = { vip: Testing.script([Testing.reply("v")]), other: Testing.script([Testing.reply("o")]) }
    const route = Route.when([{ if: { tags: ["vip"] }, use: "vip" }], "other")
    return Effect.gen(function* () {
      const router = yield* Router.Router
      assert.strictEqual((yield* router.chat(request, { tags: ["vip"] })).receipt.deployment, "vip")
      assert.strictEqual((yield* router.chat(request)).receipt.deployment, "other")
      const explained = yield* router.explain(request, { tags: ["vip"] })
      assert.deepStrictEqual(
        Explain.candidates(explained.plan).map(({ deployment }) => deployment),
        ["vip"],
      )
    }).pipe(Effect.provide(layer(scripts, { route })))
  })
})

describe("the retry budget of a route", () => {
  it.effect("allows ten retries a minute at low traffic; further calls fall back", () => {
    const bad = Testing.script([Testing.fail({ _tag: "Overloaded" })])
    const good = Testing.script([Testing.reply("g")])
    const deployment = { retry: { times: 1, base: "10 millis" }, circuit: { failures: 1000 } } as const
    return Effect.gen(function* () {
      const router = yield* Router.Router
      for (let call = 0; call < 30; call++) {
        const fiber = yield* Effect.forkChild(router.chat(request))
        yield* TestClock.adjust("20 millis")
        assert.strictEqual((yield* Fiber.join(fiber)).receipt.deployment, "good")
      }
      assert.strictEqual(bad.requests.length, 40)
    }).pipe(Effect.provide(layer({ bad, good }, { deployment })))
  })

  it.effect("allows no retry at 0", () => {
    const bad = Testing.script([Testing.fail({ _tag: "Overloaded" })])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      yield* Effect.flip(router.chat(request))
      assert.strictEqual(bad.requests.length, 1)
    }).pipe(Effect.provide(layer({ bad }, { route: Route.to("bad").pipe(Route.retry({ budget: 0 })) })))
  })
})

describe("limits.rpd", () => {
  it.effect("applies over a day, and does not count requests that another limit refused", () => {
    const first = Testing.script([Testing.reply("f")])
    const second = Testing.script([Testing.reply("s")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const deployment = Effect.map(router.chat({ ...request, model: "first" }), ({ receipt }) => receipt.deployment)
      assert.strictEqual(yield* deployment, "first")
      assert.strictEqual((yield* Effect.flip(deployment)).kind, "RateLimited", "one a minute")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* deployment, "first")
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(deployment)
      assert.deepStrictEqual(error.receipt?.skipped[0]?.reason, {
        _tag: "RateLimited",
        limit: "rpd",
        retryAfter: (24 * 60 - 2) * 60_000,
      })
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* deployment, "first")
    }).pipe(Effect.provide(layer({ first, second }, { deployment: { limits: { rpm: 1, rpd: 2 } } })))
  })
})

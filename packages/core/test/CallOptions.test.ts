import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Chat from "../src/model/Chat.ts"
import * as Deployment from "../src/deployment/Deployment.ts"
import * as Explain from "../src/inspect/Explain.ts"
import * as Route from "../src/route/Route.ts"
import * as Router from "../src/Router.ts"
import * as Testing from "../src/Testing.ts"

const ask: Chat.Request = { model: "route", messages: [Chat.user("Hello?")] }

const over = (route: Route.Route, scripts: Record<string, Testing.Scripted>, options?: Partial<Deployment.Options>) =>
  Router.layer({
    deployments: Object.fromEntries(
      Object.entries(scripts).map(([name, { layer }]) => [
        name,
        Deployment.make({ model: name, provider: layer, ...options }),
      ]),
    ),
    routes: { route },
  })

describe("CallOptions.timeout", () => {
  it.effect("ends the call with the caller's timeout, and counts for no circuit", () => {
    const slow = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      for (let call = 0; call < 5; call++) {
        const streaming = Effect.scoped(router.chatStream(ask, { timeout: "200 millis" }))
        const fiber = yield* Effect.forkChild(
          Effect.flip(
            call % 2 === 0 ? Effect.asVoid(router.chat(ask, { timeout: "200 millis" })) : Effect.asVoid(streaming),
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
    }).pipe(Effect.provide(over(Route.to("slow"), { slow })))
  })

  it.effect("does not extend the route's timeout", () => {
    const slow = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const fiber = yield* Effect.forkChild(Effect.flip(router.chat(ask, { timeout: "1 hour" })))
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      assert.deepStrictEqual(error.cause?.reason, { _tag: "Timeout", phase: "total" })
    }).pipe(Effect.provide(over(Route.to("slow").pipe(Route.timeout({ total: "1 second" })), { slow })))
  })
})

describe("Route.when", () => {
  it.effect("uses the first case whose condition holds", () => {
    const scripts = { vip: Testing.script([Testing.reply("v")]), other: Testing.script([Testing.reply("o")]) }
    const route = Route.when([{ if: { tags: ["vip"] }, use: "vip" }], "other")
    return Effect.gen(function* () {
      const router = yield* Router.Router
      assert.strictEqual((yield* router.chat(ask, { tags: ["vip"] })).receipt.deployment, "vip")
      assert.strictEqual((yield* router.chat(ask)).receipt.deployment, "other")
      const explained = yield* router.explain(ask, { tags: ["vip"] })
      assert.deepStrictEqual(
        Explain.candidates(explained.plan).map(({ deployment }) => deployment),
        ["vip"],
      )
    }).pipe(Effect.provide(over(route, scripts)))
  })
})

describe("retry.budget", () => {
  it.effect("allows ten retries per minute at low traffic; further calls fall back", () => {
    const bad = Testing.script([Testing.fail({ _tag: "Overloaded" })])
    const good = Testing.script([Testing.reply("g")])
    const options = { retry: { times: 1, base: "10 millis" }, circuit: { failures: 1000 } } as const
    return Effect.gen(function* () {
      const router = yield* Router.Router
      for (let call = 0; call < 30; call++) {
        const fiber = yield* Effect.forkChild(router.chat(ask))
        yield* TestClock.adjust("20 millis")
        assert.strictEqual((yield* Fiber.join(fiber)).receipt.deployment, "good")
      }
      assert.strictEqual(bad.requests.length, 40)
    }).pipe(Effect.provide(over(Route.fallback("bad", "good"), { bad, good }, options)))
  })

  it.effect("allows no retry at 0", () => {
    const bad = Testing.script([Testing.fail({ _tag: "Overloaded" })])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      yield* Effect.flip(router.chat(ask))
      assert.strictEqual(bad.requests.length, 1)
    }).pipe(Effect.provide(over(Route.to("bad").pipe(Route.retry({ budget: 0 })), { bad })))
  })
})

describe("limits.rpd", () => {
  it.effect("counts over a day, and is refunded when a narrower limit rejects the call", () => {
    const first = Testing.script([Testing.reply("f")])
    const second = Testing.script([Testing.reply("s")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const who = Effect.map(router.chat({ ...ask, model: "first" }), ({ receipt }) => receipt.deployment)
      assert.strictEqual(yield* who, "first")
      assert.strictEqual((yield* Effect.flip(who)).kind, "RateLimited", "one a minute")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* who, "first")
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(who)
      assert.deepStrictEqual(error.receipt?.skipped[0]?.reason, {
        _tag: "RateLimited",
        limit: "rpd",
        retryAfter: (24 * 60 - 2) * 60_000,
      })
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* who, "first")
    }).pipe(Effect.provide(over(Route.fallback("first", "second"), { first, second }, { limits: { rpm: 1, rpd: 2 } })))
  })
})

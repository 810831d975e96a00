import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const ask: Chat.Request = { model: "route", messages: [Chat.user("Hello?")] }

const once = { retry: { times: 0 } }

/** A router over scripted deployments; one given as a reason fails for it, one given as a text answers with it. */
const over = (
  route: Route.Route,
  scripts: Record<string, Reason | string>,
  options: Record<string, Partial<Deployment.Options>> = {},
) =>
  Router.layer({
    deployments: Object.fromEntries(
      Object.entries(scripts).map(([name, said]) => [
        name,
        Deployment.make({
          model: name,
          provider: Testing.script([typeof said === "string" ? Testing.reply(said) : Testing.fail(said)]).layer,
          ...once,
          ...options[name],
        }),
      ]),
    ),
    routes: { route },
  })

/** Who was asked and who was passed over for what, in a call that may fail. */
const way = Effect.gen(function* () {
  const router = yield* Router.Router
  const { receipt } = yield* Effect.catch(router.chat(ask), (error) => Effect.succeed({ receipt: error.receipt! }))
  return {
    asked: receipt.attempts.map(({ deployment }) => deployment),
    passed: receipt.skipped.map(({ deployment, reason }) => `${deployment}: ${reason._tag}`),
    answered: receipt.outcome === "success",
  }
})

const tooLong: Reason = { _tag: "ContextWindowExceeded" }
const refused: Reason = { _tag: "ContentPolicy" }
const overloaded: Reason = { _tag: "Overloaded" }
const invalid: Reason = { _tag: "InvalidRequest" }

describe("an error branch", () => {
  it.effect("is taken after a failure for its reason, and skips the steps between", () => {
    const route = Route.fallback("a", "b").pipe(Route.onContextWindow("long"), Route.onContentPolicy("lax"))
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.provide(way, over(route, { a: tooLong, b: "b", long: "l", lax: "x" })), {
        asked: ["a", "long"],
        passed: ["b: BranchTaken"],
        answered: true,
      })
      assert.deepStrictEqual(yield* Effect.provide(way, over(route, { a: refused, b: "b", long: "l", lax: "x" })), {
        asked: ["a", "lax"],
        passed: ["b: BranchTaken", "long: BranchTaken"],
        answered: true,
      })
    })
  })

  it.effect("is not taken after other failures", () => {
    const route = Route.fallback("a", "b").pipe(Route.onContextWindow("long"))
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.provide(way, over(route, { a: overloaded, b: overloaded, long: "l" })), {
        asked: ["a", "b"],
        passed: ["long: BranchNotTaken"],
        answered: false,
      })
    })
  })

  it.effect("continues after its route when it fails too", () => {
    const route = Route.fallback(Route.to("a").pipe(Route.onError(["Overloaded"], "branch")), "last")
    return Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* Effect.provide(way, over(route, { a: overloaded, branch: overloaded, last: "l" })),
        {
          asked: ["a", "branch", "last"],
          passed: [],
          answered: true,
        },
      )
      assert.deepStrictEqual(
        yield* Effect.provide(way, over(route, { a: { _tag: "Network" }, branch: "b", last: "l" })),
        {
          asked: ["a", "last"],
          passed: ["branch: BranchNotTaken"],
          answered: true,
        },
      )
    })
  })

  it.effect("may lead to a later branch, never to an earlier one", () => {
    const route = Route.to("a").pipe(Route.onContextWindow("long"), Route.onContentPolicy("lax"))
    return Effect.gen(function* () {
      const forward = over(route, { a: tooLong, long: refused, lax: "x" })
      assert.deepStrictEqual((yield* Effect.provide(way, forward)).asked, ["a", "long", "lax"])
      const back = over(route, { a: refused, long: "l", lax: tooLong })
      assert.deepStrictEqual((yield* Effect.provide(way, back)).asked, ["a", "lax"])
    })
  })

  it.effect("does not try a failed deployment again", () => {
    const route = Route.fallback(Route.fallback("a", "b").pipe(Route.onError(["Overloaded"], "b")), "b", "c")
    return Effect.gen(function* () {
      const found = yield* Effect.provide(way, over(route, { a: { _tag: "Network" }, b: overloaded, c: "c" }))
      assert.deepStrictEqual(found, {
        asked: ["a", "b", "c"],
        passed: ["b: AlreadyFailed", "b: AlreadyFailed"],
        answered: true,
      })
    })
  })

  it.effect("is the innermost one for the reason", () => {
    const inner = Route.to("a").pipe(Route.onError(["Overloaded"], "near"))
    const route = inner.pipe(Route.onError(["Overloaded", "Network"], "far"))
    return Effect.gen(function* () {
      const near = over(route, { a: overloaded, near: "n", far: "f" })
      assert.deepStrictEqual((yield* Effect.provide(way, near)).asked, ["a", "near"])
      const both = over(route, { a: overloaded, near: overloaded, far: "f" })
      assert.deepStrictEqual((yield* Effect.provide(way, both)).asked, ["a", "near", "far"])
    })
  })

  it.effect("is taken for a skipped deployment: a small context window, a cooldown, an open circuit", () => {
    const long = { ...ask, messages: [Chat.user("word ".repeat(400))] }
    const window = over(
      Route.fallback("a", "b").pipe(Route.onContextWindow("long")),
      { a: "a", b: "b", long: "l" },
      {
        a: { capabilities: { contextWindow: 100 } },
      },
    )
    const resting = over(Route.to("a").pipe(Route.onError(["RateLimited"], "b")), {
      a: { _tag: "RateLimited", retryAfter: Duration.minutes(1) },
      b: "b",
    })
    const open = over(Route.to("a").pipe(Route.onError(["Authentication"], "b")), {
      a: { _tag: "Authentication" },
      b: "b",
    })
    return Effect.gen(function* () {
      const { receipt } = yield* Effect.provide(
        Effect.flatMap(Router.Router, (router) => router.chat(long)),
        window,
      )
      assert.strictEqual(receipt.deployment, "long")
      for (const layer of [resting, open]) {
        const [first, second] = yield* Effect.provide(Effect.all([way, way]), layer)
        assert.deepStrictEqual(first.asked, ["a", "b"])
        assert.deepStrictEqual(second.asked, ["b"])
      }
    })
  })

  it.effect("is shown by explain with its reasons", () => {
    const route = Route.fallback("a", "b").pipe(Route.onError(["Overloaded", "Network"], "c"))
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const { plan } = yield* router.explain(ask)
      assert.deepStrictEqual(plan._tag === "OnError" ? plan.after : undefined, ["Overloaded", "Network"])
      assert.deepStrictEqual(
        plan._tag === "OnError" && plan.use._tag === "Deployment"
          ? [plan.use.deployment, plan.use.availability]
          : undefined,
        ["c", { _tag: "Available" }],
      )
    }).pipe(Effect.provide(over(route, { a: "a", b: "b", c: "c" })))
  })
})

describe("fallbackOn any", () => {
  it.effect("falls back after every error, InvalidRequest included", () => {
    const scripts = { a: invalid, b: refused, c: "c" }
    return Effect.gen(function* () {
      const stops = yield* Effect.provide(way, over(Route.fallback("a", "b", "c"), scripts))
      assert.deepStrictEqual(stops.asked, ["a"])
      const goesOn = yield* Effect.provide(
        way,
        over(Route.fallback("a", "b", "c").pipe(Route.fallbackOn("any")), scripts),
      )
      assert.deepStrictEqual(goesOn.asked, ["a", "b", "c"])
    })
  })
})

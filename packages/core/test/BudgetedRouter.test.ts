import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as BudgetedRouter from "../src/BudgetedRouter.ts"
import * as Deployment from "../src/deployment/Deployment.ts"
import type { CallOptions } from "../src/model/Call.ts"
import * as Chat from "../src/model/Chat.ts"
import * as Route from "../src/route/Route.ts"
import * as Router from "../src/Router.ts"
import type { Budget } from "../src/spend/Budget.ts"
import { scopeKey } from "../src/spend/Budget.ts"
import * as Budgets from "../src/spend/Budgets.ts"
import * as Testing from "../src/Testing.ts"

/** One cent per input token, and one per output token. */
const cent = { input: 10_000, output: 10_000 }

const budget = (options: Partial<Budget> = {}): Budget => ({
  id: "all",
  scope: { type: "all" },
  amount: 1,
  window: "total",
  atLimit: "refuse",
  ...options,
})

/** Eight input tokens by estimate, and at most 12 output tokens: at most 20 cents. */
const request: Chat.Request = {
  model: "assistant",
  messages: [Chat.user("12345678901234567890123456789012")],
  sampling: { maxTokens: 12 },
}

interface Options {
  readonly route?: Route.Route
  readonly budgets: ReadonlyArray<Budget>
  readonly deployment?: Partial<Deployment.Options>
}

/** A router over scripts at one cent a token, within budgets. */
const layer = (scripts: Readonly<Record<string, Testing.Scripted>>, { budgets, deployment, route }: Options) => {
  const [first = "", ...others] = Object.keys(scripts)
  const router = Router.layer({
    deployments: Object.fromEntries(
      Object.entries(scripts).map(([name, { layer }]) => [
        name,
        Deployment.make({ model: name, provider: layer, price: cent, retry: { times: 0 }, ...deployment }),
      ]),
    ),
    routes: { assistant: route ?? Route.fallback(first, ...others), cheap: Route.to(first) },
  })
  return BudgetedRouter.layer.pipe(Layer.provideMerge(Budgets.layerMemory(budgets)), Layer.provide(router))
}

const chat = (options?: CallOptions, changes: Partial<Chat.Request> = {}) =>
  Effect.flatMap(Router.Router, (router) => router.chat({ ...request, ...changes }, options))

/** What is spent and reserved of each budget, in cents. */
const books = Effect.flatMap(Budgets.Budgets, ({ status }) =>
  Effect.map(status, (all) =>
    Object.fromEntries(
      all.map(({ budget, reserved, spent }) => [budget.id, [Math.round(spent * 100), Math.round(reserved * 100)]]),
    ),
  ),
)

describe("BudgetedRouter", () => {
  it.effect("bills a shadow call to everything, its route and its deployment, and to no caller", () => {
    const [real, mirrored] = [Testing.script([Testing.reply("Hi")]), Testing.script([Testing.reply("Hey")])]
    const scopes: ReadonlyArray<Budget["scope"]> = [
      { type: "all" },
      { type: "key", name: "alice" },
      { type: "team", name: "search" },
      { type: "tag", name: "beta" },
      { type: "route", name: "assistant" },
      { type: "route", name: "mirrored" },
      { type: "deployment", name: "mirrored" },
    ]
    return Effect.gen(function* () {
      yield* chat({ caller: "alice", team: "search", tags: ["beta"] })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* books, {
        0: [30, 0],
        1: [15, 0],
        2: [15, 0],
        3: [15, 0],
        4: [15, 0],
        5: [15, 0],
        6: [15, 0],
      })
    }).pipe(
      Effect.provide(
        layer(
          { real, mirrored },
          {
            budgets: scopes.map((scope, index) => budget({ id: String(index), scope })),
            route: Route.to("real").pipe(Route.shadow({ to: "mirrored", share: 1 })),
          },
        ),
      ),
    )
  })

  it.effect("skips a shadow call that a budget does not cover, and answers its call", () => {
    const [real, mirrored] = [Testing.script([Testing.reply("Hi")]), Testing.script([Testing.reply("Hey")])]
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const skipped: Array<string> = []
      yield* router.subscribe((event) => {
        if (event._tag === "ShadowSkipped") skipped.push(event.reason)
      })
      yield* chat()
      yield* TestClock.adjust(0)
      assert.deepStrictEqual([skipped, mirrored.requests.length], [["budget"], 0])
      assert.deepStrictEqual(yield* books, { all: [15, 0] })
    }).pipe(
      Effect.provide(
        layer(
          { real, mirrored },
          {
            // Enough for one call of at most 20 cents, and not for two.
            budgets: [budget({ amount: 0.3 })],
            route: Route.to("real").pipe(Route.shadow({ to: "mirrored", share: 1 })),
          },
        ),
      ),
      Effect.scoped,
    )
  })

  it.effect("reserves the most that a call may cost in all its scopes, and settles what it did cost", () => {
    const script = Testing.script([Testing.reply("Hi", { after: "1 second" })])
    const scopes: ReadonlyArray<Budget["scope"]> = [
      { type: "all" },
      { type: "key", name: "alice" },
      { type: "team", name: "search" },
      { type: "tag", name: "beta" },
      { type: "route", name: "assistant" },
      { type: "deployment", name: "a" },
      { type: "vendor", name: "acme" },
      { type: "key", name: "bob" },
    ]
    const budgets = scopes.map((scope, index) => budget({ id: String(index), scope }))
    return Effect.gen(function* () {
      const call = yield* Effect.forkChild(chat({ caller: "alice", team: "search", tags: ["beta", "beta"] }), {
        startImmediately: true,
      })
      const reserved = [0, 20]
      assert.deepStrictEqual(yield* books, {
        0: reserved,
        1: reserved,
        2: reserved,
        3: reserved,
        4: reserved,
        5: reserved,
        6: reserved,
        7: [0, 0],
      })
      yield* TestClock.adjust("1 second")
      const { receipt } = yield* Fiber.join(call)
      const spent = [15, 0]
      assert.deepStrictEqual(yield* books, {
        0: spent,
        1: spent,
        2: spent,
        3: spent,
        4: spent,
        5: spent,
        6: spent,
        7: [0, 0],
      })
      assert.deepStrictEqual([receipt.team, receipt.tags], ["search", ["beta", "beta"]])
      assert.strictEqual(receipt.attempts[0]?.cost, 0.15)
      assert.isUndefined(receipt.attempts[0]?.estimated)
    }).pipe(Effect.provide(layer({ a: script }, { budgets, deployment: { vendor: "acme" } })))
  })

  it.effect(
    "counts a call for the team that its caller has, and an attempt for the vendor that its deployment has",
    () => {
      const script = Testing.script([Testing.reply("Hi")])
      const scopes: ReadonlyArray<Budget["scope"]> = [
        { type: "team", name: "search" },
        { type: "team", name: "sales" },
        { type: "vendor", name: "acme" },
        { type: "vendor", name: "other" },
      ]
      const budgets = scopes.map((scope): Budget => budget({ id: scopeKey(scope), scope }))
      const options = (vendor: string) => ({
        deployments: { a: Deployment.make({ model: "a", provider: script.layer, price: cent, vendor }) },
        routes: { assistant: Route.to("a") },
      })
      return Effect.gen(function* () {
        yield* chat({ caller: "alice", team: "search" })
        yield* chat({ caller: "alice", team: "sales" })
        const { reload } = yield* Router.Reload
        yield* reload(options("other"))
        yield* chat({ caller: "alice", team: "search" })
        assert.deepStrictEqual(yield* books, {
          "team:search": [30, 0],
          "team:sales": [15, 0],
          "vendor:acme": [30, 0],
          "vendor:other": [15, 0],
        })
      }).pipe(
        Effect.provide(
          BudgetedRouter.layer.pipe(
            Layer.provideMerge(Budgets.layerMemory(budgets)),
            Layer.provideMerge(Router.layer(options("acme"))),
          ),
        ),
        Effect.scoped,
      )
    },
  )

  it.effect("refuses a call that a budget does not cover, before any deployment is tried", () => {
    const script = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      yield* chat()
      const error = yield* Effect.flip(chat())
      assert.strictEqual(error.kind, "BudgetExceeded")
      assert.isTrue(error.permanent)
      assert.strictEqual(
        error.message,
        'Budget "all" of $0.30 in total does not cover this call: $0.15 is spent and $0.00 is reserved by calls in flight, and this call may cost $0.20.',
      )
      assert.lengthOf(script.requests, 1)
      assert.deepStrictEqual(yield* books, { all: [15, 0] })
    }).pipe(Effect.provide(layer({ a: script }, { budgets: [budget({ amount: 0.3 })] })))
  })

  it.effect("says when to try again if the reset or the calls in flight are near, and is permanent otherwise", () => {
    const script = Testing.script([Testing.reply("Hi", { after: "10 seconds" })])
    const budgets = [budget({ amount: 0.3, window: { unit: "hour" } })]
    return Effect.gen(function* () {
      const call = yield* Effect.forkChild(chat(), { startImmediately: true })
      assert.strictEqual((yield* Effect.flip(chat())).retryAfter, 1000)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(call)
      assert.isTrue((yield* Effect.flip(chat())).permanent)
      yield* TestClock.setTime(3_600_000 - 30_000)
      assert.strictEqual((yield* Effect.flip(chat())).retryAfter, 30_000)
    }).pipe(Effect.provide(layer({ a: script }, { budgets })))
  })

  it.effect("calls the route that a budget names instead, once, and does not count those calls", () => {
    const [dear, low] = [Testing.script([Testing.reply("Hi")]), Testing.script([Testing.reply("Hi")])]
    const budgets = [
      budget({ id: "key", scope: { type: "key", name: "alice" }, amount: 0.3, atLimit: { use: "cheap" } }),
      budget({ id: "cheap", scope: { type: "route", name: "cheap" }, amount: 0.3, atLimit: { use: "assistant" } }),
    ]
    return Effect.gen(function* () {
      const routes: Array<string> = []
      for (let call = 0; call < 2; call++) routes.push((yield* chat({ caller: "alice" })).receipt.route)
      assert.deepStrictEqual(routes, ["assistant", "cheap"])
      assert.deepStrictEqual(yield* books, { key: [15, 0], cheap: [15, 0] })
      const error = yield* Effect.flip(chat({ caller: "alice" }))
      assert.include(error.message, '"cheap"')
      assert.strictEqual((yield* chat({ caller: "bob" })).receipt.route, "assistant")
    }).pipe(Effect.provide(layer({ low, dear }, { budgets, route: Route.to("dear") })))
  })

  it.effect("skips a deployment whose budget does not cover an attempt, and tries the next", () => {
    const scripts = { a: Testing.script([Testing.reply("Hi")]), b: Testing.script([Testing.reply("Hi")]) }
    const budgets = [
      budget({ id: "a", scope: { type: "deployment", name: "a" }, amount: 0.3 }),
      budget({ id: "b", scope: { type: "deployment", name: "b" }, amount: 0.3 }),
    ]
    return Effect.gen(function* () {
      assert.strictEqual((yield* chat()).receipt.deployment, "a")
      const { receipt } = yield* chat()
      assert.strictEqual(receipt.deployment, "b")
      assert.deepStrictEqual(receipt.skipped, [
        { deployment: "a", reason: { _tag: "OverBudget", budget: "a", retryAfter: Infinity } },
      ])
      const error = yield* Effect.flip(chat())
      assert.strictEqual(error.kind, "BudgetExceeded")
      assert.isTrue(error.permanent)
      assert.strictEqual(
        error.message,
        'All deployments of route "assistant" failed. a: budget "a" does not cover it; b: budget "b" does not cover it.',
      )
      assert.deepStrictEqual(yield* books, { a: [15, 0], b: [15, 0] })
    }).pipe(Effect.provide(layer(scripts, { budgets })))
  })

  it.effect("takes a branch for a used up quota when the deployments before it are over budget", () => {
    const scripts = { a: Testing.script([Testing.reply("Hi")]), b: Testing.script([Testing.reply("Hi")]) }
    const route = Route.to("a").pipe(Route.onError(["QuotaExhausted"], Route.to("b")))
    return Effect.gen(function* () {
      assert.strictEqual((yield* chat()).receipt.deployment, "b")
    }).pipe(
      Effect.provide(
        layer(scripts, { budgets: [budget({ scope: { type: "deployment", name: "a" }, amount: 0.1 })], route }),
      ),
    )
  })

  it.effect("tries no further deployment when earlier attempts were charged and no more can be reserved", () => {
    const slow = Testing.script([Testing.hang()])
    const backup = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      const call = yield* Effect.forkChild(Effect.flip(chat()))
      yield* TestClock.adjust("1 minute")
      const { kind, receipt } = yield* Fiber.join(call)
      // It ran for a minute, and may have written all 12 tokens.
      assert.deepStrictEqual(
        receipt?.attempts.map(({ cost, estimated, reason, usage }) => [reason, usage, estimated, cost]),
        [["Timeout", { inputTokens: 8, outputTokens: 12 }, true, 0.2]],
      )
      assert.strictEqual(receipt?.skipped[0]?.reason._tag, "OverBudget")
      assert.strictEqual(kind, "Upstream")
      assert.lengthOf(backup.requests, 0)
      assert.deepStrictEqual(yield* books, { all: [20, 0] })
    }).pipe(Effect.provide(layer({ slow, backup }, { budgets: [budget({ amount: 0.3 })] })))
  })

  it.effect("charges nothing for attempts that failed before any output, nor for a cached response", () => {
    const scripts = {
      a: Testing.script([Testing.fail({ _tag: "ServerError" }, { status: 500 })]),
      b: Testing.script([Testing.fail({ _tag: "Network" })]),
      c: Testing.script([Testing.reply("Hi")]),
    }
    const route = Route.fallback("a", "b", "c").pipe(Route.cache({ ttl: "1 hour" }))
    return Effect.gen(function* () {
      const { receipt } = yield* chat()
      assert.deepStrictEqual(
        receipt.attempts.map(({ cost }) => cost),
        [undefined, undefined, 0.15],
      )
      assert.strictEqual((yield* chat()).receipt.cache, "hit")
      assert.deepStrictEqual(yield* books, { all: [15, 0] })
    }).pipe(Effect.provide(layer(scripts, { budgets: [budget()], route })))
  })

  it.effect("settles a stream when its scope closes: by its usage, or by what arrived if it is cut or given up", () => {
    const script = Testing.script([
      Testing.reply(["One ", "two ", "three"]),
      Testing.fail({ _tag: "Network" }, { output: ["One ", "two "] }),
      Testing.hang({ output: ["One ", "two ", "three ", "four "] }),
      Testing.hang(),
    ])
    const read = (frames: number) =>
      Effect.scoped(
        Effect.flatMap(Router.Router, (router) =>
          Effect.flatMap(router.chatStream(request), (stream) =>
            Effect.as(Effect.ignore(Stream.runDrain(Stream.take(stream.frames, frames))), stream.receipt),
          ),
        ),
      )
    const costs = (receipt: { readonly attempts: ReadonlyArray<{ readonly cost?: number | undefined }> }) =>
      receipt.attempts.map(({ cost }) => cost)
    return Effect.gen(function* () {
      assert.deepStrictEqual(costs(yield* read(9)), [0.15])
      const broken = yield* read(9)
      assert.deepStrictEqual(costs(broken), [0.1])
      assert.deepStrictEqual(broken.attempts[0]?.usage, { inputTokens: 8, outputTokens: 2 })
      const abandoned = yield* read(5)
      assert.strictEqual(abandoned.outcome, "cancelled")
      assert.deepStrictEqual(costs(abandoned), [0.13])
      assert.deepStrictEqual(yield* books, { all: [38, 0] })
      const waiting = yield* Effect.forkChild(read(9), { startImmediately: true })
      assert.deepStrictEqual(yield* books, { all: [38, 20] })
      yield* Fiber.interrupt(waiting)
      assert.deepStrictEqual(yield* books, { all: [46, 0] })
    }).pipe(Effect.provide(layer({ a: script }, { budgets: [budget()] })))
  })

  it.effect("settles a call that has ended once its last attempt has", () => {
    const a = Testing.script([Testing.reply("Hi")])
    let spender: CallOptions["spending"]
    const captured = Layer.effect(
      Router.Router,
      Effect.map(Router.Router, (router) => ({
        ...router,
        chat: (request: Chat.Request, options?: CallOptions) => {
          spender = options?.spending
          return router.chat(request, options)
        },
      })),
    )
    const router = Router.layer({
      deployments: { a: Deployment.make({ model: "a", provider: a.layer, price: cent }) },
      routes: { assistant: Route.to("a") },
    })
    const budgets = Budgets.layerMemory([budget()])
    return Effect.gen(function* () {
      yield* Effect.ignore(chat())
      const spent = (yield* books)["all"]![0]!
      const call = spender!.open(yield* Clock.Clock)
      yield* call.start({ route: "assistant", payer: {}, mayUseAnother: false, most: () => 0.2 })
      const planned = { deployment: "a", vendor: undefined, most: () => 0.1 }
      const [one, two] = [yield* call.begin(planned), yield* call.begin(planned)]
      yield* one.end(0.03)
      yield* call.end()
      assert.deepStrictEqual(yield* books, { all: [spent, 20] })
      yield* two.end(0.04)
      assert.deepStrictEqual(yield* books, { all: [spent + 7, 0] })
      yield* call.end()
      assert.deepStrictEqual(yield* books, { all: [spent + 7, 0] })
    }).pipe(
      Effect.provide(
        BudgetedRouter.layer.pipe(Layer.provideMerge(budgets), Layer.provide(captured), Layer.provide(router)),
      ),
    )
  })

  it.effect("counts the output of a broken stream although its provider reported the usage of its start", () => {
    const started = { type: "usage", usage: { inputTokens: 10, outputTokens: 1 } } as const
    const cut = Testing.cut(["One ", "two ", "three "])
    const script = Testing.script([{ ...cut, frames: [{ parts: [started] }, ...cut.frames] }])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const receipt = yield* Effect.scoped(
        Effect.flatMap(router.chatStream(request), ({ frames, receipt }) =>
          Effect.as(Effect.ignore(Stream.runDrain(frames)), receipt),
        ),
      )
      assert.deepStrictEqual(receipt.attempts[0]?.usage, { inputTokens: 10, outputTokens: 4 })
      assert.isTrue(receipt.attempts[0]?.estimated)
    }).pipe(Effect.provide(layer({ a: script }, { budgets: [budget()] })))
  })

  it.effect("reserves for each attempt of a race, and counts the one that lost", () => {
    const scripts = {
      a: Testing.script([Testing.reply("Hi", { after: "10 seconds" })]),
      b: Testing.script([Testing.reply("Hi", { after: "1 second" })]),
    }
    const route = Route.hedge({ after: "50 millis", across: ["a", "b"] })
    return Effect.gen(function* () {
      const call = yield* Effect.forkChild(chat(), { startImmediately: true })
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* books, { all: [0, 40] })
      yield* TestClock.adjust("1 second")
      const { receipt } = yield* Fiber.join(call)
      assert.strictEqual(receipt.deployment, "b")
      // The lost one ran for 1.05 s: it may have written all 12 tokens.
      assert.deepStrictEqual(yield* books, { all: [35, 0] })
    }).pipe(Effect.provide(layer(scripts, { budgets: [budget()], route })))
  })

  it.effect("lets a call pass whose model there is not, and counts no tokens", () => {
    const script = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(chat({}, { model: "none" }))).kind, "ModelNotFound")
      const router = yield* Router.Router
      assert.isUndefined(router.maxCost({ ...request, model: "none" }))
      yield* router.countTokens(request)
      assert.deepStrictEqual(yield* books, { all: [0, 0] })
    }).pipe(Effect.provide(layer({ a: script }, { budgets: [budget()] })))
  })
})

describe("the most that a call may cost", () => {
  const script = Testing.script([Testing.reply("Hi")])
  const deployment = (options: Partial<Deployment.Options>) =>
    Deployment.make({ model: "m", provider: script.layer, ...options })
  const router = Router.layer({
    deployments: {
      plain: deployment({ price: cent }),
      short: deployment({ price: cent, capabilities: { maxOutput: 10 } }),
      free: deployment({}),
      dear: deployment({ price: { input: 20_000, output: 1_000 }, capabilities: { maxOutput: 100 } }),
      tiered: deployment({ price: { ...cent, tiers: [{ above: 7, input: 30_000, output: 30_000 }] } }),
    },
    routes: { mixed: Route.fallback("free", "short", "dear") },
  })
  const most = (model: string, sampling: Chat.Request["sampling"]) =>
    Effect.map(
      Router.Router,
      ({ maxCost }) => Math.round((maxCost({ ...request, model, sampling }) ?? -1) * 1000) / 1000,
    )

  it.effect(
    "is that of its dearest deployment: input by estimate, output by its limit, the model's, or 4,096 tokens",
    () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* most("plain", { maxTokens: 12 }), 0.2)
        assert.strictEqual(yield* most("plain", { maxTokens: 12, n: 3 }), 0.44)
        assert.strictEqual(yield* most("plain", undefined), 41.04)
        assert.strictEqual(yield* most("short", undefined), 0.18)
        assert.strictEqual(yield* most("short", { maxTokens: 12 }), 0.18)
        assert.strictEqual(yield* most("free", undefined), 0)
        assert.strictEqual(yield* most("mixed", { maxTokens: 100 }), 0.26)
        assert.strictEqual(yield* most("mixed", { maxTokens: 5 }), 0.165)
        assert.strictEqual(yield* most("tiered", { maxTokens: 12 }), 0.6)
      }).pipe(Effect.provide(router)),
  )

  it.effect("has no output for embeddings", () =>
    Effect.gen(function* () {
      const { maxCost } = yield* Router.Router
      assert.strictEqual(maxCost({ model: "plain", input: ["1234", "12345678"] }), 0.03)
    }).pipe(Effect.provide(router)),
  )
})

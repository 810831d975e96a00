import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import type { Provider } from "../../src/model/Provider.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const ask: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }

const deployment = (scripted: { readonly layer: Layer.Layer<Provider> }, options: Partial<Deployment.Options> = {}) =>
  Deployment.make({ model: "m", provider: scripted.layer, ...options })

const answering = () => Testing.script([Testing.reply("Hi")])

const explain = (request = ask, options?: { readonly streaming?: boolean }) =>
  Effect.flatMap(Router.Router, (router) => router.explain(request, options))

const chat = (request = ask) => Effect.flatMap(Router.Router, (router) => router.chat(request))

const verdicts = ({ plan }: Explain.Explanation) =>
  Object.fromEntries(Explain.candidates(plan).map(({ deployment, availability }) => [deployment, availability]))

describe("Router.explain", () => {
  it.effect("returns the plan as a tree, with the policies of each deployment", () =>
    Effect.gen(function* () {
      const explanation = yield* explain({ ...ask, tools: [{ name: "weather" }] }, { streaming: true })
      const { plan, ...call } = explanation
      assert.deepStrictEqual(call, {
        route: "assistant",
        streaming: true,
        inputTokens: Math.ceil(("Hello?".length + JSON.stringify([{ name: "weather" }]).length) / 4),
        requires: ["tools"],
        total: 90_000,
        write: 30_000,
      })
      assert.strictEqual(plan._tag, "Sequence")
      if (plan._tag !== "Sequence") return
      const [lead, balance] = plan.plans
      assert.strictEqual(plan.strategy, "fallback")
      assert.strictEqual(balance?._tag === "Sequence" ? balance.strategy : undefined, "cost")
      assert.deepStrictEqual(
        Explain.candidates(plan).map(({ deployment, score }) => [deployment, score]),
        [
          ["lead", undefined],
          ["cheap", 3],
          ["dear", 12],
          ["unpriced", undefined],
        ],
      )
      assert.deepStrictEqual(lead?._tag === "Deployment" ? [lead.model, lead.policies] : undefined, [
        "gpt",
        {
          retry: { times: 1, base: 500, max: 8000, maxRetryAfter: 5000 },
          fallbackOn: undefined,
          unsupportedParams: "warn",
          protect: "preamble",
          timeout: { firstToken: 7000, idle: 30_000, attempt: 60_000 },
          circuit: { failureRateThreshold: 0.5, windowSize: 10, open: 5000, max: 30_000, permanentFailure: 300_000 },
          cooldown: { max: 30_000 },
          limits: { rpm: 60 },
        },
      ])
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            lead: deployment(answering(), {
              model: "gpt",
              retry: { times: 7 },
              timeout: { firstToken: "7 seconds" },
              circuit: { failureRateThreshold: 0.5, windowSize: 10 },
              limits: { rpm: 60 },
            }),
            dear: deployment(answering(), { price: { input: 2, output: 10 } }),
            cheap: deployment(answering(), { price: { input: 1, output: 2 } }),
            unpriced: deployment(answering()),
          },
          routes: {
            assistant: Route.fallback("lead", Route.balance("cost", ["dear", "unpriced", "cheap"])).pipe(
              Route.retry({ times: 1 }),
              Route.timeout({ total: "90 seconds" }),
            ),
          },
        }),
      ),
    ),
  )

  it.effect("returns the route's keep-alive interval", () =>
    Effect.gen(function* () {
      const explanation = yield* explain(ask, { streaming: true })
      assert.deepStrictEqual(explanation.sse, { keepAlive: 15_000 })
      assert.match(Explain.lines(explanation)[0] ?? "", /; keep-alives every 15s without data$/)
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: { lead: deployment(answering()) },
          routes: { assistant: Route.to("lead").pipe(Route.sse({ keepAlive: "15 seconds" })) },
        }),
      ),
    ),
  )

  it.effect("returns the route's cache policy", () =>
    Effect.gen(function* () {
      const explanation = yield* explain(ask)
      assert.deepStrictEqual(explanation.cache, { ttl: 60_000, max: 1000 })
      assert.match(Explain.lines(explanation)[0] ?? "", /; cached for 1m$/)
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: { lead: deployment(answering()) },
          routes: { assistant: Route.to("lead").pipe(Route.cache({ ttl: "1 minute" })) },
        }),
      ),
    ),
  )

  it.effect("returns the result of every check, and the first that fails", () => {
    const busy = Testing.script([Testing.hang()])
    const throttled = Testing.script([Testing.fail({ _tag: "RateLimited", retryAfter: Duration.seconds(12) })])
    return Effect.gen(function* () {
      yield* Effect.forkChild(chat({ ...ask, model: "busy" }))
      yield* Effect.flip(chat({ ...ask, model: "throttled" }))
      yield* Effect.flip(chat({ ...ask, model: "dead" }))
      yield* chat({ ...ask, model: "limited" })
      yield* TestClock.adjust("2 seconds")
      const explanation = yield* explain({
        ...ask,
        messages: [Chat.user([{ type: "image", source: { type: "url", url: "https://example.com/cat.png" } }])],
      })
      assert.deepStrictEqual(verdicts(explanation), {
        blind: { _tag: "MissingCapability", need: "vision" },
        small: { _tag: "ContextWindowTooSmall", tokens: 1000, window: 500 },
        never: { _tag: "ZeroWeight" },
        busy: { _tag: "ConcurrencyLimited" },
        throttled: { _tag: "CoolingDown", retryAfter: 10_000 },
        dead: { _tag: "CircuitOpen", retryAfter: 298_000, permanent: true },
        limited: { _tag: "RateLimited", limit: "rpm", retryAfter: 58_000 },
        poor: { _tag: "RateLimited", limit: "tpm", retryAfter: 60_000 },
        fine: { _tag: "Available" },
      })
      const checks = (name: string) =>
        Explain.candidates(explanation.plan).find(({ deployment }) => deployment === name)?.checks
      assert.deepStrictEqual(
        Object.entries(checks("blind") ?? {}).map(([check, { _tag }]) => [check, _tag]),
        [
          ["weight", "Available"],
          ["capability", "MissingCapability"],
          ["contextWindow", "ContextWindowTooSmall"],
          ["cooldown", "Available"],
          ["circuit", "Available"],
          ["concurrency", "Available"],
          ["limits", "Available"],
        ],
        "the checks after the first that fails are made too",
      )
      assert.deepStrictEqual(Explain.lines(explanation).slice(0, 12), [
        "assistant: a non-streamed call of about 1000 input tokens, requiring vision; at most 5m in total",
        "fallback",
        "  ordered",
        "    1. blind (m): skipped: does not support vision; 1000 tokens do not fit its context window of 500",
        "         no retries",
        "         at most 1m an attempt",
        "         circuit opens after 3 failures in a row, for 5s to 30s",
        "    2. small (m): skipped: 1000 tokens do not fit its context window of 500",
        "         no retries",
        "         at most 1m an attempt",
        "         circuit opens after 3 failures in a row, for 5s to 30s",
        "    3. never (m): skipped: weight 0",
      ])
      assert.include(Explain.lines(explanation), "       limits: rpm 1")
      assert.include(Explain.lines(explanation).join("\n"), "  9. fine (m): available")
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            blind: deployment(answering(), { capabilities: { vision: false, contextWindow: 500 } }),
            small: deployment(answering(), { capabilities: { contextWindow: 500 } }),
            never: deployment(answering(), { weight: 0 }),
            busy: deployment(busy, { limits: { concurrency: 1 } }),
            throttled: deployment(throttled),
            dead: deployment(Testing.script([Testing.fail({ _tag: "Authentication" })])),
            limited: deployment(answering(), { limits: { rpm: 1 } }),
            poor: deployment(answering(), { limits: { tpm: 10 } }),
            fine: deployment(answering()),
          },
          routes: {
            assistant: Route.fallback(
              Route.balance("ordered", ["blind", "small", "never"]),
              "busy",
              "throttled",
              "dead",
              "limited",
              "poor",
              "fine",
            ),
          },
          defaults: { retry: { times: 0 } },
        }),
      ),
    )
  })

  it.effect("shows a half-open circuit with a running probe, and an open circuit whose duration is over", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Authentication" }), Testing.hang()])
    return Effect.gen(function* () {
      yield* Effect.flip(chat())
      assert.deepStrictEqual(verdicts(yield* explain()), {
        primary: { _tag: "CircuitOpen", retryAfter: 300_000, permanent: true },
      })
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(verdicts(yield* explain()), { primary: { _tag: "Available" } })
      yield* Effect.forkChild(chat())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(verdicts(yield* explain()), { primary: { _tag: "CircuitHalfOpen" } })
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: { primary: deployment(primary) },
          routes: { assistant: Route.fallback("primary") },
        }),
      ),
    )
  })

  it.effect("fails for an unknown name", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(explain({ ...ask, model: "nobody" }))
      assert.strictEqual(error.kind, "ModelNotFound")
    }).pipe(Effect.provide(Router.layer({ deployments: { a: deployment(answering()) } }))),
  )
})

describe("Router.explain has no side effects", () => {
  it.effect("neither starts nor extends the window of a rate limit", () => {
    const minutes = (explaining: boolean) =>
      Effect.gen(function* () {
        const look = explaining ? Effect.asVoid(explain()) : Effect.void
        yield* look
        for (let calls = 0; calls < 2; calls++) {
          yield* TestClock.adjust("20 seconds")
          yield* chat()
          yield* look
        }
        yield* TestClock.adjust("10 seconds")
        return verdicts(yield* explain())
      }).pipe(
        Effect.provide(
          Router.layer({
            deployments: { a: deployment(answering(), { limits: { rpm: 2, tpm: 1000 } }) },
            routes: { assistant: Route.to("a") },
          }),
        ),
      )
    return Effect.gen(function* () {
      const without = yield* minutes(false)
      assert.strictEqual(without["a"]?._tag, "RateLimited")
      assert.deepStrictEqual(yield* minutes(true), without)
    })
  })

  const flapping = () =>
    Testing.script([
      Testing.fail({ _tag: "ServerError" }),
      Testing.reply("Hi", { after: "40 millis" }),
      Testing.fail({ _tag: "RateLimited", retryAfter: Duration.seconds(3) }),
      Testing.reply("Hi"),
      Testing.fail({ _tag: "Overloaded" }),
      Testing.reply("Hi"),
    ])

  /** Forty calls, half a second apart, on routes with every strategy: what became of each, and of the deployments. */
  const history = (explaining: boolean) =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const told: Array<unknown> = []
      for (let call = 0; call < 40; call++) {
        const request = { ...ask, model: router.routes()[call % router.routes().length]! }
        const before = yield* router.status
        const explanation = explaining ? yield* router.explain(request) : undefined
        assert.deepStrictEqual(yield* router.status, before)
        const fiber = yield* Effect.forkChild(
          Effect.match(router.chat(request), { onFailure: (e) => e, onSuccess: (a) => a }),
        )
        yield* TestClock.adjust("500 millis")
        const { receipt } = yield* Fiber.join(fiber)
        told.push(
          receipt?.attempts.map(({ deployment, millis, outcome, reason }) => [deployment, millis, outcome, reason]),
          receipt?.skipped,
          before,
        )
        if (explanation === undefined || request.model === "shuffle") continue
        const said = verdicts(explanation)
        for (const { deployment, reason: verdict } of receipt?.skipped ?? [])
          assert.deepStrictEqual<unknown>(said[deployment], verdict)
        const first = receipt?.attempts[0]?.deployment
        const foreseen = Explain.candidates(explanation.plan).find(
          ({ availability }) => availability._tag === "Available",
        )?.deployment
        if (foreseen !== undefined) assert.strictEqual(first, foreseen, "the first that is ready is the first asked")
      }
      return told
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            a: deployment(flapping(), { circuit: { failures: 2, open: "2 seconds" }, limits: { rpm: 20 } }),
            b: deployment(flapping(), { weight: 2, limits: { tpm: 200, concurrency: 2 } }),
            c: deployment(flapping(), { price: { input: 1, output: 1 }, circuit: { failures: 1, open: "2 seconds" } }),
          },
          routes: Object.fromEntries(
            (["round-robin", "shuffle", "latency", "least-busy", "cost"] as const).map((strategy) => [
              strategy,
              Route.balance(strategy, ["a", "b", "c"]),
            ]),
          ),
          defaults: { retry: { times: 0 } },
        }),
      ),
      Random.withSeed("the same chance"),
    )

  it.effect("calls have equal outcomes with and without it, and those that it predicts", () =>
    Effect.gen(function* () {
      const without = yield* Effect.scoped(history(false))
      for (const verdict of ["CoolingDown", "CircuitOpen", "RateLimited"])
        assert.include(JSON.stringify(without), verdict)
      yield* TestClock.setTime(0)
      assert.deepStrictEqual(yield* Effect.scoped(history(true)), without)
    }),
  )
})

/** The cache of a route, over scripted providers. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as CacheStore from "../../src/cache/CacheStore.ts"
import type { CachePolicy } from "../../src/policy/CachePolicy.ts"
import type { CallOptions } from "../../src/model/Call.ts"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import type { Receipt } from "../../src/receipt/Receipt.ts"
import { total } from "../../src/receipt/Receipt.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const question: Chat.Request = { model: "assistant", messages: [Chat.user("Who is on tonight?")] }

const price = { input: 1, output: 1 }

/** A router whose route `assistant` has a cache, over one scripted deployment. */
const caching = Effect.fnUntraced(function* (
  script: readonly [Testing.Outcome, ...ReadonlyArray<Testing.Outcome>],
  options: { readonly policy?: CachePolicy; readonly route?: Route.Input; readonly model?: string } = {},
) {
  const only = Testing.script(script)
  const { model = "m", policy = { ttl: "1 minute" }, route = "only" } = options
  const context = yield* Layer.build(
    Layer.fresh(
      Router.layer({
        deployments: {
          only: Deployment.make({ model, provider: only.layer, price, circuit: { failures: 1000 } }),
          other: Deployment.make({ model, provider: only.layer, price }),
        },
        routes: {
          assistant: Route.fallback(route).pipe(Route.retry({ times: 0 }), Route.cache(policy)),
          alias: Route.to("assistant"),
        },
      }),
    ),
  )
  const router = Context.get(context, Router.Router)
  const receipts: Array<Receipt> = []
  yield* router.subscribe((event) => {
    if (event._tag === "CallEnded") receipts.push(event.receipt)
  })
  const chat = (request: Partial<Chat.Request> = {}, options?: CallOptions) =>
    Effect.map(router.chat({ ...question, ...request }, options), ({ response }) => Chat.text(response))
  /** The frames of a stream read to its end, or as far as `take`. */
  const stream = (request: Partial<Chat.Request> = {}, take = Number.POSITIVE_INFINITY) =>
    Effect.scoped(
      Effect.flatMap(router.chatStream({ ...question, ...request }), ({ frames }) =>
        Stream.runCollect(Stream.take(frames, take)),
      ),
    )
  return { only, receipts, chat, stream }
})

const [once, twice, thrice] = [Testing.reply("once"), Testing.reply("twice"), Testing.reply("thrice")]

describe("a route with a cache", () => {
  it.effect("gives a cached response at no cost until its ttl ends", () =>
    Effect.gen(function* () {
      const { chat, only, receipts } = yield* caching([once, twice])
      assert.strictEqual(yield* chat(), "once")
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* chat(), "once")
      assert.strictEqual(only.requests.length, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* chat(), "twice")
      assert.deepStrictEqual(
        receipts.map(({ cache, deployment, outcome }) => [cache, deployment, outcome]),
        [
          ["miss", "only", "success"],
          ["hit", "only", "success"],
          ["miss", "only", "success"],
        ],
      )
      assert.deepStrictEqual(receipts[1]?.attempts, [])
      assert.deepStrictEqual(total(receipts[1]!), {
        inputTokens: 0,
        cachedInputTokens: undefined,
        outputTokens: 0,
        cost: undefined,
      })
    }),
  )

  it.effect("evicts the least recently used response beyond its maximum", () =>
    Effect.gen(function* () {
      const { chat, only } = yield* caching([Testing.reply("again")], { policy: { ttl: "1 minute", max: 2 } })
      const about = (what: string) => chat({ messages: [Chat.user(what)] })
      for (const what of ["a", "b", "a", "c", "a"]) yield* about(what)
      assert.strictEqual(only.requests.length, 3)
      yield* about("b")
      assert.strictEqual(only.requests.length, 4)
    }),
  )

  const native = (body: Record<string, unknown>, rest: Partial<Chat.Native> = {}): Partial<Chat.Request> => ({
    native: { protocol: "chat-completions", body: { model: "assistant", ...body }, ...rest },
  })

  it.effect("misses on any difference of the request", () =>
    Effect.gen(function* () {
      const { chat, only } = yield* caching([once])
      const tool = { name: "weather", parameters: { type: "object" } }
      const others: ReadonlyArray<Partial<Chat.Request>> = [
        {},
        { messages: [Chat.user("Who is on tonight? ")] },
        { messages: [Chat.system("Be brief."), ...question.messages] },
        { sampling: { temperature: 0 } },
        { sampling: { temperature: 0, seed: 1 } },
        { tools: [tool] },
        { tools: [{ ...tool, strict: true }] },
        { tools: [tool], toolChoice: "none" },
        { format: { type: "json" } },
        { reasoning: { effort: "low" } },
        { user: "somebody" },
        { metadata: { team: "research" } },
        { vendor: { "chat-completions": { logit_bias: { 1: 2 } } } },
        native({}),
        native({ unknown: 1 }),
        native({ unknown: 2 }),
        native({ schema: { first: 1, second: 2 } }),
        native({ schema: { second: 2, first: 1 } }),
        native({ unknown: 1 }, { headers: { "openai-beta": "x" } }),
        native({ unknown: 1 }, { query: { version: "2" } }),
        { native: { protocol: "messages", body: { unknown: 1 } } },
      ]
      for (const other of others) yield* chat(other)
      assert.strictEqual(only.requests.length, others.length)
      for (const other of others) yield* chat(other)
      assert.strictEqual(only.requests.length, others.length)
    }),
  )

  it.effect("hits whatever the order of a native body's fields", () =>
    Effect.gen(function* () {
      const { chat, only } = yield* caching([once])
      yield* chat(native({ a: 1, b: { c: 2 } }))
      yield* chat({ native: { protocol: "chat-completions", body: { b: { c: 2 }, model: "assistant", a: 1 } } })
      assert.strictEqual(only.requests.length, 1)
    }),
  )

  it.effect("misses for another caller", () =>
    Effect.gen(function* () {
      const { chat } = yield* caching([once, twice, thrice])
      assert.strictEqual(yield* chat({}, { caller: "a" }), "once")
      assert.strictEqual(yield* chat({}, { caller: "b" }), "twice")
      assert.strictEqual(yield* chat(), "thrice")
      assert.strictEqual(yield* chat({}, { caller: "a" }), "once")
      assert.strictEqual(yield* chat({}, { caller: "b" }), "twice")
    }),
  )

  it.effect("depends on the cases of Route.when that hold, and on no other call option", () =>
    Effect.gen(function* () {
      const route = Route.when([{ if: { tags: ["vip"] }, use: "only" }], "other")
      const { chat, receipts } = yield* caching([once, twice], { route })
      assert.strictEqual(yield* chat({}, { tags: ["vip"] }), "once")
      assert.strictEqual(yield* chat({}, { tags: ["beta"] }), "twice")
      assert.strictEqual(yield* chat({}, { headers: { "user-agent": "curl" }, timeout: "1 minute" }), "twice")
      assert.strictEqual(yield* chat({}, { tags: ["beta", "vip"] }), "once")
      assert.deepStrictEqual(
        receipts.map(({ deployment }) => deployment),
        ["only", "other", "other", "only"],
      )
    }),
  )

  it.effect("does not cache failures", () =>
    Effect.gen(function* () {
      const { chat, receipts } = yield* caching([Testing.fail({ _tag: "Overloaded" }), once])
      assert.strictEqual((yield* Effect.flip(chat())).kind, "Unavailable")
      assert.strictEqual(yield* chat(), "once")
      assert.strictEqual(yield* chat(), "once")
      assert.deepStrictEqual(
        receipts.map(({ cache }) => cache),
        ["miss", "miss", "hit"],
      )
    }),
  )

  it.effect("does not advance round-robin on a hit", () =>
    Effect.gen(function* () {
      const route = Route.balance("round-robin", ["only", "other"])
      const { chat, receipts } = yield* caching([once], { route })
      for (const what of ["a", "a", "a", "b"]) yield* chat({ messages: [Chat.user(what)] })
      assert.deepStrictEqual(
        receipts.map(({ deployment }) => deployment),
        ["only", "only", "only", "other"],
      )
    }),
  )

  it.effect("calls the provider for each of several identical calls at once", () =>
    Effect.gen(function* () {
      const { chat, only } = yield* caching([Testing.reply("slow", { after: "1 second" })])
      const both = yield* Effect.forkChild(Effect.all([chat(), chat()], { concurrency: 2 }), { startImmediately: true })
      // What is asked is looked for by its digest, which is made outside of the test's time.
      yield* Effect.repeat(Effect.yieldNow, { until: () => only.requests.length === 2 })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(both)
      assert.strictEqual(only.requests.length, 2)
    }),
  )

  it.effect("caches its own calls only, not those of routes that name it or that it names", () =>
    Effect.gen(function* () {
      const { chat, only, receipts } = yield* caching([once])
      for (const model of ["assistant", "alias", "alias", "only", "only"]) yield* chat({ model })
      assert.strictEqual(only.requests.length, 5)
      assert.deepStrictEqual(
        receipts.map(({ cache }) => cache),
        ["miss", undefined, undefined, undefined, undefined],
      )
    }),
  )
})

describe("routers with a shared cache", () => {
  it.effect("share the responses of routes with equal names and deployments", () =>
    Effect.gen(function* () {
      const [first, second] = [Testing.script([once]), Testing.script([twice])]
      const store = yield* Layer.build(Router.layerMemory)
      const kept = Route.fallback("only").pipe(Route.cache({ ttl: "1 minute" }))
      const ask = (model: string, { layer }: Testing.Scripted, route = "assistant") =>
        Effect.gen(function* () {
          const router = yield* Router.Router
          return Chat.text((yield* router.chat({ ...question, model: route })).response)
        }).pipe(
          Effect.provide(
            Router.layerShared({
              deployments: { only: Deployment.make({ model, provider: layer }) },
              routes: { assistant: kept, other: kept },
            }),
          ),
          Effect.provideContext(Context.add(store, CacheStore.CacheStore, shared)),
        )
      const entries = new Map<string, CacheStore.Entry>()
      const shared = CacheStore.CacheStore.of({
        forRoute: () =>
          Effect.succeed({
            get: (key) => Effect.sync(() => entries.get(key)),
            set: (key, entry) => Effect.sync(() => void entries.set(key, entry)),
          }),
      })
      assert.strictEqual(yield* ask("gpt-4o", first), "once")
      assert.strictEqual(yield* ask("gpt-4o", second), "once")
      assert.strictEqual(yield* ask("gpt-5", second), "twice")
      assert.strictEqual(yield* ask("gpt-4o", second, "other"), "twice")
      for (const key of entries.keys()) assert.match(key, /^[0-9a-f]{64}$/)
    }),
  )
})

describe("a cached stream", () => {
  const call = Testing.callTool("weather", { city: "Rome" })

  for (const [what, outcome] of [
    ["words", Testing.reply(["Once", " upon", " a time"])],
    ["tool calls", call],
  ] as const) {
    it.effect(`is replayed with its frames: ${what}`, () =>
      Effect.gen(function* () {
        const { only, receipts, stream } = yield* caching([outcome, Testing.reply("another")])
        const first = yield* stream()
        assert.deepStrictEqual(first, [...outcome.frames])
        assert.deepStrictEqual(yield* stream(), first)
        assert.strictEqual(only.requests.length, 1)
        assert.deepStrictEqual(
          receipts.map(({ cache, outcome }) => [cache, outcome]),
          [
            ["miss", "success"],
            ["hit", "success"],
          ],
        )
      }),
    )
  }

  it.effect("is not given to a call of a complete response, nor the reverse", () =>
    Effect.gen(function* () {
      const { chat, only, stream } = yield* caching([once, twice])
      yield* stream()
      assert.strictEqual(yield* chat(), "twice")
      yield* stream()
      yield* chat()
      assert.strictEqual(only.requests.length, 2)
    }),
  )

  for (const [what, broken] of [
    ["was cut", Testing.cut(["Once", " upon"])],
    ["broke", Testing.fail({ _tag: "ServerError" }, { output: "Once" })],
  ] as const) {
    it.effect(`is not made of a stream that ${what}`, () =>
      Effect.gen(function* () {
        const { only, stream } = yield* caching([broken, once])
        assert.strictEqual((yield* Effect.flip(stream())).kind, "StreamInterrupted")
        assert.deepStrictEqual(yield* stream(), [...once.frames])
        yield* stream()
        assert.strictEqual(only.requests.length, 2)
      }),
    )
  }

  it.effect("is not made of a stream that its caller left", () =>
    Effect.gen(function* () {
      const { only, stream } = yield* caching([Testing.reply(["Once", " upon"]), once])
      yield* stream({}, 2)
      assert.deepStrictEqual(yield* stream(), [...once.frames])
      assert.strictEqual(only.requests.length, 2)
    }),
  )
})

describe("Entry", () => {
  it("survives print and parse", () => {
    const entry: CacheStore.Entry = {
      deployment: "only",
      droppedParams: ["seed"],
      answer: { _tag: "Streamed", frames: Testing.callTool("weather", {}).frames },
    }
    assert.deepStrictEqual(CacheStore.parse(CacheStore.print(entry)), entry)
    for (const text of ["", "{", "null", "1", '{"answer":1}']) assert.isUndefined(CacheStore.parse(text))
  })
})

/** What a key may use, over an engine with scripted providers, under a clock that stands until it is told to move. */
import { assert, describe, it } from "@effect/vitest"
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Bucket from "@understudy/core/internal/policy/Bucket"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import type { CallOptions } from "@understudy/core/Call"
import type * as Receipt from "@understudy/core/Receipt"
import * as Testing from "@understudy/core/Testing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Caller } from "../../src/auth/Caller.ts"
import * as Keyring from "../../src/auth/Keyring.ts"
import * as KeyedRouter from "../../src/keys/KeyedRouter.ts"
import type { ConfiguredKey, Team, VirtualKey } from "../../src/auth/VirtualKey.ts"

const key = (id: string, rest: Partial<ConfiguredKey> = {}): ConfiguredKey => ({ id, key: Redacted.make(id), ...rest })

/** 100 tokens: 4 read, by estimate, and 96 written at most. */
const asked: Chat.Request = {
  model: "assistant",
  messages: [Chat.user("Sixteen letters.")],
  sampling: { maxTokens: 96 },
}

/** A router that these keys are held to, over one deployment that follows the script. */
const held = Effect.fnUntraced(function* (
  keys: ReadonlyArray<ConfiguredKey>,
  ...script: readonly [Testing.Outcome, ...ReadonlyArray<Testing.Outcome>]
) {
  const only = Testing.script(script)
  const RouterLive = Router.layer({
    deployments: {
      only: Deployment.make({ model: "m", provider: only.layer, circuit: { failures: 1000 } }),
      other: Deployment.make({ model: "m", provider: only.layer }),
      "any/*": Deployment.make({ model: "*", provider: only.layer }),
      "any/own": Deployment.make({ model: "m", provider: only.layer }),
    },
    routes: {
      assistant: Route.to("only").pipe(Route.retry({ times: 0 })),
      picky: Route.when([{ if: { keys: ["vip"] }, use: "only" }], "other"),
    },
  })
  const limits = Layer.fresh(RateLimit.layerMemory)
  const ring = new Keyring.Keyring(keys.map(Keyring.configured), true)
  const context = yield* Layer.build(Layer.provideMerge(Layer.provide(KeyedRouter.layer(ring), RouterLive), limits))
  const router = Context.get(context, Router.Router)
  const limiter = Context.get(context, RateLimiter.RateLimiter)
  const receipts: Array<Receipt.Receipt> = []
  yield* router.subscribe((event) => {
    if (event._tag === "CallEnded") receipts.push(event.receipt)
  })
  return {
    only,
    receipts,
    ring,
    /** What becomes of a call by a key: who was asked, or why nobody was. */
    chat: (by: VirtualKey | undefined, request: Partial<Chat.Request> = {}) =>
      Effect.provideService(router.chat({ ...asked, ...request }), Caller, by),
    stream: (by: VirtualKey, request: Partial<Chat.Request> = {}) =>
      Effect.provideService(router.chatStream({ ...asked, ...request }), Caller, by),
    embed: (by: VirtualKey, model = "assistant") =>
      Effect.provideService(router.embed({ model, input: ["Sixteen letters."] }), Caller, by),
    count: (by: VirtualKey, model = "assistant") =>
      Effect.provideService(router.countTokens({ ...asked, model }), Caller, by),
    explain: (by: VirtualKey, model: string) => Effect.provideService(router.explain({ ...asked, model }), Caller, by),
    /** How many of its tokens a key has left. */
    tokens: ({ id, limits = {} }: VirtualKey) =>
      Effect.map(
        RateLimit.statuses({ limiter, buckets: Bucket.make(`key:${id}`, { tpm: limits.tpm }) }),
        ([standing]) => standing?.remaining,
      ),
  }
})

describe("a virtual key", () => {
  const a = key("a", { limits: { rpm: 2 }, routes: ["assistant"] })
  const b = key("b")

  it.effect("calls its own routes, and cannot discover others", () =>
    Effect.gen(function* () {
      const { chat, explain, only } = yield* held([a, b], Testing.reply("Hello"))
      const forbidden = yield* Effect.flip(chat(a, { model: "other" }))
      const unknown = yield* Effect.flip(chat(a, { model: "nobody" }))
      for (const error of [forbidden, unknown, yield* Effect.flip(explain(a, "other"))]) {
        assert.strictEqual(error.kind, "Forbidden")
        assert.match(error.message, /^Key "a" may not call "\w+"\. It may call: assistant\.$/)
      }
      assert.strictEqual((yield* Effect.flip(chat(b, { model: "nobody" }))).kind, "ModelNotFound")
      assert.strictEqual(only.requests.length, 0)
      yield* chat(a)
      yield* chat(a)
      yield* chat(b, { model: "other" })
      yield* explain(a, "assistant")
      assert.strictEqual(only.requests.length, 3)
    }),
  )

  it.effect("with a wildcard route may call only the names that it matches", () =>
    Effect.gen(function* () {
      const c = key("c", { routes: ["any/*"] })
      const { chat, only } = yield* held([c], Testing.reply("Hello"))
      yield* chat(c, { model: "any/thing" })
      for (const model of ["any/own", "other", "*"]) {
        assert.strictEqual((yield* Effect.flip(chat(c, { model }))).kind, "Forbidden")
      }
      assert.deepStrictEqual(
        only.requests.map(({ model }) => model),
        ["thing"],
      )
    }),
  )

  it.effect("shares its limits between calls and embeddings, and counts tokens outside of them", () =>
    Effect.gen(function* () {
      const limited = key("c", { limits: { tpm: 1000 }, routes: ["assistant"] })
      const { count, embed, tokens } = yield* held([limited], Testing.vectors([[1]]))
      for (const error of [yield* Effect.flip(embed(limited, "other")), yield* Effect.flip(count(limited, "other"))]) {
        assert.strictEqual(error.kind, "Forbidden")
      }
      assert.strictEqual((yield* count(limited)).inputTokens, 4)
      assert.strictEqual(yield* tokens(limited), 1000)
      const { receipt } = yield* embed(limited)
      assert.strictEqual(receipt.caller, "c")
      assert.strictEqual(yield* tokens(limited), 990)
    }),
  )

  it.effect("has limits of its own, which do not affect other keys and recover with time", () =>
    Effect.gen(function* () {
      const { chat, receipts } = yield* held([a, b], Testing.reply("Hello"))
      yield* chat(a)
      yield* chat(a)
      const error = yield* Effect.flip(chat(a))
      assert.strictEqual(error.kind, "RateLimited")
      assert.strictEqual(error.retryAfter, 60_000)
      assert.strictEqual(error.message, 'Key "a" exceeds its limit of 2 requests a minute.')
      yield* chat(b)
      yield* chat(undefined)
      assert.deepStrictEqual(
        receipts.map(({ caller }) => caller),
        ["a", "a", "b", undefined],
      )
      yield* TestClock.adjust("1 minute")
      yield* chat(a)
    }),
  )

  it.effect("that is not configured may call nothing", () =>
    Effect.gen(function* () {
      const { chat } = yield* held([a], Testing.reply("Hello"))
      assert.strictEqual((yield* Effect.flip(chat(key("stranger")))).kind, "Forbidden")
    }),
  )
})

describe("a team", () => {
  const stored = (id: string, rest: Partial<VirtualKey> = {}): Keyring.StoredKey => ({
    virtualKey: { id, ...rest },
    teamId: "t",
    digest: Keyring.digestOf(id),
    length: id.length,
    previous: undefined,
  })
  const team = (rest: Partial<Team> = {}): Team => ({ id: "t", name: "platform", ...rest })

  it.effect("shares its limits between its keys, and a call that one of both rejects takes nothing", () =>
    Effect.gen(function* () {
      const { chat, ring, tokens } = yield* held([], Testing.reply("Hello"))
      ring.putTeam(team({ limits: { rpm: 3 } }))
      ring.put(stored("a", { limits: { rpm: 1, tpm: 1000 } }))
      ring.put(stored("b"))
      const [a, b] = [ring.byId("a")!, ring.byId("b")!]
      yield* chat(a)
      const left = yield* tokens(a)
      assert.strictEqual((yield* Effect.flip(chat(a))).message, 'Key "a" exceeds its limit of 1 request a minute.')
      assert.strictEqual((yield* Effect.flip(chat(a))).kind, "RateLimited")
      yield* chat(b)
      yield* chat(b)
      const error = yield* Effect.flip(chat(b))
      assert.strictEqual(error.message, 'Team "platform" exceeds its limit of 3 requests a minute.')
      assert.strictEqual(error.retryAfter, 60_000)
      assert.strictEqual(yield* tokens(a), left)
    }),
  )

  it.effect("allows its keys no route besides its own", () =>
    Effect.gen(function* () {
      const { chat, ring } = yield* held([], Testing.reply("Hello"))
      ring.putTeam(team({ routes: ["assistant"] }))
      ring.put(stored("a", { routes: ["assistant", "other"] }))
      ring.put(stored("b"))
      for (const id of ["a", "b"]) {
        const by = ring.byId(id)!
        yield* chat(by)
        assert.strictEqual(
          (yield* Effect.flip(chat(by, { model: "other" }))).message,
          `Key "${id}" may not call "other". It may call: assistant.`,
        )
      }
    }),
  )

  it.effect("and its keys are held to their limits as soon as these change", () =>
    Effect.gen(function* () {
      const { ring, stream } = yield* held([], Testing.reply("Hello"))
      ring.putTeam(team({ limits: { concurrency: 2 } }))
      ring.put(stored("a"))
      const running = yield* Scope.make()
      const open = Effect.suspend(() => Scope.provide(stream(ring.byId("a")!), running))
      yield* open
      ring.putTeam(team({ limits: { concurrency: 1 } }))
      assert.strictEqual((yield* Effect.flip(open)).message, 'Team "platform" exceeds its limit of 1 concurrent call.')
      ring.putTeam(team({ limits: { concurrency: 2 } }))
      yield* open
      assert.strictEqual((yield* Effect.flip(open)).kind, "RateLimited")
      ring.putTeam(team())
      yield* open
      yield* Scope.close(running, Exit.void)
      ring.remove("a")
      assert.strictEqual((yield* Effect.flip(Effect.scoped(stream({ id: "a" })))).kind, "Forbidden")
    }),
  )

  it.effect("and the tags of a key are those of its calls, beside their own", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const router = Router.Router.of({
        canonicalName: (model: string) => model,
        chat: (_: Chat.Request, options?: CallOptions) => {
          seen.push(options?.caller, options?.team, options?.tags)
          return Effect.never
        },
      } as never)
      const ring = new Keyring.Keyring([], true)
      ring.putTeam(team())
      ring.put(stored("a", { tags: ["nightly"] }))
      const live = Layer.provide(KeyedRouter.layer(ring), Layer.succeed(Router.Router, router))
      const keyed = Context.get(yield* Layer.build(Layer.provide(live, RateLimit.layerMemory)), Router.Router)
      yield* Effect.forkScoped(Effect.provideService(keyed.chat(asked, { tags: ["batch"] }), Caller, ring.byId("a")), {
        startImmediately: true,
      })
      assert.deepStrictEqual(seen, ["a", "t", ["nightly", "batch"]])
    }),
  )
})

describe("a route's conditions", () => {
  it.effect("match the key of a call", () =>
    Effect.gen(function* () {
      const { chat, explain, receipts } = yield* held([key("vip"), key("b")], Testing.reply("Hello"))
      yield* chat(key("vip"), { model: "picky" })
      yield* chat(key("b"), { model: "picky" })
      yield* chat(undefined, { model: "picky" })
      assert.deepStrictEqual(
        receipts.map(({ deployment }) => deployment),
        ["only", "other", "other"],
      )
      const { plan } = yield* explain(key("vip"), "picky")
      assert.deepInclude(plan, { _tag: "Deployment", deployment: "only" })
    }),
  )
})

describe("the concurrency limit", () => {
  const a = key("a", { limits: { concurrency: 1 } })

  it.effect("rejects calls without queueing, and counts them until they end", () =>
    Effect.gen(function* () {
      const { chat } = yield* held([a], Testing.reply("Hello", { after: "1 second" }))
      const running = yield* Effect.forkChild(chat(a), { startImmediately: true })
      const error = yield* Effect.flip(chat(a))
      assert.strictEqual(error.message, 'Key "a" exceeds its limit of 1 concurrent call.')
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(running)
      const next = yield* Effect.forkChild(chat(a), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(next)
    }),
  )

  it.effect("releases a permit when a stream's scope closes or a call is cancelled", () =>
    Effect.gen(function* () {
      const { chat, only, stream } = yield* held([a], Testing.hang({ output: "Once" }), Testing.hang())
      const scope = yield* Scope.make()
      yield* Scope.provide(stream(a), scope)
      assert.strictEqual((yield* Effect.flip(chat(a))).kind, "RateLimited")
      yield* Scope.close(scope, Exit.void)
      const waiting = yield* Effect.forkChild(chat(a), { startImmediately: true })
      assert.strictEqual((yield* Effect.flip(chat(a))).kind, "RateLimited")
      yield* Fiber.interrupt(waiting)
      const again = yield* Effect.forkChild(chat(a), { startImmediately: true })
      assert.strictEqual(only.inFlight(), 1)
      yield* Fiber.interrupt(again)
      assert.strictEqual(only.inFlight(), 0)
    }),
  )
})

describe("the token limit", () => {
  const a = key("a", { limits: { tpm: 1000 } })
  const usage = { inputTokens: 20, outputTokens: 10 }

  it.effect("takes the estimate, and adjusts it to the usage", () =>
    Effect.gen(function* () {
      const { chat, tokens } = yield* held([a], Testing.reply("Hello", { after: "1 milli", usage }))
      const running = yield* Effect.forkChild(chat(a), { startImmediately: true })
      assert.strictEqual(yield* tokens(a), 900)
      yield* TestClock.adjust("1 milli")
      yield* Fiber.join(running)
      assert.strictEqual(yield* tokens(a), 970)
    }),
  )

  it.effect("refunds the tokens of a call without usage", () =>
    Effect.gen(function* () {
      const { chat, stream, tokens } = yield* held([a], Testing.fail({ _tag: "Overloaded" }))
      yield* Effect.flip(chat(a))
      yield* Effect.flip(Effect.scoped(stream(a)))
      yield* Effect.flip(chat(a, { model: "nobody" }))
      assert.strictEqual(yield* tokens(a), 1000)
    }),
  )

  it.effect("adjusts the tokens of a stream once, at its end", () =>
    Effect.gen(function* () {
      const { stream, tokens } = yield* held([a], Testing.reply(["Once", " upon"], { usage }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { frames } = yield* stream(a)
          assert.strictEqual(yield* tokens(a), 900)
          yield* Stream.runDrain(frames)
        }),
      )
      assert.strictEqual(yield* tokens(a), 970)
    }),
  )

  for (const [what, broken] of [
    ["is cut", Testing.cut("Once")],
    ["breaks", Testing.fail({ _tag: "ServerError" }, { output: "Once" })],
  ] as const) {
    it.effect(`keeps the estimate where a stream ${what} before it reports usage`, () =>
      Effect.gen(function* () {
        const { stream, tokens } = yield* held([a], broken)
        yield* Effect.scoped(Effect.flatMap(stream(a), ({ frames }) => Effect.flip(Stream.runDrain(frames))))
        assert.strictEqual(yield* tokens(a), 900)
      }),
    )
  }

  it.effect("keeps the estimate where the caller disconnects", () =>
    Effect.gen(function* () {
      const { chat, stream, tokens } = yield* held([a], Testing.hang(), Testing.hang({ output: "Once" }))
      const waiting = yield* Effect.forkChild(chat(a), { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(yield* tokens(a), 900)
      yield* Effect.scoped(Effect.flatMap(stream(a), ({ frames }) => Stream.runDrain(Stream.take(frames, 1))))
      assert.strictEqual(yield* tokens(a), 800)
    }),
  )

  it.effect("rejects a call larger than the limit permanently", () =>
    Effect.gen(function* () {
      const { chat, tokens } = yield* held([a], Testing.reply("Hello"))
      const error = yield* Effect.flip(chat(a, { sampling: { maxTokens: 2000 } }))
      assert.strictEqual(
        error.message,
        'The call needs an estimated 2004 tokens, more than the limit of key "a": 1000 tokens a minute.',
      )
      assert.strictEqual(yield* tokens(a), 1000)
    }),
  )

  const Ends = Schema.Literals(["answer", "fail", "leave"])

  it.effect.prop(
    "are never given back more than once, however calls end",
    { ends: Schema.Array(Ends).check(Schema.isMaxLength(8)) },
    Effect.fnUntraced(function* ({ ends }) {
      const outcomes = {
        answer: Testing.reply("Hello", { usage: { inputTokens: 60, outputTokens: 40 } }),
        fail: Testing.fail({ _tag: "Overloaded" }),
        leave: Testing.hang(),
      }
      const [first = Testing.reply("x"), ...rest] = ends.map((end) => outcomes[end])
      const { chat, tokens } = yield* held([a], first, ...rest)
      let left = 1000
      for (const end of ends) {
        const running = yield* Effect.forkChild(Effect.exit(chat(a)), { startImmediately: true })
        if (end === "leave") yield* Fiber.interrupt(running)
        else yield* Fiber.join(running)
        if (end !== "fail") left -= 100
        assert.strictEqual(yield* tokens(a), left)
      }
    }, Effect.scoped),
  )
})

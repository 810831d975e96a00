/** Balances that keep conversations: which deployment answers each turn, and why a conversation is moved. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import type { CallOptions } from "../../src/model/Call.ts"
import * as Chat from "../../src/model/Chat.ts"
import type { Limits } from "../../src/policy/Limits.ts"
import type { AffinityPolicy } from "../../src/policy/Policies.ts"
import type { Affinity, Receipt } from "../../src/receipt/Receipt.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const names = ["a", "b", "c", "d"] as const
type Name = (typeof names)[number]
type Script = readonly [Testing.Outcome, ...ReadonlyArray<Testing.Outcome>]
type Scripts = Partial<Record<Name | "other", Script>>

/** Four deployments that answer unless a script says otherwise, and routes over them. */
const world = (
  affinity: AffinityPolicy,
  {
    limits = {},
    routes = {},
    scripts = {},
  }: {
    readonly scripts?: Scripts
    readonly limits?: Partial<Record<Name, Limits>>
    readonly routes?: Readonly<Record<string, Route.Route>>
  } = {},
) => {
  const deployments = Object.fromEntries(
    [...names, "other" as const].map((name) => [
      name,
      Deployment.make({
        model: name,
        provider: Testing.script(scripts[name] ?? [Testing.reply(`from ${name}`)]).layer,
        limits: name === "other" ? {} : (limits[name] ?? {}),
        retry: { times: 0 },
      }),
    ]),
  )
  const options = {
    deployments,
    routes: { assistant: Route.balance("round-robin", names, { affinity }), ...routes },
  }
  return { options, layer: Router.layer(options) }
}

const asked: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }

const chat = (
  options: CallOptions = {},
  request: Partial<Chat.Request> = {},
): Effect.Effect<Receipt, unknown, Router.Router> =>
  Effect.flatMap(Router.Router, (router) =>
    Effect.map(router.chat({ ...asked, ...request }, options), ({ receipt }) => receipt),
  )

/** The deployment and the affinity of a call. */
const seen = ({ affinity, deployment }: Receipt): readonly [string | undefined, Affinity | undefined] => [
  deployment,
  affinity,
]

const stays = { result: "kept" } as const
const begins = { result: "new" } as const

/** The deployments of several calls. */
const deploymentsOf = (...calls: ReadonlyArray<Effect.Effect<Receipt, unknown, Router.Router>>) =>
  Effect.map(Effect.all(calls), (receipts) => receipts.map(({ deployment }) => deployment))

const session = { session: "s" }

describe("affinity by session", () => {
  it.effect("keeps each session on the deployment that answered its first call", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(seen(yield* chat({ session: "1" })), ["a", begins])
      assert.deepStrictEqual(seen(yield* chat({ session: "2" })), ["b", begins])
      for (let turn = 0; turn < 5; turn++) {
        assert.deepStrictEqual(seen(yield* chat({ session: "1" })), ["a", stays])
        assert.deepStrictEqual(seen(yield* chat({ session: "2" })), ["b", stays])
      }
    }).pipe(Effect.provide(world({}).layer)),
  )

  it.effect("takes no turn of the round robin for a call that is kept", () =>
    Effect.gen(function* () {
      yield* chat({ session: "1" })
      yield* chat({ session: "1" })
      assert.deepStrictEqual(yield* deploymentsOf(chat({ session: "2" }), chat({ session: "3" })), ["b", "c"])
    }).pipe(Effect.provide(world({}).layer)),
  )

  it.effect("tells the sessions of different callers apart", () =>
    Effect.gen(function* () {
      yield* chat({ session: "s", caller: "one" })
      assert.deepStrictEqual(seen(yield* chat({ session: "s", caller: "two" })), ["b", begins])
      assert.deepStrictEqual(seen(yield* chat({ session: "s" })), ["c", begins])
      assert.deepStrictEqual(seen(yield* chat({ session: "s", caller: "one" })), ["a", stays])
    }).pipe(Effect.provide(world({}).layer)),
  )

  it.effect("is by the user where the call has no session, and by its prefix where it names none either", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(seen(yield* chat({}, { user: "ada" })), ["a", begins])
      assert.deepStrictEqual(seen(yield* chat()), ["b", begins])
      assert.deepStrictEqual(seen(yield* chat({}, { user: "ada", messages: [Chat.user("Else")] })), ["a", stays])
      assert.deepStrictEqual(seen(yield* chat()), ["b", stays])
    }).pipe(Effect.provide(world({}).layer)),
  )

  it.effect("forgets a session when it had no call for so long, and not before", () =>
    Effect.gen(function* () {
      yield* chat(session)
      for (let turn = 0; turn < 3; turn++) {
        yield* TestClock.adjust("50 minutes")
        assert.deepStrictEqual(seen(yield* chat(session)), ["a", stays])
      }
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(seen(yield* chat(session)), ["b", begins])
    }).pipe(Effect.provide(world({ for: "1 hour" }).layer)),
  )

  it.effect("keeps a session from the first output of its stream, though the client disconnects", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const streamed = (options: CallOptions) =>
        Effect.scoped(
          Effect.flatMap(router.chatStream(asked, options), ({ frames, receipt }) =>
            Effect.as(Stream.runDrain(Stream.take(frames, 1)), receipt),
          ),
        )
      assert.deepStrictEqual(seen(yield* streamed(session)), ["a", begins])
      assert.deepStrictEqual(seen(yield* streamed({ session: "t" })), ["b", begins])
      const receipt = yield* streamed(session)
      assert.deepStrictEqual(seen(receipt), ["a", stays])
      assert.strictEqual(receipt.outcome, "cancelled")
    }).pipe(
      Effect.provide(world({}, { scripts: { a: [Testing.reply(["1", "2", "3"], { tokenDelay: 0 })] } }).layer),
      Effect.scoped,
    ),
  )
})

describe("affinity by user", () => {
  it.effect("keeps all conversations of a user together, and without a user those of the caller", () =>
    Effect.gen(function* () {
      const calls = yield* deploymentsOf(
        chat({ session: "1" }, { user: "ada" }),
        chat({ session: "2" }, { user: "ada" }),
        chat({ session: "3", caller: "k" }),
        chat({ session: "4", caller: "k" }),
        chat({ session: "5" }),
        chat({ session: "5" }),
      )
      assert.deepStrictEqual(calls, ["a", "a", "b", "b", "c", "d"])
      assert.isUndefined((yield* chat({ session: "5" })).affinity)
    }).pipe(Effect.provide(world({ by: "user" }).layer)),
  )
})

describe("affinity by prefix", () => {
  const turn = (...texts: ReadonlyArray<string>): Partial<Chat.Request> => ({
    messages: [Chat.system("Be brief."), ...texts.map((text, at) => (at % 2 ? Chat.assistant(text) : Chat.user(text)))],
  })

  it.effect("follows a conversation that grows, whatever sessions its calls name", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(seen(yield* chat({ session: "1" }, turn("Hi"))), ["a", begins])
      assert.deepStrictEqual(seen(yield* chat({ session: "1" }, turn("Who are you?"))), ["b", begins])
      assert.deepStrictEqual(seen(yield* chat({ session: "2" }, turn("Hi", "Hello", "How?"))), ["a", stays])
      const long = ["Hi", "Hello", "How?", "So", "Why?", "Because", "When?", "Now", "Where?"]
      assert.deepStrictEqual(seen(yield* chat({}, turn(...long))), ["a", stays])
    }).pipe(Effect.provide(world({ by: "prefix" }).layer)),
  )

  it.effect("is not kept by a system prompt that conversations share", () =>
    Effect.gen(function* () {
      yield* chat({}, { messages: [Chat.system("Be brief."), Chat.user("One")] })
      const other = yield* chat({}, { messages: [Chat.system("Be brief."), Chat.user("Two")] })
      assert.deepStrictEqual(seen(other), ["b", begins])
      const alone = yield* chat({}, { messages: [Chat.system("Be brief.")] })
      assert.deepStrictEqual(seen(alone), ["c", undefined])
    }).pipe(Effect.provide(world({ by: "prefix" }).layer)),
  )

  it.effect("finds a conversation whose client changes the latest message afterwards", () =>
    Effect.gen(function* () {
      yield* chat({}, turn("Hi (reminder: be brief)"))
      const second = yield* chat({}, turn("Hi", "Hello", "How? (reminder: be brief)"))
      assert.deepStrictEqual(seen(second), ["b", begins])
      assert.deepStrictEqual(seen(yield* chat({}, turn("Hi", "Hello", "How?", "So", "Why?"))), ["b", stays])
    }).pipe(Effect.provide(world({ by: "prefix" }).layer)),
  )

  it.effect("reads through cache breakpoints, reasoning and tools, which differ between turns", () =>
    Effect.gen(function* () {
      const text = (text: string, cache?: Chat.CacheHint): Chat.Text => ({
        type: "text",
        text,
        ...(cache && { cache }),
      })
      const call: Chat.ToolCall = { type: "tool-call", id: "1", name: "look", arguments: '{"at":"x"}' }
      yield* chat({}, { messages: [Chat.user([text("Look", {})])] })
      yield* chat({}, { messages: [Chat.user("Elsewhere")] })
      const receipt = yield* chat(
        {},
        {
          tools: [{ name: "look" }],
          messages: [
            Chat.user([text("Look")]),
            Chat.assistant([{ type: "reasoning", text: "Hm" }, call]),
            Chat.toolResult("1", "nothing"),
          ],
        },
      )
      assert.deepStrictEqual(seen(receipt), ["a", stays])
      const next = yield* chat(
        {},
        {
          messages: [
            Chat.user("Look"),
            Chat.assistant([call]),
            Chat.toolResult("1", "nothing"),
            Chat.assistant("Nothing there."),
            Chat.user("Sure?"),
          ],
        },
      )
      assert.deepStrictEqual(seen(next), ["a", stays])
    }).pipe(Effect.provide(world({ by: "prefix" }).layer)),
  )

  it.effect("tells texts apart by where they end, and images by their data", () =>
    Effect.gen(function* () {
      const parts = (...texts: ReadonlyArray<string>) => [Chat.user(texts.map((text) => ({ type: "text", text })))]
      const image = (data: string): ReadonlyArray<Chat.Message> => [
        Chat.user([{ type: "image", source: { type: "base64", data, mediaType: "image/png" } }]),
      ]
      const big = "A".repeat(10_000)
      const all = [parts("ab", "c"), parts("a", "bc"), image(big), image(`${big}B`)]
      const first = yield* Effect.forEach(all, (messages) => chat({}, { messages }))
      assert.deepStrictEqual(
        first.map(({ deployment }) => deployment),
        [...names],
      )
      const second = yield* Effect.forEach(all, (messages) => chat({}, { messages }))
      assert.deepStrictEqual(
        second.map(({ affinity }) => affinity),
        names.map(() => stays),
      )
    }).pipe(Effect.provide(world({ by: "prefix" }).layer)),
  )
})

describe("a conversation is moved", () => {
  const failing = (reason: Parameters<typeof Testing.fail>[0]): Script => [
    Testing.reply("one"),
    Testing.fail(reason),
    Testing.reply("again"),
  ]

  it.effect("when its deployment fails, to the one that answers, where it stays when the first is back", () =>
    Effect.gen(function* () {
      yield* chat(session)
      const moved = { result: "moved", from: "a", reason: "Overloaded" } as const
      assert.deepStrictEqual(seen(yield* chat(session)), ["b", moved])
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(seen(yield* chat(session)), ["b", stays])
    }).pipe(Effect.provide(world({}, { scripts: { a: failing({ _tag: "Overloaded" }) } }).layer)),
  )

  it.effect("while its deployment cools down", () =>
    Effect.gen(function* () {
      yield* chat({ session: "1" })
      yield* Effect.flip(
        Effect.flatMap(Router.Router, (router) => router.chat({ ...asked, model: "a" }, { session: "1" })),
      )
      const moved = { result: "moved", from: "a", reason: "CoolingDown" } as const
      assert.deepStrictEqual(seen(yield* chat({ session: "1" })), ["b", moved])
    }).pipe(Effect.provide(world({}, { scripts: { a: failing({ _tag: "RateLimited" }) } }).layer)),
  )

  it.effect("while the circuit of its deployment is open", () =>
    Effect.gen(function* () {
      yield* chat({ session: "1" })
      yield* Effect.flip(
        Effect.flatMap(Router.Router, (router) => router.chat({ ...asked, model: "a" }, { session: "1" })),
      )
      const moved = { result: "moved", from: "a", reason: "CircuitOpen" } as const
      assert.deepStrictEqual(seen(yield* chat({ session: "1" })), ["b", moved])
    }).pipe(Effect.provide(world({}, { scripts: { a: failing({ _tag: "Authentication" }) } }).layer)),
  )

  it.effect("when its deployment is at its own limit, which is never exceeded", () =>
    Effect.gen(function* () {
      const receipts = yield* Effect.forEach([1, 2, 3], () => chat(session))
      assert.deepStrictEqual(receipts.map(seen), [
        ["a", begins],
        ["a", stays],
        ["b", { result: "moved", from: "a", reason: "RateLimited" }],
      ])
    }).pipe(Effect.provide(world({}, { limits: { a: { rpm: 2 } } }).layer)),
  )

  it.effect("when a reload removes its deployment from the balance, and by nothing else in it", () => {
    const { layer, options } = world({})
    return Effect.gen(function* () {
      const { reload } = yield* Router.Reload
      yield* chat(session)
      const routed = (...across: readonly [string, ...ReadonlyArray<string>]) =>
        reload({ ...options, routes: { assistant: Route.balance("ordered", across, { affinity: {} }) } })
      yield* routed("d", "c", "a")
      assert.deepStrictEqual(seen(yield* chat(session)), ["a", stays])
      yield* routed("d", "c")
      assert.deepStrictEqual(seen(yield* chat(session)), ["d", { result: "moved", from: "a", reason: "Removed" }])
      assert.deepStrictEqual(seen(yield* chat(session)), ["d", stays])
    }).pipe(Effect.provide(layer))
  })

  it.effect("when another deployment answers after its stream broke", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const streamed = Effect.scoped(
        Effect.flatMap(router.chatStream(asked, session), ({ frames, receipt }) =>
          Effect.as(Stream.runDrain(frames), receipt),
        ),
      )
      const moved = { result: "moved", from: "a", reason: "Overloaded" } as const
      yield* streamed
      assert.deepStrictEqual(seen(yield* streamed), ["b", moved])
      assert.deepStrictEqual(seen(yield* streamed), ["b", stays])
    }).pipe(
      Effect.provide(
        world(
          {},
          {
            scripts: { a: [Testing.reply("one"), Testing.fail({ _tag: "Overloaded" }, { output: "Half of " })] },
            routes: {
              assistant: Route.balance("round-robin", names, { affinity: {} }).pipe(Route.stream({ protect: "full" })),
            },
          },
        ).layer,
      ),
    ),
  )

  it.effect("for one call, when a deployment outside of the balance answers it", () => {
    const down: Script = [Testing.reply("one"), Testing.fail({ _tag: "Overloaded" }), Testing.reply("again")]
    const pair = Route.balance("round-robin", ["a", "b"], { affinity: {} })
    return Effect.gen(function* () {
      yield* chat(session)
      yield* chat({ session: "t" })
      const moved = { result: "moved", from: "a", reason: "Overloaded" } as const
      assert.deepStrictEqual(seen(yield* chat(session)), ["other", moved])
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(seen(yield* chat(session)), ["a", stays])
    }).pipe(
      Effect.provide(
        world({}, { scripts: { a: down, b: down }, routes: { assistant: Route.fallback(pair, "other") } }).layer,
      ),
    )
  })
})

describe("the route around it", () => {
  it.effect("has a place of its own for each balance, and none where no balance keeps conversations", () => {
    const twice = Route.when(
      [{ if: { tags: ["vip"] }, use: Route.balance("ordered", ["c", "d"], { affinity: {} }) }],
      Route.balance("round-robin", ["a", "b"], { affinity: {} }),
    )
    return Effect.gen(function* () {
      const vip = { ...session, tags: ["vip"] }
      assert.deepStrictEqual(yield* deploymentsOf(chat(session), chat(vip), chat(session), chat(vip)), [
        "a",
        "c",
        "a",
        "c",
      ])
      const plain = yield* chat(session, { model: "plain" })
      assert.deepStrictEqual(seen(plain), ["a", undefined])
      assert.deepStrictEqual(seen(yield* chat(session, { model: "plain" })), ["b", undefined])
    }).pipe(
      Effect.provide(world({}, { routes: { assistant: twice, plain: Route.balance("round-robin", names) } }).layer),
    )
  })

  it.effect("is explained with where it keeps the conversation, for as long as before", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const explain = router.explain(asked, session)
      const order = Effect.map(explain, ({ plan }) => Explain.candidates(plan).map(({ deployment }) => deployment))
      assert.include(
        Explain.lines(yield* explain)[1],
        "round-robin, affinity by session for 1h: the conversation is not kept yet",
      )
      yield* chat({ session: "t" })
      yield* chat(session)
      assert.deepStrictEqual(yield* order, ["b", "c", "d", "a"])
      assert.include(Explain.lines(yield* explain)[1], "the conversation is kept on b")
      const plan = (yield* explain).plan
      assert.deepStrictEqual(plan._tag === "Sequence" ? plan.affinity : undefined, {
        by: "session",
        ttl: 3_600_000,
        kept: "b",
      })
      yield* TestClock.adjust("50 minutes")
      yield* explain
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(seen(yield* chat(session)), ["c", begins])
    }).pipe(Effect.provide(world({ for: "1 hour" }).layer)),
  )

  it.effect("embeds and counts without a conversation", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const embedded = yield* router.embed({ model: "assistant", input: ["x"] }, session)
      assert.isUndefined(embedded.receipt.affinity)
    }).pipe(Effect.provide(world({}, { scripts: { a: [Testing.vectors([[1]])], b: [Testing.vectors([[1]])] } }).layer)),
  )
})

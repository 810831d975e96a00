/** Calls that wait for the limits of their key and their team, under a clock that stands until it is told to move. */
import { assert, describe, it } from "@effect/vitest"
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import type { CallOptions } from "@understudy/core/Call"
import type { Priority } from "@understudy/core/Policies"
import * as Testing from "@understudy/core/Testing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { Caller } from "../../src/auth/Caller.ts"
import * as Keyring from "../../src/auth/Keyring.ts"
import * as KeyedRouter from "../../src/keys/KeyedRouter.ts"
import type { KeyLimits, Team } from "../../src/auth/VirtualKey.ts"

const queue = { max: 10, maxWait: "10 seconds" } as const

/** A router whose only deployment takes a second for a call, and whose keys and teams can be changed. */
const held = Effect.fnUntraced(function* () {
  const script = Testing.script([Testing.reply("Hello", { after: "1 second" })])
  const RouterLive = Router.layer({
    deployments: { only: Deployment.make({ model: "m", provider: script.layer }) },
    routes: { assistant: Route.to("only").pipe(Route.timeout({ total: "2 minutes" })) },
  })
  const ring = new Keyring.Keyring([], true)
  const put = (id: string, limits?: KeyLimits, teamId?: string) =>
    ring.put({ virtualKey: { id, limits }, teamId, digest: id, length: 1, previous: undefined })
  const context = yield* Layer.build(
    Layer.provideMerge(Layer.provide(KeyedRouter.layer(ring), RouterLive), Layer.fresh(RateLimit.layerMemory)),
  )
  const router = Context.get(context, Router.Router)
  const order: Array<string> = []
  yield* router.subscribe((event) => {
    if (event._tag === "AttemptStarted") order.push(event.call)
    if (event._tag === "CallEnded") order.splice(order.indexOf(event.call), 1, event.receipt.caller ?? "")
  })
  const call = (id: string, options?: CallOptions, tokens = 0) =>
    Effect.forkChild(
      Effect.exit(
        Effect.provideService(
          router.chat({ model: "assistant", messages: [Chat.user("Hi")], sampling: { maxTokens: tokens } }, options),
          Caller,
          ring.byId(id),
        ),
      ),
      { startImmediately: true },
    )
  return { call, order, put, ring, script, team: (team: Team) => ring.putTeam(team) }
})

const result = (fiber: Fiber.Fiber<Exit.Exit<Router.Answer, unknown>> | undefined) =>
  Effect.map(Fiber.join(fiber!), (exit) =>
    Exit.isSuccess(exit)
      ? (exit.value.receipt.queuedMillis ?? "at once")
      : exit.cause.reasons.map((reason) => ("error" in reason ? String(reason.error) : reason._tag)).join(),
  )

const results = (fibers: ReadonlyArray<Fiber.Fiber<Exit.Exit<Router.Answer, unknown>>>) =>
  Effect.forEach(fibers, result)

describe("the queue of a key", () => {
  it.effect("makes its calls over the limit wait, and the wait counts in the receipt and in `timeout.total`", () =>
    Effect.gen(function* () {
      const { call, put } = yield* held()
      put("a", { concurrency: 1, queue: { maxWait: "5 minutes" } })
      const calls = yield* Effect.all([call("a"), call("a"), call("a")])
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* results(calls), ["at once", 1000, 2000])
      const timed = yield* Effect.all([call("a"), call("a", { timeout: "1500 millis" })])
      yield* TestClock.adjust("2 seconds")
      assert.match(String(yield* result(timed[1])), /call not complete within 500ms, the caller's timeout/)
    }),
  )

  it.effect("rejects a call with the limit's 429 when it is full, or when the call has waited long enough", () =>
    Effect.gen(function* () {
      const { call, put } = yield* held()
      put("a", { concurrency: 1, queue: { max: 1, maxWait: "500 millis" } })
      const calls = yield* Effect.all([call("a"), call("a"), call("a")])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* results(calls), [
        "at once",
        'RouterError: Key "a" exceeds its limit of 1 concurrent call. The call has waited 500ms in its queue.',
        'RouterError: Key "a" exceeds its limit of 1 concurrent call. Its queue is full.',
      ])
    }),
  )

  it.effect("admits calls when a window refills, and rejects at once those that would wait for longer", () =>
    Effect.gen(function* () {
      const { call, put } = yield* held()
      put("a", { rpm: 2, queue: { maxWait: "90 seconds" } })
      put("b", { rpm: 1, queue })
      const calls = yield* Effect.all([call("a"), call("a"), call("a"), call("b"), call("b")])
      yield* TestClock.adjust("62 seconds")
      assert.deepStrictEqual((yield* results(calls)).slice(0, 4), ["at once", "at once", 60_000, "at once"])
      assert.match(String(yield* result(calls[4])), /1 request a minute\. The call would wait longer than it may\./)
    }),
  )

  it.effect("waits for tokens that a running call may give back, and for none that can never be there", () =>
    Effect.gen(function* () {
      const { call, put } = yield* held()
      put("a", { tpm: 100, queue })
      const calls = yield* Effect.all([call("a", {}, 60), call("a", {}, 60), call("a", {}, 600)])
      yield* TestClock.adjust("2 seconds")
      const [first, second, third] = yield* results(calls)
      assert.deepStrictEqual([first, second], ["at once", 1000])
      assert.match(String(third), /more than the limit/)
    }),
  )

  it.effect("is left at once by a client that disconnects", () =>
    Effect.gen(function* () {
      const { call, put, script } = yield* held()
      put("a", { concurrency: 1, queue: { max: 1 } })
      const calls = yield* Effect.all([call("a"), call("a")])
      yield* Fiber.interrupt(calls[1])
      const third = yield* call("a")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* result(third), 1000)
      assert.strictEqual(script.requests.length, 2)
    }),
  )

  it.effect(
    "admits waiting calls when the limit is raised, and rejects them when it is removed or the key is deleted",
    () =>
      Effect.gen(function* () {
        const { call, put, ring, script } = yield* held()
        put("a", { concurrency: 1, queue })
        put("b", { concurrency: 1, queue })
        const calls = yield* Effect.all([call("a"), call("a"), call("a"), call("b"), call("b")])
        assert.strictEqual(script.requests.length, 2)
        put("a", { concurrency: 2, queue })
        assert.strictEqual(script.requests.length, 3)
        put("a", { concurrency: 2 })
        ring.remove("b")
        for (const rejected of [calls[2], calls[4]])
          assert.match(String(yield* result(rejected)), /exceeds its limit of/)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* results([calls[0], calls[1], calls[3]]), ["at once", 0, "at once"])
      }),
  )

  it.effect("of a team admits its keys in turn by their priorities, which a call can only lower", () =>
    Effect.gen(function* () {
      const { call, order, put, team } = yield* held()
      team({ id: "t", name: "t", limits: { concurrency: 1, queue } })
      put("a", undefined, "t")
      put("b", undefined, "t")
      put("high", { queue: { priority: "high" } }, "t")
      put("low", { queue: { priority: "low" } }, "t")
      const priorities: ReadonlyArray<readonly [string, Priority?]> = [
        ["a"],
        ["a"],
        ["a"],
        ["b", "high"],
        ["low", "high"],
        ["high"],
        ["high", "low"],
      ]
      for (const [id, priority] of priorities) yield* call(id, { priority })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(order, ["a", "high", "a", "b", "a", "low", "high"])
    }),
  )

  it.effect("holds nothing of the team while it waits for the key", () =>
    Effect.gen(function* () {
      const { call, put, team } = yield* held()
      team({ id: "t", name: "t", limits: { concurrency: 2, queue } })
      put("a", { concurrency: 1, queue }, "t")
      put("b", undefined, "t")
      const calls = yield* Effect.all([call("a"), call("a"), call("b")])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* results(calls), ["at once", 1000, "at once"])
    }),
  )

  const step = Schema.Struct({
    does: Schema.Literals(["call", "call", "interrupt", "advance", "key", "team", "remove"]),
    amount: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 })),
  })

  it.effect.prop(
    "never exceeds the limits of keys and teams, and leaks no permit, however calls, interruptions and changes interleave",
    { steps: Schema.Array(step) },
    ({ steps }) =>
      Effect.gen(function* () {
        const { call, put, ring, script, team } = yield* held()
        const limitsOf = (amount: number): KeyLimits => ({
          concurrency: 1 + (amount % 3),
          ...(amount % 5 === 0 ? {} : { queue: { max: amount % 4, maxWait: 300 * amount + 1 } }),
        })
        team({ id: "t", name: "t", limits: limitsOf(4) })
        for (const id of ["a", "b"]) put(id, limitsOf(3), "t")
        const fibers: Array<Fiber.Fiber<Exit.Exit<Router.Answer, unknown>>> = []
        for (const { amount, does } of steps) {
          const id = amount % 2 === 0 ? "a" : "b"
          if (does === "call" && ring.byId(id) !== undefined) fibers.push(yield* call(id))
          else if (does === "interrupt") {
            const fiber = fibers[amount % Math.max(1, fibers.length)]
            if (fiber !== undefined) yield* Fiber.interrupt(fiber)
          } else if (does === "advance") yield* TestClock.adjust(amount * 100)
          else if (does === "key") put(id, limitsOf(amount), "t")
          else if (does === "team") team({ id: "t", name: "t", limits: limitsOf(amount) })
          else if (does === "remove") ring.remove(id)
        }
        yield* TestClock.adjust("2 minutes")
        yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
        // What was taken was given back: as many calls begin as the limits allow, and no more.
        team({ id: "t", name: "t", limits: { concurrency: 3 } })
        for (const id of ["a", "b"]) put(id, { concurrency: 2 }, "t")
        const before = script.requests.length
        const last = yield* Effect.all([call("a"), call("a"), call("a"), call("b"), call("b")])
        assert.strictEqual(script.requests.length - before, 3)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* results(last)).filter((each) => each === "at once").length, 3)
      }).pipe(Effect.scoped),
  )
})

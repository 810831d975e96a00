/** Calls that wait for the limits of deployments, over scripted providers, under a clock that stands until it is told to move. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import type { CallOptions } from "../../src/model/Call.ts"
import type { Limits } from "../../src/policy/Limits.ts"
import type { RouteEvent } from "../../src/receipt/RouteEvent.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"
import { request } from "../support/TestRouter.ts"

const queue = { max: 10, maxWait: "10 seconds" } as const

const deployment = (script: Testing.Scripted, limits?: Limits) =>
  Deployment.make({ model: "m", provider: script.layer, retry: { times: 0 }, limits })

/** A deployment `gpu` that takes a second for a call, one at a time, and others as they are given. */
const world = (
  {
    limits = { concurrency: 1, queue },
    route = Route.to("gpu"),
    ...others
  }: {
    readonly limits?: Limits
    readonly route?: Route.Route
    readonly backup?: Testing.Scripted
    readonly backupLimits?: Limits
  } = {},
  script: Testing.Scripted = Testing.script([Testing.reply("gpu", { after: "1 second" })]),
) => {
  const { backup = Testing.script([Testing.reply("backup")]), backupLimits } = others
  const options = (limits: Limits) => ({
    deployments: { gpu: deployment(script, limits), backup: deployment(backup, backupLimits) },
    routes: { assistant: route },
  })
  return { script, backup, options, layer: Router.layer(options(limits)) }
}

const start = (options?: CallOptions) =>
  Effect.flatMap(Router.Router, (router) =>
    Effect.forkChild(Effect.exit(router.chat(request, options)), { startImmediately: true }),
  )

const startAll = (count: number, options?: CallOptions) =>
  Effect.forEach(Array.from({ length: count }), () => start(options))

/** Who answered, and how long the call was queued; or the message of its error. */
const result = (fiber: Fiber.Fiber<Exit.Exit<Router.Answer, unknown>>) =>
  Effect.map(Fiber.join(fiber), (exit) =>
    Exit.isSuccess(exit)
      ? [exit.value.receipt.deployment, exit.value.receipt.queuedMillis]
      : String(exit.cause.reasons.map((reason) => ("error" in reason ? reason.error : reason._tag)).join()),
  )

const results = (fibers: ReadonlyArray<Fiber.Fiber<Exit.Exit<Router.Answer, unknown>>>) =>
  Effect.forEach(fibers, result)

const waiting = Effect.map(
  Effect.flatMap(Router.Router, ({ status }) => status),
  ([gpu]) => gpu?.waiting,
)

const inFlight = Effect.map(
  Effect.flatMap(Router.Router, ({ status }) => status),
  (all) => all.map(({ inFlight }) => inFlight),
)

describe("a deployment with a queue", () => {
  it.effect("makes calls over its limits wait, and records how long", () => {
    const { layer, script } = world()
    return Effect.gen(function* () {
      const events: Array<RouteEvent> = []
      yield* (yield* Router.Router).subscribe((event) => void events.push(event))
      const calls = yield* startAll(3)
      assert.strictEqual(script.requests.length, 1)
      assert.strictEqual(yield* waiting, 2)
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* results(calls), [
        ["gpu", undefined],
        ["gpu", 1000],
        ["gpu", 2000],
      ])
      assert.deepStrictEqual(
        events.flatMap((event) =>
          event._tag === "Queued" || event._tag === "DeploymentSkipped"
            ? event._tag
            : event._tag === "LeftQueue"
              ? `${event.departure} ${event.millis}`
              : [],
        ),
        ["Queued", "Queued", "admitted 1000", "admitted 2000"],
      )
      assert.deepStrictEqual(yield* inFlight, [0, 0])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("admits waiting calls when its window refills", () => {
    const { layer, script } = world({ limits: { rpm: 2, queue: { maxWait: "90 seconds" } } })
    return Effect.gen(function* () {
      const calls = yield* startAll(3)
      assert.strictEqual(script.requests.length, 2)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(script.requests.length, 2)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* results(calls))[2], ["gpu", 60_000])
    }).pipe(Effect.provide(layer))
  })

  it.effect("rejects a call at once that would surely wait for longer", () => {
    const { layer } = world({ limits: { rpm: 1, queue } })
    return Effect.gen(function* () {
      const [, second] = yield* startAll(2)
      assert.match(String(yield* result(second!)), /at its rpm limit for 60 s, and not admitted in time by its queue/)
    }).pipe(Effect.provide(layer))
  })

  it.effect("waits for tokens that a running call may give back, and for none that can never be there", () => {
    const script = Testing.script([
      Testing.reply("gpu", { after: "1 second", usage: { inputTokens: 1, outputTokens: 1 } }),
    ])
    const { layer } = world({ limits: { tpm: 100, queue } }, script)
    const sampled = { ...request, sampling: { maxTokens: 60 } }
    return Effect.gen(function* () {
      const router = yield* Router.Router
      yield* Effect.forkChild(router.chat(sampled), { startImmediately: true })
      const never = yield* Effect.flip(router.chat({ ...request, sampling: { maxTokens: 1000 } }))
      assert.match(never.message, /at its tpm limit/)
      const next = yield* Effect.forkChild(router.chat(sampled), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(next)).receipt.queuedMillis, 1000)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not waited for while another deployment answers", () => {
    const { layer } = world({ route: Route.fallback("gpu", "backup") })
    return Effect.gen(function* () {
      const calls = yield* startAll(3)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* results(calls), [
        ["gpu", undefined],
        ["backup", undefined],
        ["backup", undefined],
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is waited for when the others have failed, and those are not tried again", () => {
    const backup = Testing.script([Testing.fail({ _tag: "ServerError" })])
    const { layer } = world({ route: Route.fallback("gpu", "backup"), backup })
    return Effect.gen(function* () {
      const calls = yield* startAll(2)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* results(calls), [
        ["gpu", undefined],
        ["gpu", 1000],
      ])
      assert.strictEqual(backup.requests.length, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not waited for after an error that ends the call", () => {
    const backup = Testing.script([Testing.fail({ _tag: "InvalidRequest" })])
    const { layer } = world({ route: Route.fallback("gpu", "backup"), backup })
    return Effect.gen(function* () {
      const [, second] = yield* startAll(2)
      assert.match(String(yield* result(second!)), /InvalidRequest/)
    }).pipe(Effect.provide(layer))
  })

  it.effect("with `fallback: last` is waited for first, then the others are tried", () => {
    const { layer } = world({
      limits: { concurrency: 1, queue: { max: 1, maxWait: "500 millis", fallback: "last" } },
      route: Route.fallback("gpu", "backup"),
    })
    return Effect.gen(function* () {
      const calls = yield* startAll(3)
      assert.strictEqual(yield* waiting, 1)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* results(calls), [
        ["gpu", undefined],
        ["backup", 500],
        ["backup", undefined],
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("with `fallback: last` is waited for after the others of its balance", () => {
    const limits = { concurrency: 1, queue: { ...queue, fallback: "last" } } as const
    const { layer } = world({ limits, backupLimits: limits, route: Route.balance("ordered", ["gpu", "backup"]) })
    return Effect.gen(function* () {
      const calls = yield* startAll(2)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* results(calls), [
        ["gpu", undefined],
        ["backup", undefined],
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("leads from a waiting call to an error branch", () => {
    const script = Testing.script([
      Testing.reply("gpu", { after: "1 second" }),
      Testing.fail({ _tag: "ContextWindowExceeded" }),
    ])
    const route = Route.to("gpu").pipe(Route.onError(["ContextWindowExceeded"], "backup"))
    const { layer } = world({ route }, script)
    return Effect.gen(function* () {
      const calls = yield* startAll(2)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* results(calls), [
        ["gpu", undefined],
        ["backup", 1000],
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is waited for in an error branch, and what the branch passes by is not tried", () => {
    const limits = { concurrency: 1, queue }
    const primary = Testing.script([Testing.fail({ _tag: "ContextWindowExceeded" })])
    const beside = Testing.script([Testing.reply("beside")])
    const large = () => Testing.script([Testing.reply("large", { after: "1 second" })])
    const layer = Router.layer({
      deployments: {
        primary: deployment(primary),
        beside: deployment(beside),
        first: deployment(large(), limits),
        second: deployment(large(), limits),
      },
      routes: {
        assistant: Route.fallback("primary", "beside").pipe(
          Route.onError(["ContextWindowExceeded"], Route.fallback("first", "second")),
        ),
      },
    })
    return Effect.gen(function* () {
      const calls = yield* startAll(4)
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* results(calls), [
        ["first", undefined],
        ["second", undefined],
        ["first", 1000],
        ["first", 2000],
      ])
      assert.strictEqual(primary.requests.length, 4)
      assert.strictEqual(beside.requests.length, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is no part of a race: a hedge at its limit is skipped, and does not delay the first", () => {
    const slow = Testing.script([Testing.reply("backup", { after: "3 seconds" })])
    const { layer, script } = world({
      route: Route.hedge({ after: "100 millis", across: ["backup", "gpu"] }),
      backup: slow,
    })
    return Effect.gen(function* () {
      const router = yield* Router.Router
      yield* Effect.forkChild(router.chat({ ...request, model: "gpu" }), { startImmediately: true })
      const call = yield* start()
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* result(call), ["backup", undefined])
      assert.strictEqual(script.requests.length, 1)
      assert.strictEqual(yield* waiting, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("rejects waiting calls once it is cooling down", () => {
    const script = Testing.script([Testing.fail({ _tag: "RateLimited" }, { after: "1 second" })])
    const { layer } = world({}, script)
    return Effect.gen(function* () {
      const calls = yield* startAll(3)
      yield* TestClock.adjust("1 second")
      const [, second, third] = yield* results(calls)
      for (const each of [second, third]) assert.match(String(each), /cooling down/)
      assert.strictEqual(script.requests.length, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("counts the wait in `timeout.total`, and starts the timeouts of attempts when it admits a call", () => {
    const { layer } = world({
      route: Route.to("gpu").pipe(Route.timeout({ total: "1500 millis", attempt: "1200 millis" })),
    })
    return Effect.gen(function* () {
      const calls = yield* startAll(3)
      yield* TestClock.adjust("2 seconds")
      const [first, second, third] = yield* results(calls)
      assert.deepStrictEqual(first, ["gpu", undefined])
      assert.match(String(second), /call not complete within 500ms/)
      assert.match(String(third), /not admitted in time/)
    }).pipe(Effect.provide(layer))
  })

  it.effect("admits callers in turn, and higher priorities first", () => {
    const { layer } = world()
    return Effect.gen(function* () {
      const order: Array<string> = []
      yield* (yield* Router.Router).subscribe((event) => {
        if (event._tag === "CallEnded") order.push(event.receipt.caller ?? "")
      })
      yield* startAll(4, { caller: "a" })
      yield* start({ caller: "low", priority: "low" })
      yield* start({ caller: "b" })
      yield* start({ caller: "high", priority: "high" })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(order, ["a", "high", "a", "b", "a", "a", "low"])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("holds a permit until a stream has ended, and frees it when a waiting client disconnects", () => {
    const script = Testing.script([Testing.reply(["a", "b"], { tokenDelay: "500 millis" })])
    const { layer } = world({}, script)
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const streamed = Effect.forkChild(
        Effect.scoped(Effect.flatMap(router.chatStream(request), ({ frames }) => Stream.runDrain(frames))),
        { startImmediately: true },
      )
      const first = yield* streamed
      const gone = yield* streamed
      const last = yield* streamed
      assert.strictEqual(yield* waiting, 2)
      yield* Fiber.interrupt(gone)
      assert.strictEqual(yield* waiting, 1)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(first)
      yield* Fiber.join(last)
      assert.strictEqual(script.requests.length, 2)
      assert.deepStrictEqual(yield* inFlight, [0, 0])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is explained: who would wait, and how many do", () => {
    const { layer } = world({ route: Route.fallback("gpu", "backup") })
    return Effect.gen(function* () {
      const router = yield* Router.Router
      yield* Effect.forkChild(router.chat({ ...request, model: "gpu" }), { startImmediately: true })
      yield* Effect.forkChild(router.chat({ ...request, model: "gpu" }), { startImmediately: true })
      const text = Explain.lines(yield* router.explain(request)).join("\n")
      assert.match(
        text,
        /gpu \(m\): waits if no other deployment answers: at its concurrency limit; 1 of at most 10 calls wait/,
      )
      assert.match(
        text,
        /queue: at most 10 calls wait for its limits, each for at most 10s, if no other deployment answers/,
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "keeps its queue over a reload: a raised limit admits waiting calls, and a removed queue rejects them",
    () => {
      const { layer, options, script } = world()
      return Effect.gen(function* () {
        const calls = yield* startAll(4)
        const { reload } = yield* Router.Reload
        yield* reload(options({ concurrency: 2, queue }))
        assert.strictEqual(script.requests.length, 2)
        assert.strictEqual(yield* waiting, 2)
        yield* reload(options({ concurrency: 3 }))
        assert.strictEqual(script.requests.length, 3)
        assert.strictEqual(yield* waiting, undefined)
        assert.match(String(yield* result(calls[3]!)), /at its concurrency limit/)
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual((yield* results(calls)).slice(0, 3), [
          ["gpu", undefined],
          ["gpu", 0],
          ["gpu", 0],
        ])
        assert.deepStrictEqual(yield* inFlight, [0, 0])
      }).pipe(Effect.provide(layer))
    },
  )

  const step = Schema.Struct({
    does: Schema.Literals(["call", "call", "stream", "interrupt", "advance", "reload"]),
    amount: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 })),
  })

  it.effect.prop(
    "never exceeds its limits, ends each call once and leaks no permit, however calls, interruptions and reloads interleave",
    { steps: Schema.Array(step) },
    ({ steps }) => {
      const { layer, options } = world({
        limits: { concurrency: 2, queue: { max: 3, maxWait: "2 seconds" } },
        route: Route.fallback("gpu", "backup"),
        backup: Testing.script([
          Testing.fail({ _tag: "ServerError" }),
          Testing.reply("backup", { after: "300 millis" }),
        ]),
        backupLimits: { concurrency: 1 },
      })
      return Effect.gen(function* () {
        const router = yield* Router.Router
        const { reload } = yield* Router.Reload
        const ended = new Map<string, number>()
        let opened = 0
        let most = 2
        yield* router.subscribe((event) => {
          if (event._tag === "CallEnded") ended.set(event.call, (ended.get(event.call) ?? 0) + 1)
        })
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const { amount, does } of steps) {
          if (does === "call" || does === "stream") {
            opened++
            const call =
              does === "call"
                ? Effect.exit(router.chat(request, { caller: String(amount % 3) }))
                : Effect.exit(
                    Effect.scoped(Effect.flatMap(router.chatStream(request), ({ frames }) => Stream.runDrain(frames))),
                  )
            fibers.push(yield* Effect.forkChild(call, { startImmediately: true }))
          } else if (does === "interrupt") {
            const fiber = fibers[amount % Math.max(1, fibers.length)]
            if (fiber !== undefined) yield* Fiber.interrupt(fiber)
          } else if (does === "advance") yield* TestClock.adjust(amount * 100)
          else {
            const [running = 0] = yield* inFlight
            most = Math.max(running, 1 + (amount % 3))
            yield* reload(
              options({ concurrency: most, ...(amount % 4 === 0 ? {} : { queue: { max: 3, maxWait: 2000 } }) }),
            )
          }
          const [gpu = 0, backup = 0] = yield* inFlight
          assert.isAtMost(gpu, most)
          assert.isAtMost(backup, 1)
        }
        yield* TestClock.adjust("1 minute")
        yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
        assert.strictEqual(ended.size, opened)
        for (const times of ended.values()) assert.strictEqual(times, 1)
        assert.deepStrictEqual(yield* inFlight, [0, 0])
        assert.strictEqual((yield* waiting) ?? 0, 0)
      }).pipe(Effect.scoped, Effect.provide(layer))
    },
  )
})

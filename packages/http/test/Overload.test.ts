/** Calls beyond what the process can serve: which wait, which are rejected in their dialect, and what still answers. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import type { Agent } from "node:http"
import * as Keyring from "../src/auth/Keyring.ts"
import * as Overload from "../src/Overload.ts"
import { agent, dialects, names, send } from "./Dialects.ts"
import * as TestGateway from "./TestGateway.ts"

const long = Duration.hours(1)
const many = 64

/** A control whose clock and turns of the event loop the test moves. */
const make = (policy: Overload.Policy | undefined) => {
  let now = 0
  let turns: Array<() => void> = []
  const control = new Overload.Control(policy, { now: () => now, nextTurn: (run) => void turns.push(run) })
  const started: Array<number> = []
  return {
    control,
    started,
    /** A call: adds its number to `started` once it starts. */
    call: (number: number) =>
      Effect.runFork(Effect.suspend(() => control.ordered(Effect.sync(() => void started.push(number))))),
    /** Begins the next turn, after some milliseconds. */
    turn: (millis = 0) => {
      now += millis
      const due = turns
      turns = []
      for (const run of due) run()
    },
    isIdle: () => turns.length === 0,
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

describe("the order of calls", () => {
  it("starts every call at once while few requests are in flight", () => {
    const { control } = make(Overload.defaults)
    assert.isFalse(control.isBusy(many - 1))
    assert.isTrue(control.isBusy(many))
  })

  it("starts sixteen calls in a turn, and the others in the turns that follow, in order", () => {
    const { call, control, isIdle, started, turn } = make(Overload.defaults)
    for (const number of upTo(40)) call(number)
    assert.deepStrictEqual(started, upTo(16))
    assert.strictEqual(control.waiting, 24)
    turn()
    call(40)
    assert.deepStrictEqual(started, upTo(32))
    turn()
    assert.deepStrictEqual(started, upTo(41))
    while (!isIdle()) turn()
    call(41)
    assert.deepStrictEqual(started, upTo(42))
  })

  it("starts two calls in a turn after a connection was accepted", () => {
    const { call, control, started, turn } = make(Overload.defaults)
    control.accepted()
    for (const number of upTo(30)) call(number)
    assert.deepStrictEqual(started, upTo(2))
    turn()
    assert.deepStrictEqual(started, upTo(4))
    turn()
    assert.deepStrictEqual(started, upTo(20))
  })

  it("does not start a call whose client has disconnected", async () => {
    const { call, started, turn } = make(Overload.defaults)
    const fibers = upTo(20).map(call)
    await Effect.runPromise(Fiber.interrupt(fibers[17]!))
    turn()
    assert.deepStrictEqual(started, [...upTo(17), 18, 19])
  })
})

describe("the bounds", () => {
  it("reject calls from the configured number of requests in flight", () => {
    const { control } = make({ delay: long, calls: 3 })
    assert.isFalse(control.isBusy(2))
    assert.isTrue(control.isBusy(3))
    assert.strictEqual(control.exceeded(2), undefined)
    assert.strictEqual(control.exceeded(3), "calls")
  })

  it("reject calls while the first waiting call is late, and no longer", () => {
    const { call, control, turn } = make({ delay: Duration.millis(100), calls: 1000 })
    for (const number of upTo(40)) call(number)
    turn(100)
    assert.strictEqual(control.exceeded(many), undefined)
    for (const number of upTo(30)) call(number)
    turn(1)
    assert.strictEqual(control.exceeded(many), undefined, "the calls that waited longer have started")
    turn(100)
    assert.strictEqual(control.exceeded(0), "delay")
    assert.isTrue(control.isBusy(0))
    turn(1)
    assert.strictEqual(control.exceeded(many), undefined, "no call waits")
  })

  it("reject calls while the event loop is slow, but not after a single stall", () => {
    const { control } = make({ delay: Duration.millis(100), calls: 1000 })
    control.sample(5000)
    assert.strictEqual(control.exceeded(0), undefined)
    control.sample(10)
    control.sample(101)
    control.sample(101)
    assert.strictEqual(control.exceeded(0), "delay")
    control.sample(51)
    assert.strictEqual(control.exceeded(0), "delay", "the delay is not half the bound yet")
    control.sample(50)
    assert.strictEqual(control.exceeded(0), undefined)
  })

  it("are none without a policy", () => {
    const { control } = make(undefined)
    control.sample(60_000)
    control.sample(60_000)
    assert.isFalse(control.isBusy(1_000_000))
    assert.strictEqual(control.exceeded(1_000_000), undefined)
  })
})

it.effect("logs when rejections begin and when they have ended, and draws a retry-after for each", () => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(
    ({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`),
  )
  return Effect.gen(function* () {
    const { reject } = yield* Overload.Overload
    assert.strictEqual(reject(4), undefined)
    for (const _ of upTo(100)) {
      const retryAfter = reject(5) ?? 0
      assert.isTrue(retryAfter >= 1000 && retryAfter < 3000)
    }
    assert.isAbove(new Set(upTo(100).map(() => reject(5))).size, 10)
    yield* TestClock.adjust("1 second")
    reject(5)
    yield* TestClock.adjust("4 seconds")
    assert.deepStrictEqual(lines, [
      "Warn The gateway is overloaded and rejects new calls: 5 requests are in flight (server.overload.calls).",
    ])
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(lines.slice(1), ["Info The overload has ended: 201 calls were rejected in 1s."])
    reject(6)
    yield* TestClock.adjust("250 millis")
    assert.strictEqual(lines.length, 3)
  }).pipe(Effect.provide(Layer.provide(Overload.Overload.layer({ delay: long, calls: 5 }), Logger.layer([logger]))))
})

const until = (condition: Effect.Effect<boolean, Error>): Effect.Effect<void, Error> =>
  Effect.flatMap(condition, (holds) => (holds ? Effect.void : Effect.andThen(Effect.sleep(5), until(condition))))

const get = (url: string, path: string, via: Agent) => send(url, path, undefined, via)

describe.each(names)("%s", (name) => {
  const { body, code, path } = dialects[name]

  it.live("rejects a call over the number of requests in flight, on a connection that stays open", () =>
    Effect.gen(function* () {
      const { drain, upstream, url } = yield* TestGateway.make({ overload: { delay: long, calls: 1 } })
      const kept = yield* agent
      assert.strictEqual((yield* send(url, path(false), body(false), kept)).status, 200)
      yield* upstream.script("primary", "silent")
      const running = yield* Effect.forkChild(send(url, path(false), body(false), yield* agent))
      yield* upstream.received("primary", 2)
      for (const stream of [false, true]) {
        const answer = yield* send(url, path(stream), body(stream), kept)
        assert.deepStrictEqual([answer.status, answer.connection, answer.whole], [503, "keep-alive", true])
        assert.include(answer.text, code("overloaded"))
        assert.include(answer.text, "This gateway is overloaded")
        const millis = Number(answer.retryAfterMillis)
        assert.isTrue(millis >= 1000 && millis <= 3000, answer.retryAfterMillis)
        assert.strictEqual(answer.retryAfter, String(Math.ceil(millis / 1000)))
      }
      for (const endpoint of ["/health", "/ready", "/metrics", "/v1/models", "/api/providers"]) {
        assert.strictEqual((yield* get(url, endpoint, kept)).status, 200, endpoint)
      }
      assert.deepStrictEqual(JSON.parse((yield* get(url, "/ready", kept)).text), { status: "ready", overloaded: true })
      assert.match(
        (yield* get(url, "/metrics", kept)).text,
        /^understudy_overload_rejected_total\{.*reason="calls".*\} 2$/m,
      )
      assert.strictEqual((yield* send(url, "/admin/deployments/primary/reset", {}, kept)).status, 200)
      yield* Fiber.interrupt(running)
      yield* until(Effect.sync(() => drain.inFlight.size() === 0))
      assert.deepStrictEqual(JSON.parse((yield* get(url, "/ready", kept)).text), { status: "ready" })
    }),
  )

  it.live("rejects calls while the event loop is slow, and accepts them afterwards", () =>
    Effect.gen(function* () {
      const { drain, url } = yield* TestGateway.make({ overload: { delay: Duration.millis(20), calls: 1000 } })
      const kept = yield* agent
      const isOverloaded = Effect.map(get(url, "/ready", kept), ({ text }) => text.includes("overloaded"))
      assert.isFalse(yield* isOverloaded)
      const blocked = yield* Effect.forkChild(Effect.forever(Effect.andThen(standStill(300), Effect.sleep(1))))
      yield* until(isOverloaded)
      const answer = yield* send(url, path(false), body(false), kept)
      assert.deepStrictEqual([answer.status, answer.connection], [503, "keep-alive"])
      assert.include(answer.text, code("overloaded"))
      yield* Fiber.interrupt(blocked)
      yield* until(Effect.map(isOverloaded, (overloaded) => !overloaded))
      assert.strictEqual((yield* send(url, path(false), body(false), kept)).status, 200)
      yield* until(Effect.sync(() => drain.inFlight.size() === 0))
    }),
  )
})

/** Blocks the event loop. */
const standStill = (millis: number) =>
  Effect.sync(() => {
    const end = performance.now() + millis
    while (performance.now() < end);
  })

const { body, path } = dialects.chat

it.live("answers more calls at once than start in a turn, and leaves none in flight", () =>
  Effect.gen(function* () {
    const { drain, url } = yield* TestGateway.make({ overload: { delay: long, calls: 10_000 } })
    const answers = yield* Effect.forEach(
      upTo(3 * many),
      (number) => Effect.flatMap(agent, (via) => send(url, path(), body(number % 2 === 0), via)),
      { concurrency: "unbounded" },
    )
    assert.isTrue(answers.every(({ status, whole }) => status === 200 && whole))
    yield* until(Effect.sync(() => drain.inFlight.size() === 0))
    assert.notMatch((yield* get(url, "/metrics", yield* agent)).text, /^understudy_overload_rejected_total.* [1-9]/m)
  }),
)

it.live("leaves no call in flight whose client disconnects while it waits for its turn", () =>
  Effect.gen(function* () {
    const { drain, upstream, url } = yield* TestGateway.make({ overload: { delay: long, calls: 10_000 } })
    yield* upstream.script("primary", "silent")
    const callers = yield* Effect.forEach(upTo(2 * many), () =>
      Effect.flatMap(agent, (via) => Effect.forkChild(send(url, path(), body(false), via))),
    )
    yield* upstream.received("primary")
    yield* Fiber.interruptAll(callers)
    yield* until(Effect.sync(() => drain.inFlight.size() === 0))
  }),
)

it.live("returns a 401, not a 503, to a client without a key", () =>
  Effect.gen(function* () {
    const { upstream, url } = yield* TestGateway.make({
      auth: { keys: [Keyring.operator(Redacted.make("sk-operator"))] },
      overload: { delay: long, calls: 1 },
    })
    const headers = { authorization: "Bearer sk-operator" }
    yield* upstream.script("primary", "silent")
    const running = yield* Effect.forkChild(send(url, path(), body(false), yield* agent, { headers }))
    yield* upstream.received("primary")
    const kept = yield* agent
    assert.strictEqual((yield* send(url, path(), body(false), kept)).status, 401)
    assert.strictEqual((yield* send(url, path(), body(false), kept, { headers })).status, 503)
    yield* Fiber.interrupt(running)
  }),
)

it.live("reads the body of a rejected call, and keeps its connection", () =>
  Effect.gen(function* () {
    const { upstream, url } = yield* TestGateway.make({ overload: { delay: long, calls: 1 } })
    yield* upstream.script("primary", "silent")
    const running = yield* Effect.forkChild(send(url, path(), body(false), yield* agent))
    yield* upstream.received("primary")
    const kept = yield* agent
    const large = { ...body(false), user: "x".repeat(200_000) }
    for (let attempt = 0; attempt < 3; attempt++) {
      const answer = yield* send(url, path(), large, kept)
      assert.deepStrictEqual([answer.status, answer.connection, answer.whole], [503, "keep-alive", true])
    }
    yield* Fiber.interrupt(running)
  }),
)

it.live("rejects no call if it is off", () =>
  Effect.gen(function* () {
    const { url } = yield* TestGateway.make({ overload: false })
    const kept = yield* agent
    const blocked = yield* Effect.forkChild(Effect.forever(Effect.andThen(standStill(300), Effect.sleep(1))))
    for (let call = 0; call < 3; call++) assert.strictEqual((yield* send(url, path(), body(false), kept)).status, 200)
    yield* Fiber.interrupt(blocked)
    assert.deepStrictEqual(JSON.parse((yield* get(url, "/ready", kept)).text), { status: "ready" })
  }),
)

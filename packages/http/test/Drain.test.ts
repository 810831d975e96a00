/** A gateway that goes down, in every dialect: nobody is refused a connection, and nobody is left with half an answer. */
import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { request } from "node:http"
import { agent, dialects, names, send } from "./Dialects.ts"
import * as TestGateway from "./TestGateway.ts"

/** A gateway that goes down when told to. */
const make = Effect.fnUntraced(function* (options: TestGateway.Options) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const gateway = yield* Scope.provide(TestGateway.make(options), scope)
  return { ...gateway, stop: Effect.forkScoped(Scope.close(scope, Exit.void)) }
})

/** Waits for a step that has no event of its own. */
const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep(5), until(condition))))

describe("during the drain delay", () => {
  it.live("serves new calls on new and kept connections, closes each, and reports it on /ready", () =>
    Effect.gen(function* () {
      const { drain, stop, url } = yield* make({ drain: { delay: Duration.seconds(2) } })
      const kept = yield* agent
      const { body, path } = dialects.chat
      const first = yield* send(url, path(), body(false), kept)
      assert.deepStrictEqual([first.status, first.connection], [200, "keep-alive"])
      assert.strictEqual((yield* send(url, "/ready", undefined, kept)).status, 200)
      yield* stop
      yield* until(drain.announced)
      for (const stream of [false, true]) {
        const answer = yield* send(url, path(), body(stream), kept)
        assert.deepStrictEqual([answer.status, answer.connection, answer.whole], [200, "close", true])
      }
      const ready = yield* send(url, "/ready", undefined, kept)
      assert.deepStrictEqual([ready.status, ready.connection], [503, "close"])
      assert.strictEqual((yield* send(url, "/health", undefined, kept)).status, 200)
      yield* drain.hurry
    }),
  )

  it.live("skips the delay on SIGINT", () =>
    Effect.gen(function* () {
      const { drain, stop } = yield* make({ drain: { delay: Duration.hours(1) } })
      const stopping = yield* stop
      yield* until(drain.announced)
      yield* drain.hurry
      yield* Fiber.join(stopping)
    }),
  )
})

describe("a second signal", () => {
  it.live("skips the delay and ends running calls", () =>
    Effect.gen(function* () {
      const { drain, stop, upstream, url } = yield* make({
        drain: { delay: Duration.hours(1), timeout: Duration.hours(1) },
      })
      yield* upstream.script("primary", "silent")
      const running = yield* Effect.forkChild(send(url, dialects.chat.path(), dialects.chat.body(false), yield* agent))
      yield* upstream.received("primary")
      const stopping = yield* stop
      yield* until(drain.announced)
      yield* drain.end
      const answer = yield* Fiber.join(running)
      assert.deepStrictEqual([answer.status, answer.connection, answer.retryAfter], [503, "close", "1"])
      yield* Fiber.join(stopping)
    }),
  )
})

describe.each(names)("%s", (name) => {
  const { body, code, last, path } = dialects[name]

  it.live("rejects new calls while others finish, on connections that stay open", () =>
    Effect.gen(function* () {
      const { drain, stop, upstream, url } = yield* make({ drain: { timeout: Duration.seconds(5) } })
      const kept = yield* agent
      assert.strictEqual((yield* send(url, path(false), body(false), kept)).status, 200)
      yield* upstream.script("primary", "slow-first-token-300")
      const running = yield* Effect.forkChild(send(url, path(false), body(false), yield* agent))
      yield* upstream.received("primary", 2)
      yield* stop
      yield* until(drain.draining)
      for (const [stream, via] of [
        [false, kept],
        [true, yield* agent],
      ] as const) {
        const answer = yield* send(url, path(stream), body(stream), via)
        assert.deepStrictEqual([answer.status, answer.connection, answer.retryAfter], [503, "close", "1"])
        assert.include(answer.text, code("draining"))
      }
      const answer = yield* Fiber.join(running)
      assert.deepStrictEqual([answer.status, answer.connection, answer.whole], [200, "close", true])
    }),
  )

  it.live("ends unfinished calls with the protocol's error", () =>
    Effect.gen(function* () {
      const { stop, upstream, url } = yield* make({ drain: { timeout: Duration.millis(50) } })
      yield* upstream.script("primary", "silent")
      const whole = yield* Effect.forkChild(send(url, path(false), body(false), yield* agent))
      yield* upstream.received("primary")
      const silent = yield* Effect.forkChild(send(url, path(true), body(true), yield* agent))
      const asked = yield* upstream.received("primary", 2)
      yield* upstream.script("primary", "stall-2")
      const begun = yield* Deferred.make<void>()
      const stalled = yield* Effect.forkChild(send(url, path(true), body(true), yield* agent, { begun }))
      yield* Deferred.await(begun)
      const stopping = yield* stop
      for (const fiber of [whole, silent]) {
        const answer = yield* Fiber.join(fiber)
        assert.deepStrictEqual([answer.status, answer.retryAfter, answer.whole], [503, "1", true])
        assert.include(answer.text, code("draining"))
        assert.include(answer.text, "did not finish in time")
      }
      const broken = yield* Fiber.join(stalled)
      assert.deepStrictEqual([broken.status, broken.whole], [200, true])
      assert.match(broken.text, last)
      assert.notInclude(broken.text, "[DONE]")
      assert.strictEqual(yield* upstream.closed(asked), "left")
      yield* Fiber.join(stopping)
    }),
  )

  it.live("ends calls that wait for their first token", () =>
    Effect.gen(function* () {
      const { stop, upstream, url } = yield* make({
        drain: { timeout: Duration.millis(50) },
        route: Route.fallback("primary").pipe(Route.retry({ times: 0 }), Route.sse({ keepAlive: "10 millis" })),
      })
      yield* upstream.script("primary", "silent")
      const waiting = yield* Effect.forkChild(send(url, path(true), body(true), yield* agent))
      yield* upstream.received("primary")
      yield* Effect.sleep(50)
      yield* stop
      const broken = yield* Fiber.join(waiting)
      assert.deepStrictEqual([broken.status, broken.whole], [200, true])
      assert.match(broken.text, last)
    }),
  )
})

it.live("does not wait for a client that does not read", () =>
  Effect.gen(function* () {
    const { stop, upstream, url } = yield* make({ drain: { timeout: Duration.millis(50) } })
    yield* upstream.script("primary", "stall-2")
    const { hostname, port } = new URL(url)
    const deaf = yield* Effect.acquireRelease(
      Effect.sync(() =>
        request({
          hostname,
          port,
          path: "/v1/chat/completions",
          method: "POST",
          headers: { "content-type": "application/json" },
        }),
      ),
      (deaf) => Effect.sync(() => deaf.destroy()),
    )
    deaf.on("error", () => {})
    deaf.on("response", (response) => response.pause())
    deaf.end(JSON.stringify(dialects.chat.body(true)))
    yield* upstream.received("primary")
    yield* Fiber.join(yield* stop)
  }),
)

import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Fingerprint from "../../src/deployment/Fingerprint.ts"
import { Provider } from "../../src/model/Provider.ts"
import { ProviderError } from "../../src/model/ProviderError.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const frames: ReadonlyArray<Chat.Frame> = [
  { parts: [{ type: "text", text: "Here" }] },
  { parts: [{ type: "finish", reason: "stop" }] },
]

/** A primary that fails the requests that `fails` picks, with a backup behind it. */
const routed = (
  fails: (text: string) => boolean,
  reason: Reason = { _tag: "ServerError" },
  options: Partial<Deployment.Options> = {},
  backup = Testing.script([Testing.reply("Hi")]).layer,
) => {
  const answer = ({ messages }: Chat.Request) => {
    const text = messages.map((message) => JSON.stringify(message.content)).join()
    return fails(text) ? Effect.fail(new ProviderError({ reason, message: "no" })) : Effect.succeed(frames)
  }
  const primary = Layer.succeed(Provider, {
    protocol: "scripted",
    chat: (request) => Effect.as(answer(request), { content: [{ type: "text", text: "Here" }], finishReason: "stop" }),
    stream: (request) => Stream.unwrap(Effect.map(answer(request), Stream.fromIterable)),
  })
  return Router.layer({
    deployments: {
      primary: Deployment.make({ model: "p", provider: primary, ...options }),
      backup: Deployment.make({ model: "b", provider: backup }),
    },
    routes: { assistant: Route.fallback("primary", "backup") },
  })
}

/** A call, with all its retries over, and a while later. */
const call = Effect.fnUntraced(function* (text: string, streaming = false) {
  const router = yield* Router.Router
  const request: Chat.Request = { model: "assistant", messages: [Chat.user(text)] }
  const receipt = streaming
    ? Effect.scoped(Effect.tap(router.chatStream(request), ({ frames }) => Stream.runDrain(frames))).pipe(
        Effect.map(({ receipt }) => receipt),
      )
    : Effect.map(router.chat(request), ({ receipt }) => receipt)
  const running = yield* Effect.forkChild(Effect.map(receipt, ({ deployment }) => deployment))
  yield* TestClock.adjust("3 seconds")
  return yield* Fiber.join(running)
})

const circuit = Effect.map(
  Effect.flatMap(Router.Router, ({ status }) => status),
  ([primary]) => primary?.circuit,
)

const isPoison = (text: string) => text.includes("poison")

describe("a request that always fails", () => {
  for (const streaming of [false, true]) {
    for (const tag of ["ServerError", "Overloaded", "Network", "Malformed"] as const) {
      it.effect(`opens no circuit for others: ${tag}, ${streaming ? "streamed" : "not streamed"}`, () =>
        Effect.gen(function* () {
          assert.strictEqual(yield* call("fine", streaming), "primary")
          for (let times = 0; times < 8; times++) assert.strictEqual(yield* call("poison", streaming), "backup")
          assert.strictEqual(yield* circuit, "closed")
          assert.strictEqual(yield* call("fine too", streaming), "primary")
        }).pipe(Effect.provide(routed(isPoison, { _tag: tag }))),
      )
    }
  }

  it.effect("opens no circuit while other requests succeed, however often it is sent", () =>
    Effect.gen(function* () {
      for (let times = 0; times < 100; times++) {
        assert.strictEqual(yield* call(`question ${times}`), "primary")
        yield* call("poison")
        yield* call("poison")
        assert.strictEqual(yield* circuit, "closed")
      }
    }).pipe(Effect.provide(routed(isPoison))),
  )

  it.effect("opens no circuit by failure rate", () =>
    Effect.gen(function* () {
      for (let times = 0; times < 12; times++) {
        yield* call(`question ${times}`)
        yield* call("poison")
      }
      assert.strictEqual(yield* circuit, "closed")
    }).pipe(
      Effect.provide(
        routed(isPoison, { _tag: "ServerError" }, { circuit: { failureRateThreshold: 0.5, windowSize: 6 } }),
      ),
    ),
  )

  it.effect("opens no circuit of an unused deployment when another one has shown the request at fault", () => {
    const backup = Testing.script([Testing.fail({ _tag: "ServerError" })])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      yield* call("fine")
      for (let times = 0; times < 8; times++) {
        const running = yield* Effect.forkChild(Effect.exit(call("poison")))
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual((yield* Fiber.join(running))._tag, "Failure")
      }
      assert.deepStrictEqual(
        (yield* router.status).map(({ circuit }) => circuit),
        ["closed", "closed"],
      )
      assert.isAbove(backup.requests.length, 7, "asked each time")
    }).pipe(Effect.provide(routed(isPoison, { _tag: "ServerError" }, {}, backup.layer)))
  })

  it.effect("does not reopen a circuit as its probe: the next call probes", () => {
    let down = false
    return Effect.gen(function* () {
      yield* call("fine")
      yield* call("poison")
      down = true
      for (let times = 0; times < 3; times++) yield* call(`question ${times}`)
      assert.strictEqual(yield* circuit, "open")
      down = false
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* call("poison"), "backup")
      assert.strictEqual(yield* call("fine"), "primary")
      assert.strictEqual(yield* circuit, "closed")
    }).pipe(Effect.provide(routed((text) => down || isPoison(text))))
  })
})

describe("a failing deployment", () => {
  it.effect("opens its circuit by the retries of one call if no other request succeeded", () =>
    Effect.gen(function* () {
      yield* call("hello")
      assert.strictEqual(yield* circuit, "open")
    }).pipe(Effect.provide(routed(() => true))),
  )

  it.effect("opens its circuit by three calls if other requests succeeded before", () => {
    let down = false
    return Effect.gen(function* () {
      yield* call("fine")
      down = true
      yield* call("one")
      yield* call("two")
      assert.strictEqual(yield* circuit, "closed")
      yield* call("three")
      assert.strictEqual(yield* circuit, "open")
    }).pipe(Effect.provide(routed(() => down)))
  })

  it.effect("opens its circuit by one call if that request succeeded before, as in a load test", () => {
    let down = false
    return Effect.gen(function* () {
      yield* call("same")
      down = true
      yield* call("same")
      assert.strictEqual(yield* circuit, "open")
    }).pipe(Effect.provide(routed(() => down)))
  })

  it.effect("opens its circuit for one request sent repeatedly once successes are a minute old", () => {
    let down = false
    return Effect.gen(function* () {
      yield* call("fine")
      down = true
      let calls = 0
      while ((yield* circuit) === "closed" && calls < 100) {
        yield* call("again")
        calls++
      }
      assert.isAtMost(calls * 3, 63)
    }).pipe(Effect.provide(routed(() => down)))
  })
})

describe("Fingerprint.of", () => {
  const request = (text: string, more: Partial<Chat.Request> = {}): Chat.Request => ({
    model: "m",
    messages: [Chat.user(text)],
    ...more,
  })

  it("is equal for equal requests under any model name", () => {
    assert.strictEqual(Fingerprint.of(request("Hello")), Fingerprint.of({ ...request("Hello"), model: "n" }))
  })

  it("differs for other messages, parameters, bodies and inputs", () => {
    const body = (temperature: number) =>
      request("Hello", { native: { protocol: "chat-completions", body: { temperature } } })
    const prints = [
      request("Hello"),
      request("Hallo"),
      request("Hello", { sampling: { temperature: 0 } }),
      request("Hello", { sampling: { temperature: 1 } }),
      body(0),
      body(-1),
      { model: "m", input: ["Hello"] },
      { model: "m", input: ["Hello", "Hello"] },
    ].map(Fingerprint.of)
    assert.strictEqual(new Set(prints).size, prints.length)
  })

  it("reads a bounded part of a long conversation, always including its end", () => {
    const long = (last: string): Chat.Request => ({
      model: "m",
      messages: [...Array.from({ length: 50_000 }, (_, at) => Chat.user(`${at} `.repeat(200))), Chat.user(last)],
    })
    const before = performance.now()
    assert.notStrictEqual(Fingerprint.of(long("a")), Fingerprint.of(long("b")))
    assert.isBelow(Duration.toMillis(Duration.millis(performance.now() - before)), 5000)
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"
import { layer, request, textOf } from "../support/TestRouter.ts"

const routed = (primary: Testing.Scripted) =>
  layer(
    { primary },
    {
      route: Route.to("primary").pipe(Route.sse({ keepAlive: "15 seconds" })),
      deployment: { retry: { times: 0 } },
    },
  )

const opened = Effect.gen(function* () {
  const router = yield* Router.Router
  const fiber = yield* Effect.forkChild(router.chatStream(request), { startImmediately: true })
  yield* TestClock.adjust("15 seconds")
  const streaming = yield* Fiber.join(fiber)
  const { buffered, keepAlive } = streaming
  assert.deepStrictEqual({ buffered, keepAlive }, { buffered: true, keepAlive: 15_000 })
  return streaming
})

describe("a stream on a route with sse.keepAlive", () => {
  it.effect("is given when a keep-alive is due, and brings the answer later", () =>
    Effect.gen(function* () {
      const { frames, receipt } = yield* opened
      assert.deepStrictEqual([receipt.attempts, receipt.deployment], [[], undefined])
      const read = yield* Effect.forkChild(Stream.runCollect(frames), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(textOf((yield* Fiber.join(read)).flatMap(({ parts }) => parts)), "Hello")
      assert.strictEqual(receipt.deployment, "primary")
    }).pipe(Effect.scoped, Effect.provide(routed(Testing.script([Testing.reply("Hello", { after: "18 seconds" })])))),
  )

  it.effect("fails with the call's error after it was given", () =>
    Effect.gen(function* () {
      const { frames, receipt } = yield* opened
      const read = yield* Effect.forkChild(Effect.flip(Stream.runCollect(frames)), { startImmediately: true })
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* Fiber.join(read)).kind, "Timeout")
      assert.strictEqual(receipt.outcome, "failure")
    }).pipe(Effect.scoped, Effect.provide(routed(Testing.script([Testing.hang()])))),
  )

  it.effect("is cancelled when its scope closes", () =>
    Effect.gen(function* () {
      const { receipt } = yield* Effect.scoped(opened)
      assert.deepStrictEqual([receipt.outcome, receipt.attempts[0]?.outcome], ["cancelled", "cancelled"])
    }).pipe(Effect.provide(routed(Testing.script([Testing.hang()])))),
  )
})

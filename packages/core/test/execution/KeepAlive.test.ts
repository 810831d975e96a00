import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const ask: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }

const over = (scripted: Testing.Scripted) =>
  Router.layer({
    deployments: { primary: Deployment.make({ model: "p", provider: scripted.layer, retry: { times: 0 } }) },
    routes: { assistant: Route.to("primary").pipe(Route.sse({ keepAlive: "15 seconds" })) },
  })

const opened = Effect.gen(function* () {
  const router = yield* Router.Router
  const fiber = yield* Effect.forkChild(router.chatStream(ask), { startImmediately: true })
  yield* TestClock.adjust("15 seconds")
  const streaming = yield* Fiber.join(fiber)
  const { buffered, keepAlive } = streaming
  assert.deepStrictEqual({ buffered, keepAlive }, { buffered: true, keepAlive: 15_000 })
  return streaming
})

const text = (frames: ReadonlyArray<Chat.Frame>) =>
  frames.flatMap(({ parts }) => parts.map((part) => (part.type === "text" ? part.text : ""))).join("")

describe("a route with keep-alives", () => {
  it.effect("gives a silent stream at the end of its time, and the answer in it", () =>
    Effect.gen(function* () {
      const { frames, receipt } = yield* opened
      assert.deepStrictEqual([receipt.attempts, receipt.deployment], [[], undefined])
      const read = yield* Effect.forkChild(Stream.runCollect(frames), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(text(yield* Fiber.join(read)), "Hello")
      assert.strictEqual(receipt.deployment, "primary")
    }).pipe(Effect.scoped, Effect.provide(over(Testing.script([Testing.reply("Hello", { after: "18 seconds" })])))),
  )

  it.effect("has the failure of all in the stream, once it was given", () =>
    Effect.gen(function* () {
      const { frames, receipt } = yield* opened
      const read = yield* Effect.forkChild(Effect.flip(Stream.runCollect(frames)), { startImmediately: true })
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* Fiber.join(read)).kind, "Timeout")
      assert.strictEqual(receipt.outcome, "failure")
    }).pipe(Effect.scoped, Effect.provide(over(Testing.script([Testing.hang()])))),
  )

  it.effect("is interrupted with its scope", () =>
    Effect.gen(function* () {
      const { receipt } = yield* Effect.scoped(opened)
      assert.deepStrictEqual([receipt.outcome, receipt.attempts[0]?.outcome], ["cancelled", "cancelled"])
    }).pipe(Effect.provide(over(Testing.script([Testing.hang()])))),
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Deployment from "../src/deployment/Deployment.ts"
import * as Chat from "../src/model/Chat.ts"
import * as Route from "../src/route/Route.ts"
import * as Router from "../src/Router.ts"
import * as Testing from "../src/Testing.ts"

const request: Chat.Request = { model: "assistant", messages: [Chat.user("Hi")] }

const layer = (primary: Testing.Scripted, backup: Testing.Scripted) =>
  Router.layer({
    deployments: {
      primary: Deployment.make({ model: "m", provider: primary.layer }),
      backup: Deployment.make({ model: "m", provider: backup.layer }),
    },
    routes: { assistant: Route.fallback("primary", "backup") },
  })

describe("Testing.script", () => {
  it.effect("answers by its outcomes, as in the example of its docstring", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Authentication" })])
    const backup = Testing.script([Testing.reply("Hello")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const { receipt, response } = yield* router.chat(request)
      assert.strictEqual(Chat.text(response), "Hello")
      assert.strictEqual(receipt.deployment, "backup")
      assert.lengthOf(primary.requests, 1)
    }).pipe(Effect.provide(layer(primary, backup)))
  })

  it.effect("plays its outcomes in order and repeats the last one", () => {
    const primary = Testing.script([Testing.reply("one"), Testing.reply("two")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const texts = yield* Effect.forEach([1, 2, 3], () =>
        Effect.map(router.chat(request), ({ response }) => Chat.text(response)),
      )
      assert.deepStrictEqual(texts, ["one", "two", "two"])
      assert.strictEqual(primary.inFlight(), 0)
    }).pipe(Effect.provide(layer(primary, primary)))
  })

  it.effect("fails a stream after the output given by `output`", () => {
    const primary = Testing.script([Testing.fail({ _tag: "ServerError" }, { output: ["Good ", "even"] })])
    const texts: Array<string> = []
    return Effect.gen(function* () {
      const error = yield* Effect.flip(
        Stream.runForEach(Router.stream(request), (part) =>
          Effect.sync(() => void (part.type === "text" && texts.push(part.text))),
        ),
      )
      assert.strictEqual(error.kind, "StreamInterrupted")
      assert.deepStrictEqual(texts, ["Good ", "even"])
    }).pipe(Effect.provide(layer(primary, primary)))
  })
})

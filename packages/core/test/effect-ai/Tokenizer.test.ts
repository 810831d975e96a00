import { assert, describe, it } from "@effect/vitest"
import * as Tokenizer from "effect/ai/Tokenizer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Understudy from "../../src/effect-ai/Tokenizer.ts"
import type * as Chat from "../../src/model/Chat.ts"
import { ProviderError } from "../../src/model/ProviderError.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const over = (countTokens?: Testing.ScriptOptions["countTokens"]) => {
  const silent = Testing.script([Testing.hang()])
  const counting = Testing.script([Testing.hang()], { countTokens })
  return Layer.provide(
    Understudy.layer("assistant"),
    Router.layer({
      deployments: {
        silent: Deployment.make({ model: "s", provider: silent.layer }),
        counting: Deployment.make({ model: "c", provider: counting.layer }),
      },
      routes: { assistant: Route.fallback("silent", "counting") },
    }),
  )
}

/** Ten tokens for each message. */
const ten = (request: Chat.Request) => Effect.succeed(request.messages.length * 10)

const history = ["first", "second", "third"].map((text) => ({ role: "user" as const, content: text }))

describe("a route as a Tokenizer", () => {
  it.effect("returns a number for each token that a deployment counts", () =>
    Effect.gen(function* () {
      const tokenizer = yield* Tokenizer.Tokenizer
      assert.deepStrictEqual(yield* tokenizer.tokenize("Hello"), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    }).pipe(Effect.provide(over(ten))),
  )

  it.effect("keeps the newest messages that fit", () =>
    Effect.gen(function* () {
      const tokenizer = yield* Tokenizer.Tokenizer
      const kept = yield* tokenizer.truncate(history, 25)
      assert.deepStrictEqual(
        kept.content
          .map(({ content }) => (typeof content === "string" ? content : content[0]))
          .map((part) => (typeof part === "object" && part.type === "text" ? part.text : part)),
        ["second", "third"],
      )
    }).pipe(Effect.provide(over(ten))),
  )

  it.effect("estimates when no deployment counts, or counting fails", () =>
    Effect.gen(function* () {
      const estimate = Tokenizer.Tokenizer.use((tokenizer) => tokenizer.tokenize("A sentence of six words, about."))
      const without = yield* Effect.provide(estimate, over())
      const failing = yield* Effect.provide(
        estimate,
        over(() => Effect.fail(new ProviderError({ reason: { _tag: "ServerError" }, message: "down" }))),
      )
      assert.isAbove(without.length, 4)
      assert.deepStrictEqual(failing, without)
    }),
  )

  it.effect("fails to start for an unknown route", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Understudy.layer("assistent"))))
      assert.strictEqual(error.kind, "ModelNotFound")
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: { one: Deployment.make({ model: "m", provider: Testing.script([Testing.hang()]).layer }) },
          routes: { assistant: Route.to("one") },
        }),
      ),
    ),
  )
})

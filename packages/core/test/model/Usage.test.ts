import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"
import * as Usage from "../../src/model/Usage.ts"

const bad = [Number.NaN, Number.POSITIVE_INFINITY, -1, 9e15]

describe("Usage.sound", () => {
  it("returns plausible usage unchanged", () => {
    const usage = { inputTokens: 1_000_000, outputTokens: 0, cachedInputTokens: undefined }
    assert.strictEqual(Usage.sound(usage), usage)
    assert.isUndefined(Usage.sound(undefined))
  })

  it("drops counts that are negative, too large or not numbers", () => {
    for (const value of bad) {
      assert.deepStrictEqual(Usage.sound({ inputTokens: value, outputTokens: 3, reasoningTokens: value }), {
        inputTokens: 0,
        outputTokens: 3,
      })
    }
  })
})

describe("a provider with implausible usage", () => {
  for (const value of bad) {
    it.effect(`is called again, and its cost is zero: ${value}`, () => {
      const usage = { inputTokens: value, outputTokens: value }
      const scripted = Testing.script([Testing.reply("yes", { usage })])
      return Effect.gen(function* () {
        const router = yield* Router.Router
        for (let times = 0; times < 3; times++) {
          const { receipt } = yield* router.chat({ model: "assistant", messages: [Chat.user("Why?")] })
          assert.strictEqual(receipt.attempts[0]?.cost, 0)
        }
      }).pipe(
        Effect.provide(
          Router.layer({
            deployments: {
              one: Deployment.make({
                model: "one",
                provider: scripted.layer,
                price: { input: 1, output: 1 },
                limits: { tpm: 100_000 },
              }),
            },
            routes: { assistant: Route.fallback("one") },
          }),
        ),
      )
    })
  }
})

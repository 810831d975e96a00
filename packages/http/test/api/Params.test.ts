/** The parameters of deployments, as the vendor receives them from a gateway that passes bodies on. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestGateway from "../TestGateway.ts"

const messages = (content: string) => [{ role: "user" as const, content }]

describe("parameters of a deployment", { timeout: 30_000 }, () => {
  it.live("are written into a body of the openai SDK that is passed on with its long texts", () =>
    Effect.gen(function* () {
      const primary = { params: { temperature: 0.2, seed: 7 }, force: { maxTokens: 50, extraBody: { tier: "flex" } } }
      const { client, upstream } = yield* TestGateway.make({ primary })
      const long = "An old song. ".repeat(3000)
      yield* Effect.promise(() =>
        client.chat.completions.create({
          model: "assistant",
          messages: messages(long),
          seed: 1,
          max_completion_tokens: 900,
          logit_bias: { "50256": -100 },
        }),
      )
      const { body } = yield* upstream.received("primary", 1)
      assert.deepStrictEqual(body, {
        model: "primary",
        messages: messages(long),
        seed: 1,
        logit_bias: { "50256": -100 },
        temperature: 0.2,
        max_tokens: 50,
        tier: "flex",
      })
    }),
  )

  it.live("are encoded for a vendor of another protocol, and reported where it lacks them", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make({
        vendor: "anthropic",
        primary: { params: { temperature: 0.2, seed: 7 } },
      })
      const { response } = yield* Effect.promise(() =>
        client.chat.completions.create({ model: "assistant", messages: messages("Hi"), max_tokens: 9 }).withResponse(),
      )
      const { body } = yield* upstream.received("primary", 1)
      assert.deepInclude(body, { max_tokens: 9, temperature: 0.2 })
      assert.strictEqual(response.headers.get("x-understudy-dropped-params"), "seed")
    }),
  )
})

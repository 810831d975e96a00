import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Lowering from "@understudy/providers/protocols/Lowering"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"

const request: Chat.Request = {
  model: "m",
  messages: [Chat.user("Hello?")],
  vendor: { theirs: { logit_bias: {} }, ours: { own: true } },
}

const codec = (native?: string): Lowering.Codec<string> => ({
  native: () => native,
  encode: () => Result.succeed({ body: "encoded", warnings: ["a seed"] }),
})

/** What lowering twice gives, and logs. */
const twice = (codec: Lowering.Codec<string>) =>
  Effect.gen(function* () {
    const logged: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void logged.push(String(message)))
    const lower = Lowering.make("acme", "ours", codec)
    const bodies = yield* Effect.all([lower(request), lower(request)]).pipe(
      Effect.provide(Layer.fresh(Logger.layer([logger]))),
    )
    return { bodies, logged }
  })

describe("Lowering", () => {
  it.effect("sends what its client wrote in the vendor's own protocol", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* twice(codec("as it came")), { bodies: ["as it came", "as it came"], logged: [] })
    }),
  )

  it.effect("logs once what the protocol cannot say, fields of another protocol included", () =>
    Effect.gen(function* () {
      const { bodies, logged } = yield* twice(codec())
      assert.deepStrictEqual(bodies, ["encoded", "encoded"])
      assert.deepStrictEqual(logged, ["acme: not said to m: a seed; logit_bias"])
    }),
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Start from "@understudy/providers/ProviderStartError"
import * as Effect from "effect/Effect"

describe("sdk", () => {
  it.effect("says what to install when the SDK is not there", () =>
    Effect.gen(function* () {
      // @ts-expect-error there is no such package
      const missing = Start.sdk("acme", "@acme/sdk", () => import("@acme/sdk"))
      const error = yield* Effect.flip(missing)
      assert.strictEqual(error.message, "the acme provider needs @acme/sdk: run `npm install @acme/sdk`")
    }),
  )
})

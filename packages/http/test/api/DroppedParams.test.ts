import { assert, describe, it } from "@effect/vitest"
import * as Route from "@understudy/core/Route"
import * as Effect from "effect/Effect"
import * as TestGateway from "../TestGateway.ts"

/** A wish that Anthropic's protocol cannot say. */
const wish = { model: "assistant", messages: [{ role: "user" as const, content: "Hello?" }], seed: 7 }

/** Asks Anthropic first, then OpenAI, under this policy. */
const ask = (policy: "skip" | "warn" | "drop" | undefined, stream: boolean) =>
  Effect.gen(function* () {
    const route = Route.fallback("backup", "primary").pipe(Route.retry({ times: 0 }))
    const gateway = yield* TestGateway.make({
      backup: "anthropic",
      route: policy === undefined ? route : route.pipe(Route.unsupportedParams(policy)),
    })
    const answer = yield* Effect.promise(() => TestGateway.post(gateway.url, JSON.stringify({ ...wish, stream })))
    return {
      status: answer.status,
      by: answer.headers.get("x-understudy-deployment"),
      droppedParams: answer.headers.get("x-understudy-dropped-params"),
    }
  })

const droppedParams = "seed; max_tokens, which the API requires, set to 4096"

describe("a wish that the answering protocol cannot say", () => {
  for (const stream of [false, true]) {
    const how = stream ? "streamed" : "plain"

    it.live(`is named in a header, ${how}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* ask(undefined, stream), { status: 200, by: "backup", droppedParams })
        assert.deepStrictEqual(yield* ask("warn", stream), { status: 200, by: "backup", droppedParams })
      }),
    )

    it.live(`is left out in silence where that is wanted, ${how}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* ask("drop", stream), { status: 200, by: "backup", droppedParams: null })
      }),
    )

    it.live(`is said by the next deployment where it must be, ${how}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* ask("skip", stream), { status: 200, by: "primary", droppedParams: null })
      }),
    )
  }
})

import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Lowering from "@understudy/providers/internal/protocols/Lowering"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"

const wish: Chat.Request = {
  model: "m",
  messages: [Chat.user("Hello?")],
  vendor: { theirs: { logit_bias: {} }, ours: { own: true } },
}

const codec = (native?: string): Lowering.RequestEncoder<string> => ({
  native: () => native,
  encode: () => Result.succeed({ body: "encoded", warnings: ["a seed"] }),
})

/** What lowering twice gives, and logs. */
const twice = (codec: Lowering.RequestEncoder<string>, request: Chat.Request = wish) =>
  Effect.gen(function* () {
    const logged: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void logged.push(String(message)))
    const lower = Lowering.make("acme", "ours", codec)
    const bodies = yield* Effect.all([lower(request), lower(request)]).pipe(
      Effect.provide(Layer.fresh(Logger.layer([logger]))),
    )
    return { bodies, logged }
  })

const both = (lowered: Lowering.Lowered<string>) => [lowered, lowered]

describe("Lowering", () => {
  it.effect("sends what its client wrote in the vendor's own protocol", () =>
    Effect.gen(function* () {
      const { bodies, logged } = yield* twice(codec("as it came"))
      assert.deepStrictEqual(bodies, both({ body: "as it came", droppedParams: undefined }))
      assert.deepStrictEqual(logged, [])
    }),
  )

  it.effect("tells each time and logs once what the protocol cannot say, fields of another protocol included", () =>
    Effect.gen(function* () {
      const { bodies, logged } = yield* twice(codec())
      assert.deepStrictEqual(bodies, both({ body: "encoded", droppedParams: ["a seed", "logit_bias"] }))
      assert.deepStrictEqual(logged, ["acme: dropped for m: a seed; logit_bias"])
    }),
  )

  it.effect("says what another protocol has the same word for, unless its own word is there", () =>
    Effect.gen(function* () {
      const lower = Lowering.make<unknown, Chat.Request>("acme", "ours", {
        native: () => undefined,
        encode: ({ vendor }) => Result.succeed({ body: vendor?.["ours"], warnings: [] }),
        sharedFields: { theirs: ["key", "own"] },
      })
      const theirs = { key: "k", own: "theirs", logit_bias: {} }
      assert.deepStrictEqual(yield* lower({ ...wish, vendor: { theirs } }), {
        body: { key: "k", own: "theirs" },
        droppedParams: ["logit_bias"],
      })
      assert.deepStrictEqual(
        yield* lower({ ...wish, vendor: { theirs, ours: { own: "ours" }, another: { key: 1 } } }),
        {
          body: { key: "k", own: "ours" },
          droppedParams: ["logit_bias", "key"],
        },
      )
    }),
  )

  it.effect("keeps silent of it where that is wanted", () =>
    Effect.gen(function* () {
      const { bodies, logged } = yield* twice(codec(), { ...wish, unsupportedParams: "drop" })
      assert.deepStrictEqual(bodies, both({ body: "encoded", droppedParams: undefined }))
      assert.deepStrictEqual(logged, [])
    }),
  )

  it.effect("refuses to leave it out where that is wanted", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(twice(codec(), { ...wish, unsupportedParams: "skip" }))
      assert.deepStrictEqual(error.reason, { _tag: "Unsupported", feature: "a seed; logit_bias" })
    }),
  )

  it.effect("tells what its client said that Chat has no words for, unless the client is understood as it is", () =>
    Effect.gen(function* () {
      const request: Chat.Request = { model: "m", messages: [Chat.user("Hello?")], droppedParams: ["a web search"] }
      const { bodies } = yield* twice(codec(), request)
      assert.deepStrictEqual(bodies, both({ body: "encoded", droppedParams: ["a seed", "a web search"] }))
      const native = yield* twice(codec("as it came"), request)
      assert.deepStrictEqual(native.bodies, both({ body: "as it came", droppedParams: undefined }))
    }),
  )

  it.effect("refuses what the answer would be another without, unless the client is understood as it is", () =>
    Effect.gen(function* () {
      const request: Chat.Request = {
        model: "m",
        messages: [Chat.user("Hello?")],
        requiredUnsupported: ["a compaction"],
      }
      const error = yield* Effect.flip(twice(codec(), { ...request, unsupportedParams: "drop" }))
      assert.deepStrictEqual(error.reason, { _tag: "Unsupported", feature: "a compaction" })
      const native = yield* twice(codec("as it came"), request)
      assert.deepStrictEqual(native.bodies, both({ body: "as it came", droppedParams: undefined }))
    }),
  )
})

describe("tools that only another vendor runs", () => {
  const search = { vendor: { theirs: { tools: [{ type: "web_search" }] } } }
  const tools = [{ name: "look" }]

  const lowered = (request: Partial<Chat.Request>) =>
    twice(codec(), { model: "m", messages: [Chat.user("Hello?")], ...search, ...request })

  it.effect("are an offer beside functions", () =>
    Effect.gen(function* () {
      const offers: ReadonlyArray<Partial<Chat.Request>> = [
        { tools },
        { tools, toolChoice: "required" },
        { tools, toolChoice: { name: "look" } },
        { toolChoice: "none" },
      ]
      for (const offer of offers) {
        const { bodies } = yield* lowered(offer)
        assert.deepStrictEqual(bodies[0]?.droppedParams, ["a seed", "tools"])
      }
    }),
  )

  it.effect("are needed where there is nothing else, or one of them is chosen", () =>
    Effect.gen(function* () {
      for (const need of [{}, { toolChoice: "required" }, { tools, toolChoice: { name: "web_search" } }] as const) {
        const error = yield* Effect.flip(lowered(need))
        assert.strictEqual(error.reason._tag, "Unsupported")
      }
    }),
  )
})

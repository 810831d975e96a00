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

/** Lowers twice, and returns the results and the log. */
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
  it.effect("sends a client's own body in the vendor's protocol", () =>
    Effect.gen(function* () {
      const { bodies, logged } = yield* twice(codec("as it came"))
      assert.deepStrictEqual(bodies, both({ body: "as it came", droppedParams: undefined, isNative: true }))
      assert.deepStrictEqual(logged, [])
    }),
  )

  it.effect("reports dropped parameters each time and logs them once, fields of other protocols included", () =>
    Effect.gen(function* () {
      const { bodies, logged } = yield* twice(codec())
      assert.deepStrictEqual(bodies, both({ body: "encoded", droppedParams: ["a seed", "logit_bias"] }))
      assert.deepStrictEqual(logged, ["acme: dropped for m: a seed; logit_bias"])
    }),
  )

  it.effect("sends shared fields of another protocol, unless its own field is set", () =>
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

  it.effect("reports nothing with the policy drop", () =>
    Effect.gen(function* () {
      const { bodies, logged } = yield* twice(codec(), { ...wish, unsupportedParams: "drop" })
      assert.deepStrictEqual(bodies, both({ body: "encoded", droppedParams: undefined }))
      assert.deepStrictEqual(logged, [])
    }),
  )

  it.effect("fails with the policy skip", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(twice(codec(), { ...wish, unsupportedParams: "skip" }))
      assert.deepStrictEqual(error.reason, { _tag: "Unsupported", feature: "a seed; logit_bias" })
    }),
  )

  it.effect("reports parameters without a counterpart in Chat, unless the client's body is sent", () =>
    Effect.gen(function* () {
      const request: Chat.Request = { model: "m", messages: [Chat.user("Hello?")], droppedParams: ["a web search"] }
      const { bodies } = yield* twice(codec(), request)
      assert.deepStrictEqual(bodies, both({ body: "encoded", droppedParams: ["a seed", "a web search"] }))
      const native = yield* twice(codec("as it came"), request)
      assert.deepStrictEqual(native.bodies, both({ body: "as it came", droppedParams: undefined, isNative: true }))
    }),
  )

  it.effect("fails on features that cannot be dropped, unless the client's body is sent", () =>
    Effect.gen(function* () {
      const request: Chat.Request = {
        model: "m",
        messages: [Chat.user("Hello?")],
        requiredUnsupported: ["a compaction"],
      }
      const error = yield* Effect.flip(twice(codec(), { ...request, unsupportedParams: "drop" }))
      assert.deepStrictEqual(error.reason, { _tag: "Unsupported", feature: "a compaction" })
      const native = yield* twice(codec("as it came"), request)
      assert.deepStrictEqual(native.bodies, both({ body: "as it came", droppedParams: undefined, isNative: true }))
    }),
  )
})

describe("tools that run at another vendor", () => {
  const search = { vendor: { theirs: { tools: [{ type: "web_search" }] } } }
  const tools = [{ name: "look" }]

  const lowered = (request: Partial<Chat.Request>) =>
    twice(codec(), { model: "m", messages: [Chat.user("Hello?")], ...search, ...request })

  it.effect("are optional next to functions", () =>
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

  it.effect("are required if there are no others, or one of them is forced", () =>
    Effect.gen(function* () {
      for (const need of [{}, { toolChoice: "required" }, { tools, toolChoice: { name: "web_search" } }] as const) {
        const error = yield* Effect.flip(lowered(need))
        assert.strictEqual(error.reason._tag, "Unsupported")
      }
    }),
  )
})

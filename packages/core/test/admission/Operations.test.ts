import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import { Provider } from "../../src/model/Provider.ts"
import { ProviderError } from "../../src/model/ProviderError.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import * as Router from "../../src/Router.ts"

type Fault = Reason | undefined

/** One deployment whose operations fail with the given reasons, and the number of calls of each. */
const make = (faults: { chat: Fault; embeddings: Fault; count: Fault }) => {
  const calls = { chat: 0, embeddings: 0, count: 0 }
  const does = <A>(operation: keyof typeof calls, answer: A): Effect.Effect<A, ProviderError> =>
    Effect.suspend(() => {
      calls[operation]++
      const reason = faults[operation]
      return reason === undefined ? Effect.succeed(answer) : Effect.fail(new ProviderError({ reason, message: "no" }))
    })
  const reply: Chat.Response = { content: [{ type: "text", text: "Hi" }], finishReason: "stop" }
  const provider = Layer.succeed(Provider, {
    protocol: "scripted",
    chat: () => does("chat", reply),
    stream: () => Stream.never,
    embed: ({ input }) => does("embeddings", { vectors: input.map(() => [1]), usage: undefined }),
    countTokens: () => does("count", 7),
  })
  const layer = Router.layer({
    deployments: { only: Deployment.make({ model: "m", provider, retry: { times: 0 } }) },
  })
  return { calls, faults, layer }
}

const request: Chat.Request = { model: "only", messages: [Chat.user("Hello")] }
const chat = Effect.flatMap(Router.Router, (router) => Effect.exit(router.chat(request)))
const embed = Effect.flatMap(Router.Router, (router) => Effect.exit(router.embed({ model: "only", input: ["a"] })))
const count = Effect.flatMap(Router.Router, (router) => Effect.exit(router.countTokens(request)))
const three = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.repeat(call, { times: 2 })

/** The circuit of each operation, then the deployment's own line. */
const circuits = Effect.map(
  Effect.flatMap(Router.Router, ({ status }) => status),
  ([only]) => [
    only?.operations.chat.circuit,
    only?.operations.embeddings.circuit,
    only?.operations.count.circuit,
    only?.circuit,
  ],
)

describe("the state of one operation", () => {
  for (const reason of ["ModelNotFound", "Permission", "ServerError", "Malformed"] as const) {
    it.effect(`does not change for chat on ${reason} of embeddings`, () => {
      const { calls, layer } = make({ chat: undefined, embeddings: { _tag: reason }, count: undefined })
      return Effect.gen(function* () {
        assert.strictEqual((yield* chat)._tag, "Success")
        yield* three(embed)
        assert.deepStrictEqual(yield* circuits, ["closed", "open", "closed", "closed"])
        assert.strictEqual((yield* chat)._tag, "Success")
        yield* count
        assert.strictEqual(calls.count, 1)
      }).pipe(Effect.provide(layer))
    })

    it.effect(`does not change for embeddings on ${reason} of chat`, () => {
      const { layer } = make({ chat: { _tag: reason }, embeddings: undefined, count: undefined })
      return Effect.gen(function* () {
        yield* three(chat)
        assert.deepStrictEqual(yield* circuits, ["open", "closed", "closed", "open"])
        assert.strictEqual((yield* embed)._tag, "Success")
        assert.deepStrictEqual(yield* circuits, ["open", "closed", "closed", "closed"])
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("has its own circuit for token counts", () => {
    const { calls, layer } = make({ chat: undefined, embeddings: undefined, count: { _tag: "Network" } })
    return Effect.gen(function* () {
      for (let times = 0; times < 5; times++) assert.strictEqual((yield* count)._tag, "Success", "it is estimated")
      assert.strictEqual(calls.count, 3)
      assert.deepStrictEqual(yield* circuits, ["closed", "closed", "open", "closed"])
      assert.strictEqual((yield* chat)._tag, "Success")
    }).pipe(Effect.provide(layer))
  })

  it.effect("has its own cooldown", () => {
    const wait: Reason = { _tag: "RateLimited", retryAfter: Duration.seconds(20) }
    const { calls, layer } = make({ chat: undefined, embeddings: wait, count: wait })
    return Effect.gen(function* () {
      yield* three(embed)
      yield* three(count)
      assert.deepStrictEqual(calls, { chat: 0, embeddings: 1, count: 1 })
      assert.strictEqual((yield* chat)._tag, "Success")
      const [only] = yield* Effect.flatMap(Router.Router, ({ status }) => status)
      assert.deepStrictEqual(
        [only?.retryAfter, only?.operations.embeddings.retryAfter, only?.operations.count.retryAfter],
        [0, 20_000, 20_000],
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("is explained for the operation of the request", () => {
    const { layer } = make({ chat: undefined, embeddings: { _tag: "ModelNotFound" }, count: undefined })
    return Effect.gen(function* () {
      yield* embed
      const router = yield* Router.Router
      const circuit = (request: Parameters<typeof router.explain>[0]) =>
        Effect.map(router.explain(request), ({ plan }) => Explain.candidates(plan)[0]?.checks.circuit._tag)
      assert.strictEqual(yield* circuit(request), "Available")
      assert.strictEqual(yield* circuit({ model: "only", input: ["a"] }), "CircuitOpen")
    }).pipe(Effect.provide(layer))
  })

  it.effect("is reset for all operations by `Router.reset`", () => {
    const { faults, layer } = make({
      chat: { _tag: "Permission" },
      embeddings: { _tag: "ModelNotFound" },
      count: { _tag: "Permission" },
    })
    return Effect.gen(function* () {
      yield* Effect.all([chat, embed, count])
      assert.deepStrictEqual(yield* circuits, ["open", "open", "open", "open"])
      Object.assign(faults, { chat: undefined, embeddings: undefined, count: undefined })
      yield* Effect.flatMap(Router.Router, (router) => router.reset("only"))
      assert.deepStrictEqual(yield* circuits, ["closed", "closed", "closed", "closed"])
      assert.deepStrictEqual(
        (yield* Effect.all([chat, embed, count])).map(({ _tag }) => _tag),
        ["Success", "Success", "Success"],
      )
    }).pipe(Effect.provide(layer))
  })
})

describe("an account that was refused", () => {
  for (const reason of ["Authentication", "QuotaExhausted"] as const) {
    it.effect(`opens the circuits of all operations: ${reason}`, () => {
      const { calls, layer } = make({ chat: { _tag: reason }, embeddings: undefined, count: undefined })
      return Effect.gen(function* () {
        yield* chat
        assert.deepStrictEqual(yield* circuits, ["open", "open", "open", "open"])
        yield* count
        assert.deepStrictEqual(calls, { chat: 1, embeddings: 0, count: 0 })
      }).pipe(Effect.provide(layer))
    })

    it.effect(`opens no other circuit when a token count was refused: ${reason}`, () => {
      const { layer } = make({ chat: undefined, embeddings: undefined, count: { _tag: reason } })
      return Effect.gen(function* () {
        yield* count
        assert.deepStrictEqual(yield* circuits, ["closed", "closed", "open", "closed"])
      }).pipe(Effect.provide(layer))
    })
  }
})

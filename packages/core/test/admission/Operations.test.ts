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

/** One deployment whose operations fail as they are told to, and how often each was asked. */
const make = (faults: { chat: Fault; embeddings: Fault; count: Fault }) => {
  const asked = { chat: 0, embeddings: 0, count: 0 }
  const does = <A>(operation: keyof typeof asked, answer: A): Effect.Effect<A, ProviderError> =>
    Effect.suspend(() => {
      asked[operation]++
      const reason = faults[operation]
      return reason === undefined ? Effect.succeed(answer) : Effect.fail(new ProviderError({ reason, message: "no" }))
    })
  const said: Chat.Response = { content: [{ type: "text", text: "Hi" }], finishReason: "stop" }
  const provider = Layer.succeed(Provider, {
    protocol: "scripted",
    chat: () => does("chat", said),
    stream: () => Stream.never,
    embed: ({ input }) => does("embeddings", { vectors: input.map(() => [1]), usage: undefined }),
    countTokens: () => does("count", 7),
  })
  const layer = Router.layer({
    deployments: { only: Deployment.make({ model: "m", provider, retry: { times: 0 } }) },
  })
  return { asked, faults, layer }
}

const ask: Chat.Request = { model: "only", messages: [Chat.user("Hello")] }
const chat = Effect.flatMap(Router.Router, (router) => Effect.exit(router.chat(ask)))
const embed = Effect.flatMap(Router.Router, (router) => Effect.exit(router.embed({ model: "only", input: ["a"] })))
const count = Effect.flatMap(Router.Router, (router) => Effect.exit(router.countTokens(ask)))
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

describe("what one operation cannot do", () => {
  for (const reason of ["ModelNotFound", "Permission", "ServerError", "Malformed"] as const) {
    it.effect(`says nothing of another: ${reason} of embeddings`, () => {
      const { asked, layer } = make({ chat: undefined, embeddings: { _tag: reason }, count: undefined })
      return Effect.gen(function* () {
        assert.strictEqual((yield* chat)._tag, "Success")
        yield* three(embed)
        assert.deepStrictEqual(yield* circuits, ["closed", "open", "closed", "closed"])
        assert.strictEqual((yield* chat)._tag, "Success")
        yield* count
        assert.strictEqual(asked.count, 1)
      }).pipe(Effect.provide(layer))
    })

    it.effect(`says nothing of another: ${reason} of the conversation`, () => {
      const { layer } = make({ chat: { _tag: reason }, embeddings: undefined, count: undefined })
      return Effect.gen(function* () {
        yield* three(chat)
        assert.deepStrictEqual(yield* circuits, ["open", "closed", "closed", "open"])
        assert.strictEqual((yield* embed)._tag, "Success")
        assert.deepStrictEqual(yield* circuits, ["open", "closed", "closed", "closed"])
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("is not asked of it again: counting has a circuit of its own", () => {
    const { asked, layer } = make({ chat: undefined, embeddings: undefined, count: { _tag: "Network" } })
    return Effect.gen(function* () {
      for (let times = 0; times < 5; times++) assert.strictEqual((yield* count)._tag, "Success", "it is estimated")
      assert.strictEqual(asked.count, 3)
      assert.deepStrictEqual(yield* circuits, ["closed", "closed", "open", "closed"])
      assert.strictEqual((yield* chat)._tag, "Success")
    }).pipe(Effect.provide(layer))
  })

  it.effect("has a cooldown of its own", () => {
    const wait: Reason = { _tag: "RateLimited", retryAfter: Duration.seconds(20) }
    const { asked, layer } = make({ chat: undefined, embeddings: wait, count: wait })
    return Effect.gen(function* () {
      yield* three(embed)
      yield* three(count)
      assert.deepStrictEqual(asked, { chat: 0, embeddings: 1, count: 1 })
      assert.strictEqual((yield* chat)._tag, "Success")
      const [only] = yield* Effect.flatMap(Router.Router, ({ status }) => status)
      assert.deepStrictEqual(
        [only?.retryAfter, only?.operations.embeddings.retryAfter, only?.operations.count.retryAfter],
        [0, 20_000, 20_000],
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("is explained for the operation that is asked about", () => {
    const { layer } = make({ chat: undefined, embeddings: { _tag: "ModelNotFound" }, count: undefined })
    return Effect.gen(function* () {
      yield* embed
      const router = yield* Router.Router
      const circuit = (request: Parameters<typeof router.explain>[0]) =>
        Effect.map(router.explain(request), ({ plan }) => Explain.candidates(plan)[0]?.checks.circuit._tag)
      assert.strictEqual(yield* circuit(ask), "Available")
      assert.strictEqual(yield* circuit({ model: "only", input: ["a"] }), "CircuitOpen")
    }).pipe(Effect.provide(layer))
  })

  it.effect("ends for all operations when the operator says so", () => {
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

describe("a dead account", () => {
  for (const reason of ["Authentication", "QuotaExhausted"] as const) {
    it.effect(`is dead for all operations: ${reason}`, () => {
      const { asked, layer } = make({ chat: { _tag: reason }, embeddings: undefined, count: undefined })
      return Effect.gen(function* () {
        yield* chat
        assert.deepStrictEqual(yield* circuits, ["open", "open", "open", "open"])
        yield* count
        assert.deepStrictEqual(asked, { chat: 1, embeddings: 0, count: 0 })
      }).pipe(Effect.provide(layer))
    })

    it.effect(`is not known by its counting, which is a right of its own: ${reason}`, () => {
      const { layer } = make({ chat: undefined, embeddings: undefined, count: { _tag: reason } })
      return Effect.gen(function* () {
        yield* count
        assert.deepStrictEqual(yield* circuits, ["closed", "closed", "open", "closed"])
      }).pipe(Effect.provide(layer))
    })
  }
})

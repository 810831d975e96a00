import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Deployment from "../../src/deployment/Deployment.ts"
import type * as Embedding from "../../src/model/Embedding.ts"
import { Provider } from "../../src/model/Provider.ts"
import * as Receipt from "../../src/receipt/Receipt.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const ask: Embedding.Request = { model: "assistant", input: ["one", "two"] }

const ones = Testing.vectors([
  [1, 0],
  [0, 1],
])

interface Cast {
  readonly primary: Testing.Scripted
  readonly backup: Testing.Scripted
  readonly options?: Partial<Deployment.Options>
  readonly provider?: Layer.Layer<Provider>
}

const routed = ({ backup, options, primary, provider = primary.layer }: Cast) =>
  Router.layer({
    deployments: {
      primary: Deployment.make({ model: "p", provider, ...options }),
      backup: Deployment.make({ model: "b", provider: backup.layer }),
    },
    routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
  })

const embed = (request = ask) => Effect.flatMap(Router.Router, (router) => router.embed(request))

/** A provider that converses and does nothing else. */
const speaking = (scripted: Testing.Scripted) =>
  Layer.effect(
    Provider,
    Effect.map(Effect.provide(Provider, scripted.layer), ({ chat, protocol, stream }): Provider["Service"] => ({
      chat,
      protocol,
      stream,
    })),
  )

describe("Router.embed", () => {
  it.effect("answers from the first deployment, with the vendor's model id", () => {
    const [primary, backup] = [Testing.script([ones]), Testing.script([ones])]
    return Effect.gen(function* () {
      const { receipt, response } = yield* embed()
      assert.deepStrictEqual(response.vectors, [
        [1, 0],
        [0, 1],
      ])
      assert.strictEqual(primary.embeddings[0]?.model, "p")
      assert.strictEqual(receipt.deployment, "primary")
      assert.strictEqual(receipt.outcome, "success")
      assert.strictEqual(receipt.streaming, false)
      assert.deepStrictEqual(Receipt.total(receipt), {
        inputTokens: 10,
        cachedInputTokens: undefined,
        outputTokens: 0,
        cost: 10 / 1_000_000,
      })
      assert.strictEqual(backup.embeddings.length, 0)
    }).pipe(Effect.provide(routed({ primary, backup, options: { price: { input: 1, output: 0 } } })))
  })

  it.effect("falls back to the next deployment, and opens the circuit of the failed one", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Authentication" }, { status: 401 })])
    const backup = Testing.script([ones])
    return Effect.gen(function* () {
      const first = yield* embed()
      const second = yield* embed()
      assert.deepStrictEqual(
        first.receipt.attempts.map(({ deployment, outcome, reason }) => [deployment, outcome, reason]),
        [
          ["primary", "failure", "Authentication"],
          ["backup", "success", undefined],
        ],
      )
      assert.strictEqual(second.receipt.skipped[0]?.reason._tag, "CircuitOpen")
      assert.strictEqual(primary.embeddings.length, 1)
    }).pipe(Effect.provide(routed({ primary, backup })))
  })

  it.effect("retries by the route's policy", () => {
    const primary = Testing.script([Testing.fail({ _tag: "RateLimited" }), ones])
    return Effect.gen(function* () {
      const { receipt } = yield* Effect.flatMap(Router.Router, (router) => router.embed({ ...ask, model: "only" }))
      assert.deepStrictEqual(
        receipt.attempts.map(({ outcome }) => outcome),
        ["failure", "success"],
      )
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            only: Deployment.make({ model: "p", provider: primary.layer, retry: { times: 1, base: 0, max: 0 } }),
          },
        }),
      ),
    )
  })

  it.effect("skips providers and deployments without embeddings", () => {
    const [primary, backup] = [Testing.script([ones]), Testing.script([ones])]
    const without: ReadonlyArray<Cast> = [
      { primary, backup, provider: speaking(primary) },
      { primary, backup, options: { capabilities: { embeddings: false } } },
    ]
    return Effect.forEach(without, (cast) =>
      Effect.gen(function* () {
        const { receipt } = yield* embed()
        assert.deepStrictEqual(receipt.skipped, [
          { deployment: "primary", reason: { _tag: "MissingCapability", need: "embeddings" } },
        ])
        assert.strictEqual(receipt.deployment, "backup")
        assert.strictEqual(primary.embeddings.length, 0)
        const router = yield* Router.Router
        const { requires } = yield* router.explain(ask)
        assert.deepStrictEqual(requires, ["embeddings"])
      }).pipe(Effect.provide(routed(cast))),
    )
  })

  it.effect("fails with the reason when no deployment supports embeddings", () => {
    const primary = Testing.script([ones])
    return Effect.gen(function* () {
      const error = yield* Effect.flip(embed({ ...ask, model: "primary" }))
      assert.strictEqual(error.kind, "InvalidRequest")
      assert.include(error.message, "primary: does not support embeddings")
    }).pipe(Effect.provide(routed({ primary, backup: primary, provider: speaking(primary) })))
  })

  it.effect("treats a response with a missing vector as a failure", () => {
    const [primary, backup] = [Testing.script([Testing.vectors([[1]])]), Testing.script([ones])]
    return Effect.gen(function* () {
      const { receipt } = yield* embed()
      assert.strictEqual(receipt.attempts[0]?.reason, "Malformed")
      assert.strictEqual(receipt.attempts[0]?.message, "1 vectors for 2 inputs")
      assert.strictEqual(receipt.deployment, "backup")
    }).pipe(Effect.provide(routed({ primary, backup })))
  })

  it.effect("checks the context window by the longest input, and limits by all inputs", () => {
    const [primary, backup] = [Testing.script([ones]), Testing.script([ones])]
    const long = { ...ask, input: ["x".repeat(400), "y".repeat(400)] }
    const options = { capabilities: { contextWindow: 150 } }
    return Effect.gen(function* () {
      assert.strictEqual((yield* embed(long)).receipt.deployment, "primary")
      const longer = yield* embed({ ...long, input: ["x".repeat(800), Array.from({ length: 3 }, () => 1)] })
      assert.deepStrictEqual(longer.receipt.skipped[0]?.reason, {
        _tag: "ContextWindowTooSmall",
        tokens: 200,
        window: 150,
      })
      const { inputTokens } = yield* Effect.flatMap(Router.Router, (router) => router.explain(long))
      assert.strictEqual(inputTokens, 200)
    }).pipe(Effect.provide(routed({ primary, backup, options })))
  })
})

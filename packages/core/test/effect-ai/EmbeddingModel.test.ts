import { assert, describe, it } from "@effect/vitest"
import * as EmbeddingModel from "effect/ai/EmbeddingModel"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Understudy from "../../src/effect-ai/EmbeddingModel.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const over = (primary: Testing.Scripted, backup: Testing.Scripted) =>
  Layer.provide(
    Understudy.layer("embeddings", { request: { dimensions: 2, purpose: "query" } }),
    Router.layer({
      deployments: {
        primary: Deployment.make({ model: "p", provider: primary.layer }),
        backup: Deployment.make({ model: "b", provider: backup.layer }),
      },
      routes: { embeddings: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
    }),
  )

const down = Testing.script([Testing.fail({ _tag: "Overloaded" })])

describe("a route as an EmbeddingModel", () => {
  it.effect("fails to start for an unknown route, and suggests a similar name", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Understudy.layer("embedings"))))
      assert.strictEqual(error.kind, "ModelNotFound")
      assert.include(error.message, 'did you mean "embeddings"?')
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: { primary: Deployment.make({ model: "p", provider: down.layer }) },
          routes: { embeddings: Route.to("primary") },
        }),
      ),
    ),
  )

  it.effect("embeds with fallback, and batches concurrent texts", () => {
    const backup = Testing.script([Testing.vectors([Float32Array.of(1, 0), [0, 1]])])
    return Effect.gen(function* () {
      const model = yield* EmbeddingModel.EmbeddingModel
      const each = yield* Effect.forEach(["one", "two"], (text) => model.embed(text), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        each.map(({ vector }) => vector),
        [
          [1, 0],
          [0, 1],
        ],
      )
      const { usage } = yield* model.embedMany(["one", "two"])
      assert.strictEqual(usage.inputTokens, 10)
      assert.strictEqual(backup.embeddings.length, 2)
      const { dimensions, input, purpose } = backup.embeddings[0] ?? assert.fail("it was not asked")
      assert.deepStrictEqual({ dimensions, input, purpose }, { dimensions: 2, input: ["one", "two"], purpose: "query" })
    }).pipe(Effect.provide(over(down, backup)))
  })

  it.effect("fails with an AiError", () =>
    Effect.gen(function* () {
      const model = yield* EmbeddingModel.EmbeddingModel
      const error = yield* Effect.flip(model.embedMany(["one"]))
      assert.strictEqual(error.reason._tag, "InternalProviderError")
      assert.isTrue(error.isRetryable)
    }).pipe(Effect.provide(over(down, down))),
  )
})

/**
 * The bridge to `effect/ai` for embeddings: a route as an `EmbeddingModel`, which batches concurrent texts into one request.
 *
 * ```ts
 * import * as Understudy from "@understudy/core/EmbeddingModel"
 * import * as EmbeddingModel from "effect/ai/EmbeddingModel"
 *
 * const vector = EmbeddingModel.EmbeddingModel.use((model) => model.embed("Hello")).pipe(
 *   Effect.provide(Understudy.layer("embeddings")),
 *   Effect.provide(RouterLive),
 * )
 * ```
 */
import * as EmbeddingModel from "effect/ai/EmbeddingModel"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CallOptions } from "../model/Call.ts"
import type * as Embedding from "../model/Embedding.ts"
import * as Failures from "./language-model/Failures.ts"
import { named, Router } from "../Router.ts"
import type { RouterError } from "../execution/RouterError.ts"

/** The options of every call that `effect/ai` does not set. */
export interface Options extends CallOptions {
  readonly request?: Omit<Partial<Embedding.Request>, "model" | "input" | "native">
}

/**
 * The route or deployment of that name, as an `EmbeddingModel`. Fails with the kind `ModelNotFound` if there is none.
 */
export const layer = (
  route: string,
  { request: defaults, ...call }: Options = {},
): Layer.Layer<EmbeddingModel.EmbeddingModel, RouterError, Router> =>
  Layer.effect(
    EmbeddingModel.EmbeddingModel,
    Effect.flatMap(
      Effect.tap(Router, (router) => named(router, route)),
      (router) =>
        EmbeddingModel.make({
          embedMany: ({ inputs }) =>
            Effect.mapBoth(router.embed({ ...defaults, model: route, input: inputs }, call), {
              onFailure: (error) => Failures.toAi("embedMany", error),
              onSuccess: ({ response: { usage, vectors } }) => ({
                results: vectors.map((vector) => [...vector]),
                usage: { inputTokens: usage?.inputTokens },
              }),
            }),
        }),
    ),
  )

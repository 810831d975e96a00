/**
 * The bridge to `effect/ai` for what embeds: a route as the `EmbeddingModel` of an application. Texts that are embedded one
 * by one at the same time go out together, as ever with that interface.
 *
 * ```ts
 * const near = EmbeddingModel.EmbeddingModel.use((model) => model.embed("Who is on tonight?")).pipe(
 *   Effect.provide(Understudy.layer("embeddings")),
 *   Effect.provide(RouterLive)
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

/** What `effect/ai` has no words for, said of every call. */
export interface Options extends CallOptions {
  readonly request?: Omit<Partial<Embedding.Request>, "model" | "input" | "native">
}

/**
 * The route or deployment of that name, as an `EmbeddingModel`. Fails to start with an `ModelNotFound` where there is none.
 */
export const layer = (
  route: string,
  { request: said, ...call }: Options = {},
): Layer.Layer<EmbeddingModel.EmbeddingModel, RouterError, Router> =>
  Layer.effect(
    EmbeddingModel.EmbeddingModel,
    Effect.flatMap(
      Effect.tap(Router, (router) => named(router, route)),
      (router) =>
        EmbeddingModel.make({
          embedMany: ({ inputs }) =>
            Effect.mapBoth(router.embed({ ...said, model: route, input: inputs }, call), {
              onFailure: (error) => Failures.toAi("embedMany", error),
              onSuccess: ({ response: { usage, vectors } }) => ({
                results: vectors.map((vector) => [...vector]),
                usage: { inputTokens: usage?.inputTokens },
              }),
            }),
        }),
    ),
  )

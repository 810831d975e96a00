/**
 * The bridge to `effect/ai` for token counts: a route as a `Tokenizer`, which truncates prompts to what fits.
 *
 * ```ts
 * import * as Understudy from "@understudy/core/Tokenizer"
 * import { Tokenizer } from "effect/ai"
 *
 * const shortened = Tokenizer.Tokenizer.use((tokenizer) => tokenizer.truncate(history, 8_000)).pipe(
 *   Effect.provide(Understudy.layer("assistant")),
 *   Effect.provide(RouterLive),
 * )
 * ```
 */
import * as Tokenizer from "effect/ai/Tokenizer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CallOptions } from "../model/Call.ts"
import * as Failures from "./language-model/Failures.ts"
import * as Requests from "./language-model/Requests.ts"
import { named, Router } from "../Router.ts"
import type { RouterError } from "../execution/RouterError.ts"

/**
 * The route or deployment of that name, as a `Tokenizer`. Fails with the kind `ModelNotFound` if there is none.
 *
 * Tokens are counted as by `Router.countTokens`: by the first deployment of the route that counts, otherwise by an estimate.
 * Vendors return how many tokens a prompt has and not which, so `tokenize` returns that many numbers, which are their positions.
 * `truncate` counts once for each message that it looks at, the newest first.
 */
export const layer = (
  route: string,
  options: CallOptions = {},
): Layer.Layer<Tokenizer.Tokenizer, RouterError, Router> =>
  Layer.effect(
    Tokenizer.Tokenizer,
    Effect.map(
      Effect.tap(Router, (router) => named(router, route)),
      (router) =>
        Tokenizer.make({
          tokenize: (prompt) =>
            Effect.flatMap(Failures.fromResult("tokenize", Requests.messagesOf(prompt)), (messages) =>
              Effect.mapBoth(router.countTokens({ model: route, messages }, options), {
                onFailure: (error) => Failures.toAi("tokenize", error),
                onSuccess: ({ inputTokens }) => Array.from({ length: inputTokens }, (_, position) => position),
              }),
            ),
        }),
    ),
  )

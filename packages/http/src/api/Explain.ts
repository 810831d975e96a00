/**
 * `POST /v1/route/explain`: where a chat completions request would go just now, and why not elsewhere, as
 * `Explain.Explanation` in JSON. Nobody is asked, and nothing changes.
 */
import { Router } from "@understudy/core/Router"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Answer from "./Answer.ts"
import * as ApiError from "./ApiError.ts"
import * as JsonBody from "./JsonBody.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    http.add(
      "POST",
      "/v1/route/explain",
      Effect.gen(function* () {
        const body = yield* JsonBody.read
        const request = yield* Effect.mapError(
          Effect.fromResult(ChatCompletions.Request.decode(body)),
          ({ message, path }) => ApiError.invalid(message, { param: path }),
        )
        const streaming = ChatCompletions.Request.isStream(body)
        const explanation = yield* Effect.mapError(router.explain(request, { streaming }), ApiError.fromRouter)
        return HttpServerResponse.jsonUnsafe(explanation)
      }).pipe(Effect.catch((error) => Effect.succeed(Answer.error(error, ChatCompletions)))),
    ),
  ),
)

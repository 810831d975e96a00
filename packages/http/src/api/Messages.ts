/**
 * Anthropic's API, answered by whoever the route finds: `POST /v1/messages`, whole and streamed, and
 * `POST /v1/messages/count_tokens`.
 */
import * as Call from "@understudy/core/Call"
import type * as Chat from "@understudy/core/Chat"
import { Router } from "@understudy/core/Router"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Answer from "./Answer.ts"
import * as ApiError from "./ApiError.ts"
import * as Endpoint from "./Endpoint.ts"
import * as JsonBody from "./JsonBody.ts"

/** Adds both endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    Effect.andThen(
      http.add("POST", "/v1/messages", Endpoint.handle(router, Messages)),
      http.add("POST", "/v1/messages/count_tokens", count(router)),
    ),
  ),
)

const count = (router: Router["Service"]): Endpoint.Handled =>
  Effect.gen(function* () {
    const request = yield* Endpoint.decode(Messages, yield* JsonBody.read, {})
    return HttpServerResponse.jsonUnsafe({ input_tokens: yield* inputTokens(router, request) })
  }).pipe(Effect.catch((error) => Effect.succeed(Answer.error(error, Messages))))

/** How many tokens the request comes to, by the engine's estimate. A name that nobody answers to is no request. */
const inputTokens = (router: Router["Service"], request: Chat.Request): Effect.Effect<number, ApiError.ApiError> =>
  Effect.as(Effect.mapError(router.explain(request), ApiError.fromRouter), new Call.Call(request, false).inputTokens)

/**
 * Anthropic's API, answered by whoever the route finds: `POST /v1/messages`, whole and streamed, and
 * `POST /v1/messages/count_tokens`.
 */
import { Router } from "@understudy/core/Router"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Answer from "./Answer.ts"
import * as ApiError from "./ApiError.ts"
import * as CallOptions from "./CallOptions.ts"
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

/** As the first on the route who can count says, else by the engine's estimate. */
const count = (router: Router["Service"]): Endpoint.Handled =>
  Effect.gen(function* () {
    const options = yield* CallOptions.read
    const request = yield* Endpoint.decode(Messages, yield* JsonBody.read, {})
    const { inputTokens } = yield* Effect.mapError(router.countTokens(request, options), ApiError.fromRouter)
    return HttpServerResponse.jsonUnsafe({ input_tokens: inputTokens })
  }).pipe(Effect.catch((error) => Effect.succeed(Answer.error(error, Messages))))

/**
 * `POST /v1/embeddings`: OpenAI's API, answered by whoever the route finds, in the form that the client asked for.
 */
import { Router } from "@understudy/core/Router"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Embeddings from "@understudy/providers/protocols/embeddings"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Answer from "./Answer.ts"
import * as ApiError from "./ApiError.ts"
import * as CallOptions from "./CallOptions.ts"
import * as JsonBody from "./JsonBody.ts"
import * as Native from "./Native.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    http.add(
      "POST",
      "/v1/embeddings",
      Effect.gen(function* () {
        const body = yield* JsonBody.read
        const options = yield* CallOptions.read
        const decoded = yield* Effect.mapError(
          Effect.fromResult(Embeddings.Request.decode(body)),
          ({ message, path }) => ApiError.invalid(message, { param: path }),
        )
        const request = yield* Native.beside(decoded)
        const { receipt, response } = yield* Effect.mapError(router.embed(request, options), ApiError.fromRouter)
        return HttpServerResponse.text(Embeddings.Response.encode(response, request), {
          headers: Answer.headers(receipt),
          contentType: "application/json",
        })
      }).pipe(Effect.catch((error) => Effect.succeed(Answer.error(error, ChatCompletions)))),
    ),
  ),
)

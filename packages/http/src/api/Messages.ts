/**
 * Anthropic's API: `POST /v1/messages`, streamed or not, and `POST /v1/messages/count_tokens`.
 */
import { Router } from "@understudy/core/Router"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Endpoint from "./Endpoint.ts"

/** Adds both endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    Effect.andThen(
      http.add("POST", "/v1/messages", Endpoint.handle(router, Messages)),
      http.add("POST", "/v1/messages/count_tokens", Endpoint.count(router, Messages, tokenCount)),
    ),
  ),
)

const tokenCount: Endpoint.TokenCountProtocol = { encode: (inputTokens) => ({ input_tokens: inputTokens }) }

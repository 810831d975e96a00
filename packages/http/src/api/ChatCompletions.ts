/**
 * `POST /v1/chat/completions`: OpenAI's chat completions, streamed or not.
 */
import { Router } from "@understudy/core/Router"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Endpoint from "./Endpoint.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    http.add("POST", "/v1/chat/completions", Endpoint.handle(router, ChatCompletions)),
  ),
)

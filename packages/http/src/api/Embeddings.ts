/**
 * `POST /v1/embeddings`: OpenAI's embeddings, as floats or base64.
 */
import { Router } from "@understudy/core/Router"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Embeddings from "@understudy/providers/protocols/embeddings"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Endpoint from "./Endpoint.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    http.add("POST", "/v1/embeddings", Endpoint.embed(router, Embeddings, ChatCompletions)),
  ),
)

/**
 * `POST /v1/responses`: OpenAI's API, whole and streamed, answered by whoever the route finds. Nothing is kept of an
 * answer: there is none to be got, gone on with or cancelled by its id.
 */
import { Router } from "@understudy/core/Router"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Endpoint from "./Endpoint.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) => http.add("POST", "/v1/responses", Endpoint.handle(router, Responses))),
)

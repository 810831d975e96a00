/**
 * OpenAI's Responses API, answered by whoever the route finds: `POST /v1/responses`, whole and streamed, and
 * `POST /v1/responses/input_tokens`. Nothing is kept of an answer: there is none to be got, gone on with or cancelled by
 * its id.
 */
import { Router } from "@understudy/core/Router"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpReply from "./HttpReply.ts"
import * as ApiError from "./ApiError.ts"
import * as Endpoint from "./Endpoint.ts"

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    Effect.all(
      [
        http.add("POST", "/v1/responses", Endpoint.handle(router, Responses)),
        http.add("POST", "/v1/responses/input_tokens", Endpoint.count(router, Responses, counting)),
        http.add("GET", "/v1/responses", byGet),
        http.add(
          "*",
          "/v1/responses/:id/*",
          Effect.sync(() => HttpReply.error(notKept, Responses)),
        ),
      ],
      { discard: true },
    ),
  ),
)

const counting: Endpoint.TokenCountProtocol = {
  /** There, a request need not say anything yet. */
  select: (body) => (body["input"] === undefined || body["input"] === null ? { ...body, input: "" } : body),
  encode: (inputTokens) => ({ object: "response.input_tokens", input_tokens: inputTokens }),
}

/** Codex first asks for a WebSocket, and goes on over HTTP where it is told 426, once and for all. */
const byGet = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) =>
  HttpReply.error(headers["upgrade"] === undefined ? notKept : noWebSocket, Responses),
)

const noWebSocket = ApiError.invalid(
  "This gateway speaks no WebSocket: send POST /v1/responses over HTTP, and stream the answer as server-sent events.",
  { status: 426, code: "upgrade_required" },
)

const notKept = ApiError.invalid(
  "No responses are kept here, to be read, cancelled, compacted or deleted by their ids. Send the whole conversation to " +
    "POST /v1/responses; POST /v1/responses/input_tokens counts it.",
  { status: 404, code: "not_found" },
)

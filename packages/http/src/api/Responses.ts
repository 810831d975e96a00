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
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Answer from "./Answer.ts"
import * as ApiError from "./ApiError.ts"
import * as Endpoint from "./Endpoint.ts"

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    Effect.all(
      [
        http.add("POST", "/v1/responses", Endpoint.handle(router, Responses)),
        http.add("POST", "/v1/responses/input_tokens", Endpoint.count(router, Responses, counting)),
        http.add("GET", "/v1/responses", notByGet),
      ],
      { discard: true },
    ),
  ),
)

const counting: Endpoint.Counting = {
  /** There, a request need not say anything yet. */
  counted: (body) => (body["input"] === undefined || body["input"] === null ? { ...body, input: "" } : body),
  said: (inputTokens) => ({ object: "response.input_tokens", input_tokens: inputTokens }),
}

/** Codex first asks for a WebSocket, and goes on over HTTP where it is told 426, once and for all. */
const notByGet = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => {
  const { upgrade } = headers
  return upgrade === undefined
    ? HttpServerResponse.setHeader(Answer.error(notAllowed, Responses), "allow", "POST")
    : Answer.error(noWebSocket, Responses)
})

const noWebSocket = ApiError.invalid(
  "This gateway speaks no WebSocket: send POST /v1/responses over HTTP, and stream the answer as server-sent events.",
  { status: 426, code: "upgrade_required" },
)

const notAllowed = ApiError.invalid("There is no list of responses: none are kept here. Send POST /v1/responses.", {
  status: 405,
  code: "method_not_allowed",
})

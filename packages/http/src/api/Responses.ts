/**
 * OpenAI's Responses API: `POST /v1/responses`, streamed or not and over a WebSocket, `POST /v1/responses/compact` and `POST /v1/responses/input_tokens`. Where the gateway stores
 * responses (see `ResponseStore`), a call may continue one, and they are read and deleted by their ids; else requests for a
 * stored response get 404.
 */
import { Router } from "@understudy/core/Router"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Option from "effect/Option"
import { ResponseStore } from "../responses/ResponseStore.ts"
import * as StoredCalls from "./StoredCalls.ts"
import * as Conversations from "./Conversations.ts"
import * as Compact from "./Compact.ts"
import * as HttpReply from "./HttpReply.ts"
import * as ApiError from "./ApiError.ts"
import * as Endpoint from "./Endpoint.ts"
import * as ResponsesWebSocket from "./ResponsesWebSocket.ts"
import * as StoredResponses from "./StoredResponses.ts"

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(
    Effect.all([Router, Effect.serviceOption(ResponseStore), ResponsesWebSocket.Accepts]),
    ([router, store, accepts]) =>
      Effect.all(
        [
          http.add("POST", "/v1/responses", create(router, store)),
          http.add("POST", "/v1/responses/input_tokens", count(router, store)),
          http.add("POST", "/v1/responses/compact", compact(router, store)),
          http.add(
            "GET",
            "/v1/responses",
            accepts ? ResponsesWebSocket.handle(create(router, store), Option.isSome(store)) : handleGet,
          ),
          ...(Option.isNone(store)
            ? (["/v1/responses/:id/*", "/v1/conversations/*"] as const).map((path) =>
                http.add(
                  "*",
                  path,
                  Effect.sync(() => HttpReply.error(notStored, Responses)),
                ),
              )
            : [...StoredResponses.endpoints(store.value), ...Conversations.endpoints(store.value)].map(
                ([method, path, handler]) => http.add(method, path, handler),
              )),
        ],
        { discard: true },
      ),
  ),
)

const create = (router: Router["Service"], store: Option.Option<ResponseStore["Service"]>): Endpoint.Handler =>
  Option.isNone(store)
    ? Endpoint.handle(router, Responses)
    : Endpoint.handle(router, referring, {}, StoredCalls.prepare(store.value))

const count = (router: Router["Service"], store: Option.Option<ResponseStore["Service"]>): Endpoint.Handler =>
  Option.isNone(store)
    ? Endpoint.count(router, Responses, tokenCount)
    : Endpoint.count(router, referring, storedTokenCount, {}, StoredCalls.prepare(store.value))

const compact = (router: Router["Service"], store: Option.Option<ResponseStore["Service"]>): Endpoint.Handler =>
  Option.isNone(store)
    ? Compact.handle(router, Responses.Request.decode)
    : Compact.handle(router, Responses.Request.decodeReferring, StoredCalls.prepare(store.value))

/** The protocol of calls that may refer to stored responses. */
const referring = { ...Responses, Request: { ...Responses.Request, decode: Responses.Request.decodeReferring } }

const tokenCount = {
  /** The request may have no input. */
  select: (body) => (body["input"] === undefined || body["input"] === null ? { ...body, input: "" } : body),
  encode: (inputTokens) => ({ object: "response.input_tokens", input_tokens: inputTokens }),
} satisfies Endpoint.TokenCountProtocol

/** A count stores nothing. */
const storedTokenCount: Endpoint.TokenCountProtocol = {
  ...tokenCount,
  select: (body) => ({ ...tokenCount.select(body), store: false }),
}

const handleGet = Effect.sync(() => HttpReply.error(noWebSocket, Responses))

const noWebSocket = ApiError.invalid(
  "WebSockets are switched off (responses.webSocket). Send POST /v1/responses over HTTP, and stream the response as server-sent events.",
  { status: 426, code: "upgrade_required" },
)

const notStored = ApiError.invalid(
  "Responses are not stored, so they cannot be read, cancelled or deleted by id: its operator can set `responses.store` and a " +
    "`database`. Send the complete conversation to " +
    "POST /v1/responses; POST /v1/responses/input_tokens counts its tokens.",
  { status: 404, code: "not_found" },
)

/**
 * The endpoints of stored responses, as in OpenAI's API: `GET` and `DELETE /v1/responses/{id}`,
 * `POST /v1/responses/{id}/cancel` and `GET /v1/responses/{id}/input_items`. A key reads and deletes the responses of its own calls; others are not found.
 */
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Caller } from "../auth/Caller.ts"
import * as ResponseChain from "./ResponseChain.ts"
import type { ResponseStore } from "../responses/ResponseStore.ts"
import * as ApiError from "./ApiError.ts"
import * as HttpReply from "./HttpReply.ts"
import * as ItemPage from "./ItemPage.ts"

/** The endpoints, by method and path. */
export const endpoints = (store: ResponseStore["Service"]) =>
  [
    ["GET", "/v1/responses/:id", handle(get(store))],
    ["POST", "/v1/responses/:id/cancel", handle(cancel(store))],
    ["DELETE", "/v1/responses/:id", handle(remove(store))],
    ["GET", "/v1/responses/:id/input_items", handle(inputItems(store))],
  ] as const

type Reply<R> = Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError.ApiError, R>

const handle = <R>(reply: (keyId: string, id: string) => Reply<R>) =>
  HttpReply.catchErrors(
    Effect.flatMap(Effect.zip(Caller, HttpRouter.params), ([caller, { id = "" }]) => reply(caller?.id ?? "", id)),
    Responses,
  )

/** With `stream=true`, the events of the response after `starting_after`, those of a background response until it ends. */
const get = (store: ResponseStore["Service"]) => (keyId: string, id: string) =>
  Effect.flatMap(
    Effect.zip(ResponseChain.catchLost(store.find(keyId, id)), HttpServerRequest.HttpServerRequest),
    ([row, { url }]) => {
      if (row === undefined) return Effect.fail(notFound(id))
      const query = new URLSearchParams(url.split("?")[1])
      if (query.get("stream") !== "true") return Effect.succeed(json(row.response))
      const after = Number(query.get("starting_after") ?? -1)
      if (!Number.isInteger(after)) return Effect.fail(invalidStart)
      return Effect.succeed(
        HttpServerResponse.stream(HttpReply.events(ResponseChain.eventsOf(store, row, after)), {
          headers: { "cache-control": "no-cache" },
          contentType: "text/event-stream",
        }),
      )
    },
  )

const invalidStart = ApiError.invalid("Invalid value for 'starting_after': expected a sequence number.", {
  param: "starting_after",
})

/** A response that has ended is returned as it is. */
const cancel = (store: ResponseStore["Service"]) => (keyId: string, id: string) =>
  Effect.flatMap(ResponseChain.catchLost(store.find(keyId, id)), (row) => {
    if (row === undefined) return Effect.fail(notFound(id))
    if (Json.fields(Json.parse(row.response))["background"] !== true) return Effect.fail(notInBackground)
    return Effect.flatMap(ResponseChain.catchLost(store.cancel(keyId, id)), (ended) =>
      ended === undefined ? Effect.fail(notFound(id)) : Effect.succeed(json(ended.response)),
    )
  })

const notInBackground = ApiError.invalid("Cannot cancel a synchronous response: only those in the background run on.")

const remove = (store: ResponseStore["Service"]) => (keyId: string, id: string) =>
  Effect.flatMap(ResponseChain.catchLost(store.remove(keyId, id)), (isRemoved) =>
    isRemoved
      ? Effect.succeed(json(JSON.stringify({ id, object: "response", deleted: true })))
      : Effect.fail(notFound(id)),
  )

/** All items from which the response was generated, those of earlier responses included. */
const inputItems = (store: ResponseStore["Service"]) => (keyId: string, id: string) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) =>
    Effect.flatMap(ItemPage.queryOf(url), (query) =>
      Effect.flatMap(ResponseChain.catchLost(store.inputItems(keyId, id, query)), (items) =>
        items === undefined
          ? Effect.fail(notFound(id))
          : Effect.map(
              Effect.flatMap(ResponseChain.catchLost(ItemPage.read(query, items)), (found) =>
                ItemPage.of(query, found),
              ),
              (page) => json(JSON.stringify(page)),
            ),
      ),
    ),
  )

const json = (text: string) => HttpServerResponse.text(text, { contentType: "application/json" })

const notFound = (id: string): ApiError.ApiError =>
  ApiError.invalid(`Response with id '${id}' not found.`, { status: 404, code: "not_found" })

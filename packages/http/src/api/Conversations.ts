/**
 * OpenAI's Conversations API, where responses are stored: `/v1/conversations`, `/v1/conversations/{id}`, and their `items`. A key
 * reads and changes its own conversations; others are not found.
 */
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import { Caller } from "../auth/Caller.ts"
import type { Row } from "../responses/ConversationRows.ts"
import * as Items from "../responses/Items.ts"
import type { ResponseStore } from "../responses/ResponseStore.ts"
import * as ApiError from "./ApiError.ts"
import * as HttpReply from "./HttpReply.ts"
import * as ItemPage from "./ItemPage.ts"
import * as JsonBody from "./JsonBody.ts"
import * as ResponseChain from "./ResponseChain.ts"

/** The endpoints, by method and path. */
export const endpoints = ({ conversations }: ResponseStore["Service"]) => {
  const lost = ResponseChain.catchLost

  /** Replies about the conversation in the path, which is the caller's. */
  const onOwn = <R>(reply: (row: Row, itemId: string) => Reply<R>) =>
    HttpReply.catchErrors(
      Effect.flatMap(Effect.zip(Caller, HttpRouter.params), ([caller, { id = "", item = "" }]) =>
        Effect.flatMap(lost(conversations.find(caller?.id ?? "", id)), (row) =>
          row === undefined ? Effect.fail(ResponseChain.noConversation(id)) : reply(row, item),
        ),
      ),
      Responses,
    )

  const create = Effect.gen(function* () {
    const body = yield* JsonBody.read
    const items = yield* itemsIn(body, maxFirstItems)
    const metadata = yield* metadataIn(body)
    return json(toJson(yield* lost(conversations.create((yield* Caller)?.id ?? "", metadata, items))))
  })

  const add = (row: Row) =>
    Effect.flatMap(JsonBody.read, (body) =>
      Effect.flatMap(itemsIn(body, Infinity), (items) =>
        Effect.map(lost(conversations.append(row.key_id, row.id, items)), (added) => json(ItemPage.all(added))),
      ),
    )

  const list = (row: Row) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) =>
      Effect.flatMap(ItemPage.queryOf(url), (query) =>
        Effect.map(
          Effect.flatMap(lost(conversations.page(row, query)), (items) => ItemPage.of(query, items)),
          json,
        ),
      ),
    )

  const getItem = (row: Row, itemId: string) =>
    Effect.flatMap(lost(conversations.item(row, itemId)), (found) =>
      found === undefined ? Effect.fail(noItem(itemId)) : Effect.succeed(json(found)),
    )

  const removeItem = (row: Row, itemId: string) =>
    Effect.flatMap(lost(conversations.removeItem(row, itemId)), (isRemoved) =>
      isRemoved ? Effect.succeed(json(toJson(row))) : Effect.fail(noItem(itemId)),
    )

  const update = (row: Row) =>
    Effect.flatMap(Effect.flatMap(JsonBody.read, metadataIn), (metadata) =>
      Effect.map(lost(conversations.update(row, metadata)), (updated) => json(toJson(updated))),
    )

  const remove = (row: Row) =>
    Effect.as(lost(conversations.remove(row)), json({ id: row.id, object: "conversation.deleted", deleted: true }))

  return [
    ["POST", "/v1/conversations", HttpReply.catchErrors(create, Responses)],
    ["GET", "/v1/conversations/:id", onOwn((row) => Effect.succeed(json(toJson(row))))],
    ["POST", "/v1/conversations/:id", onOwn(update)],
    ["DELETE", "/v1/conversations/:id", onOwn(remove)],
    ["GET", "/v1/conversations/:id/items", onOwn(list)],
    ["POST", "/v1/conversations/:id/items", onOwn(add)],
    ["GET", "/v1/conversations/:id/items/:item", onOwn(getItem)],
    ["DELETE", "/v1/conversations/:id/items/:item", onOwn(removeItem)],
  ] as const
}

type Reply<R> = Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError.ApiError, R>

/** The most items that a conversation may be made with, as in OpenAI's API. */
const maxFirstItems = 20

const toJson = ({ created_at, id, metadata }: Row): object => ({
  id,
  object: "conversation",
  created_at: Math.floor(created_at / 1000),
  metadata: JSON.parse(metadata),
})

const json = (body: object) => HttpServerResponse.text(JSON.stringify(body), { contentType: "application/json" })

/** The items in a body, which must be those of an input. */
const itemsIn = (
  { items }: Readonly<Record<string, unknown>>,
  max: number,
): Effect.Effect<ReadonlyArray<unknown>, ApiError.ApiError> => {
  if (items === undefined || items === null) return Effect.succeed([])
  if (!Array.isArray(items) || items.length > max) return Effect.fail(notItems(max))
  if (items.length === 0) return Effect.succeed(items)
  const decoded = Responses.Request.decodeReferring({ model: "any", input: items })
  if (Result.isSuccess(decoded)) return Effect.succeed(Items.ofInput(items))
  const path = decoded.failure.path.replace(/^input/, "items")
  const message = decoded.failure.message.replace(`'${decoded.failure.path}'`, `'${path}'`)
  return Effect.fail(ApiError.fromBody({ ...decoded.failure, message, path }))
}

const notItems = (max: number): ApiError.ApiError =>
  ApiError.invalid(`Invalid value for 'items': expected a list of ${max === Infinity ? "" : `at most ${max} `}items.`, {
    param: "items",
  })

const metadataIn = ({ metadata }: Readonly<Record<string, unknown>>): Effect.Effect<string, ApiError.ApiError> => {
  const entries = Object.entries(Json.fields(metadata ?? {}))
  return (metadata === undefined || metadata === null || Json.isObject(metadata)) &&
    entries.every(([, value]) => typeof value === "string")
    ? Effect.succeed(JSON.stringify(metadata ?? {}))
    : Effect.fail(ApiError.invalid("Invalid value for 'metadata': expected an object of texts.", { param: "metadata" }))
}

const noItem = (id: string): ApiError.ApiError =>
  ApiError.invalid(`Item with id '${id}' not found.`, { status: 404, code: "not_found" })

/**
 * `GET /v1/models` and `GET /v1/models/{id}`: the names that the caller may call, routes first. The shape is OpenAI's;
 * Anthropic's or Gemini's for their clients, which identify themselves by headers; and Gemini's under `/v1beta`. Names with
 * `*` are not listed, but each name that they match is found.
 */
import { Router } from "@understudy/core/Router"
import { modelNotFound } from "@understudy/core/RouterError"
import * as Wildcard from "@understudy/core/internal/route/Wildcard"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Caller, mayCall } from "../auth/Caller.ts"
import * as HttpReply from "./HttpReply.ts"
import * as ApiError from "./ApiError.ts"

/** The JSON of a model and of a list. `since` is when the gateway started, in clock milliseconds. */
interface Shape {
  readonly protocol: ClientProtocol
  readonly model: (id: string, since: number) => Record<string, unknown>
  readonly list: (ids: ReadonlyArray<string>, models: ReadonlyArray<unknown>) => Record<string, unknown>
}

const openAi: Shape = {
  protocol: ChatCompletions,
  model: (id, since) => ({ id, object: "model", created: Math.floor(since / 1000), owned_by: "understudy" }),
  list: (_ids, data) => ({ object: "list", data }),
}

const anthropic: Shape = {
  protocol: Messages,
  model: (id, since) => ({ type: "model", id, display_name: id, created_at: new Date(since).toISOString() }),
  list: (ids, data) => ({ data, has_more: false, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null }),
}

const gemini: Shape = {
  protocol: Gemini,
  model: (id) => ({
    name: `models/${id}`,
    baseModelId: id,
    version: "1",
    displayName: id,
    supportedGenerationMethods: ["generateContent", "countTokens"],
  }),
  list: (_ids, models) => ({ models }),
}

/** The shape for a client, by headers that only the clients of one vendor send. */
const shapeFor = (headers: Headers): Shape => {
  if (headers["anthropic-version"] !== undefined) return anthropic
  return headers["x-goog-api-client"] === undefined && headers["x-goog-api-key"] === undefined ? openAi : gemini
}

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const router = yield* Router
    const since = yield* Clock.currentTimeMillis
    const reply = (id: string, allowed: ReadonlyArray<string>, { protocol, list, model }: Shape) => {
      if (id === "") {
        const listed = allowed.filter((name) => !Wildcard.hasWildcard(name))
        return HttpServerResponse.jsonUnsafe(
          list(
            listed,
            listed.map((name) => model(name, since)),
          ),
        )
      }
      if (allowed.includes(router.canonicalName(id))) return HttpServerResponse.jsonUnsafe(model(id, since))
      return HttpReply.error(ApiError.make(modelNotFound(id, allowed), "full"), protocol)
    }

    const models = (shapeFor: (headers: Headers) => Shape) =>
      Effect.gen(function* () {
        const { "*": id = "" } = yield* HttpRouter.params
        const { headers } = yield* HttpServerRequest.HttpServerRequest
        const caller = yield* Caller
        return reply(
          id,
          [...router.routes(), ...router.deployments()].filter((name) => mayCall(caller, name)),
          shapeFor(headers),
        )
      })

    // Matches `/v1/models` too. A name may contain slashes, as names of compatible vendors do.
    yield* http.add("GET", "/v1/models/*", models(shapeFor))
    yield* http.add(
      "GET",
      "/v1beta/models/*",
      models(() => gemini),
    )
  }),
)

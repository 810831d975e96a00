/**
 * `GET /v1/models` and `GET /v1/models/{id}`: the names that the caller may call, routes first, in OpenAI's shape; in
 * Anthropic's and Gemini's for their clients, who name themselves, and under `/v1beta` in Gemini's alone. A name with a
 * `*` stands for too many to list, but each that it stands for is found.
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

/** How a dialect writes a model, and all of them. `since` is when the gateway began, in milliseconds. */
interface Shape {
  readonly dialect: ClientProtocol
  readonly model: (id: string, since: number) => Record<string, unknown>
  readonly list: (ids: ReadonlyArray<string>, models: ReadonlyArray<unknown>) => Record<string, unknown>
}

const openAi: Shape = {
  dialect: ChatCompletions,
  model: (id, since) => ({ id, object: "model", created: Math.floor(since / 1000), owned_by: "understudy" }),
  list: (_ids, data) => ({ object: "list", data }),
}

const anthropic: Shape = {
  dialect: Messages,
  model: (id, since) => ({ type: "model", id, display_name: id, created_at: new Date(since).toISOString() }),
  list: (ids, data) => ({ data, has_more: false, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null }),
}

const gemini: Shape = {
  dialect: Gemini,
  model: (id) => ({
    name: `models/${id}`,
    baseModelId: id,
    version: "1",
    displayName: id,
    supportedGenerationMethods: ["generateContent", "countTokens"],
  }),
  list: (_ids, models) => ({ models }),
}

/** By what only the clients of one vendor send. */
const shapeFor = (headers: Headers): Shape => {
  if (headers["anthropic-version"] !== undefined) return anthropic
  return headers["x-goog-api-client"] === undefined && headers["x-goog-api-key"] === undefined ? openAi : gemini
}

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const router = yield* Router
    const since = yield* Clock.currentTimeMillis
    const known = [...router.routes, ...router.deployments]
    const meant = Wildcard.among(known)

    const told = (id: string, theirs: ReadonlyArray<string>, { dialect, list, model }: Shape) => {
      if (id === "") {
        const named = theirs.filter((name) => !Wildcard.hasWildcard(name))
        return HttpServerResponse.jsonUnsafe(
          list(
            named,
            named.map((name) => model(name, since)),
          ),
        )
      }
      if (theirs.includes(meant(id))) return HttpServerResponse.jsonUnsafe(model(id, since))
      return HttpReply.error(ApiError.fromRouter(modelNotFound(id, theirs), "full"), dialect)
    }

    const models = (shapeFor: (headers: Headers) => Shape) =>
      Effect.gen(function* () {
        const { "*": id = "" } = yield* HttpRouter.params
        const { headers } = yield* HttpServerRequest.HttpServerRequest
        const caller = yield* Caller
        return told(
          id,
          known.filter((name) => mayCall(caller, name)),
          shapeFor(headers),
        )
      })

    // The bare path too; and a name may hold slashes, as compatible vendors' do.
    yield* http.add("GET", "/v1/models/*", models(shapeFor))
    yield* http.add(
      "GET",
      "/v1beta/models/*",
      models(() => gemini),
    )
  }),
)

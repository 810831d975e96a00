/**
 * Gemini's API under `/v1beta` and `/v1`: `POST /models/{model}:generateContent`, `:streamGenerateContent` (server-sent
 * events with `alt=sse`, else one JSON array), `:countTokens`, `:embedContent` and `:batchEmbedContents`.
 */
import { Router } from "@understudy/core/Router"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Embeddings from "@understudy/providers/protocols/gemini-embeddings"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Predicate from "effect/Predicate"
import * as HttpReply from "./HttpReply.ts"
import * as ApiError from "./ApiError.ts"
import * as Endpoint from "./Endpoint.ts"

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    Effect.andThen(
      // A model name is everything before the last colon, slashes included.
      http.add("POST", "/v1beta/models/*", dispatch(router)),
      http.add("POST", "/v1/models/*", dispatch(router)),
    ),
  ),
)

const dispatch = (router: Router["Service"]) =>
  Effect.flatMap(
    Effect.zip(HttpRouter.params, HttpServerRequest.HttpServerRequest),
    ([{ "*": path = "" }, { url }]) => {
      const colon = path.lastIndexOf(":")
      const model = path.slice(0, colon)
      switch (path.slice(colon + 1)) {
        case "generateContent":
          return Endpoint.handle(router, Gemini, { model })
        case "streamGenerateContent":
          return Endpoint.handle(router, wantsEvents(url) ? Gemini : asJsonArray, { model, stream: true })
        case "countTokens":
          return Endpoint.count(router, Gemini, tokenCount, { model })
        case "embedContent":
        case "batchEmbedContents":
          return Endpoint.embed(router, Embeddings, Gemini, { model })
        default:
          return Effect.succeed(HttpReply.error(unknownMethod(path), Gemini))
      }
    },
  )

const wantsEvents = (url: string): boolean => /[?&]alt=sse(?:&|$)/.test(url)

const asJsonArray: ClientProtocol = { ...Gemini, Stream: { ...Gemini.Stream, ...Gemini.Stream.array } }

const unknownMethod = (path: string): ApiError.ApiError =>
  ApiError.invalid(
    `Unknown method models/${path}. Use {model}:generateContent, :streamGenerateContent, :countTokens, :embedContent or :batchEmbedContents.`,
    { status: 404, code: "unknown_method" },
  )

const tokenCount: Endpoint.TokenCountProtocol = {
  /** The body itself, or the request in its field `generateContentRequest`. */
  select: (body) => {
    const { generateContentRequest: request } = body
    return Predicate.isObject(request) ? (request as Record<string, unknown>) : body
  },
  encode: (inputTokens) => ({ totalTokens: inputTokens }),
}

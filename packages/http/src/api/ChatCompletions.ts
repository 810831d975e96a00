/**
 * `POST /v1/chat/completions`: OpenAI's API, whole and streamed, answered by whoever the route finds.
 *
 * Headers go out only once there is an answer: with a plain answer, or with a stream's first real output. Until then a
 * failure is a status and a body; after it, the protocol's error event.
 */
import type { CallOptions as Options } from "@understudy/core/Call"
import type * as Chat from "@understudy/core/Chat"
import type { Receipt } from "@understudy/core/Receipt"
import { Router } from "@understudy/core/Router"
import type { RouterError } from "@understudy/core/RouterError"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as ApiError from "./ApiError.ts"
import * as CallOptions from "./CallOptions.ts"
import * as Answer from "./Answer.ts"
import * as JsonBody from "./JsonBody.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) => http.add("POST", "/v1/chat/completions", handle(router))),
)

type Handled = Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest | Scope.Scope>

const handle = (router: Router["Service"]): Handled =>
  Effect.catch(
    Effect.flatMap(Effect.zip(JsonBody.read, CallOptions.read), ([body, options]) => {
      const request = ChatCompletions.Request.decode(body)
      if (Result.isFailure(request)) {
        const { message, path } = request.failure
        return Effect.fail(ApiError.invalid(message, { param: path }))
      }
      return ChatCompletions.Request.isStream(body)
        ? streamed(router, request.success, options, ChatCompletions.Request.wantsUsage(body))
        : whole(router, request.success, options)
    }),
    (error) => Effect.succeed(failed(error)),
  )

const failed = (error: ApiError.ApiError): HttpServerResponse.HttpServerResponse =>
  Answer.error(error, ChatCompletions.Errors.encode(Answer.fields(error)))

const whole = (router: Router["Service"], request: Chat.Request, options: Options) =>
  Effect.flatMap(Effect.mapError(router.chat(request, options), ApiError.fromRouter), ({ receipt, response }) =>
    Effect.map(encode(request, response, receipt), (text) =>
      HttpServerResponse.text(text, { headers: Answer.headers(receipt), contentType: "application/json" }),
    ),
  )

/** The upstream's own text where it spoke this protocol. */
const encode = (request: Chat.Request, response: Chat.Response, receipt: Receipt): Effect.Effect<string> =>
  response.native?.protocol === ChatCompletions.protocol
    ? Effect.succeed(response.native.text)
    : Effect.map(identity(request, receipt), (identity) =>
        JSON.stringify(
          ChatCompletions.Response.encode(response, {
            ...identity,
            id: response.id ?? identity.id,
            model: response.model ?? identity.model,
          }),
        ),
      )

const identity = (request: Chat.Request, receipt: Receipt) =>
  Effect.map(Clock.currentTimeMillis, (now) => ({
    id: `chatcmpl-${receipt.id}`,
    model: request.model,
    created: Math.floor(now / 1000),
  }))

const streamed = (router: Router["Service"], request: Chat.Request, options: Options, includeUsage: boolean) =>
  Effect.flatMap(Effect.mapError(router.chatStream(request, options), ApiError.fromRouter), (streaming) =>
    Effect.map(identity(request, streaming.receipt), (identity) => {
      const encoder = ChatCompletions.Stream.encoder({ ...identity, includeUsage })
      const failed = (error: RouterError) => encoder.fail(Answer.fields(ApiError.fromRouter(error)))
      return HttpServerResponse.stream(Answer.bytes(streaming, encoder.push, encoder.end, failed), {
        headers: { ...Answer.headers(streaming.receipt, streaming), "cache-control": "no-cache" },
        contentType: "text/event-stream",
      })
    }),
  )

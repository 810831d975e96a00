/**
 * Handlers of calls for any client protocol: decode the body, call the router, encode the response. If the provider uses
 * the client's protocol, its response is passed through.
 *
 * Headers are sent only with the first output. Until then, a failure has a status and an error body; after it, the error
 * event of the protocol.
 */
import type { CallOptions as Options } from "@understudy/core/Call"
import type * as Chat from "@understudy/core/Chat"
import type * as Embedding from "@understudy/core/Embedding"
import type { Receipt } from "@understudy/core/Receipt"
import type { Router, Answer } from "@understudy/core/Router"
import type { RouterError } from "@understudy/core/RouterError"
import type { Address, Answering, ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import type { InvalidBody } from "@understudy/providers/internal/protocols/InvalidBody"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as WriteTimeout from "../WriteTimeout.ts"
import { Expose } from "../auth/Expose.ts"
import * as SideRequest from "../observe/SideRequest.ts"
import * as HttpReply from "./HttpReply.ts"
import * as ApiError from "./ApiError.ts"
import * as BodyLimits from "./BodyLimits.ts"
import * as CallOptions from "./CallOptions.ts"
import { cutOff } from "./ShutdownReply.ts"
import * as JsonBody from "./JsonBody.ts"
import * as Passthrough from "./Passthrough.ts"
import * as InFlight from "../InFlight.ts"

export type Handler = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** Handles a chat request, streamed or not. `address` has what the path sets: model and streaming. */
export const handle = (router: Router["Service"], protocol: ClientProtocol, address: Address = {}): Handler =>
  HttpReply.catchErrors(
    Effect.flatMap(
      readCall(BodyLimits.conversation, (body) =>
        Result.map(protocol.Request.decode(body, address), (request) => ({
          request,
          isStream: protocol.Request.isStream(body, address),
        })),
      ),
      ({ isStream, options, request }) =>
        isStream ? streamed(router, protocol, request, options) : complete(router, protocol, request, options),
    ),
    protocol,
  )

/** An embeddings protocol: decodes requests, encodes responses. */
export interface EmbeddingProtocol {
  readonly Request: {
    readonly decode: (body: Record<string, unknown>, address: Address) => Result.Result<Embedding.Request, InvalidBody>
  }
  readonly Response: { readonly encode: (response: Embedding.Response, request: Embedding.Request) => string }
}

/** Handles an embeddings request. `protocol` encodes its errors. */
export const embed = (
  router: Router["Service"],
  { Request, Response }: EmbeddingProtocol,
  protocol: ClientProtocol,
  address: Address = {},
): Handler =>
  HttpReply.catchErrors(
    Effect.flatMap(
      readCall(BodyLimits.inputs, (body) => Result.map(Request.decode(body, address), (request) => ({ request }))),
      ({ options, request }) =>
        Effect.flatMap(ApiError.fromRouterError(router.embed(request, options)), (answer) =>
          reply(answer, Response.encode(answer.response, request)),
        ),
    ),
    protocol,
  )

/** A token count endpoint of a protocol. */
export interface TokenCountProtocol {
  /** The part of the body that is counted. Default: all of it. */
  readonly select?: (body: Record<string, unknown>) => Record<string, unknown>
  /** The JSON body of the response. */
  readonly encode: (inputTokens: number) => object
}

/**
 * Handles a token count request. The first deployment of the route with a counter counts; without one, the count is an
 * estimate.
 */
export const count = (
  router: Router["Service"],
  protocol: ClientProtocol,
  { select = (body) => body, encode }: TokenCountProtocol,
  address: Address = {},
): Handler =>
  HttpReply.catchErrors(
    Effect.flatMap(
      readCall(BodyLimits.conversation, (body) =>
        Result.map(protocol.Request.decode(select(body), address), (request) => ({ request })),
      ),
      ({ options, request }) =>
        Effect.map(
          ApiError.fromRouterError(
            SideRequest.logged(
              "count_tokens",
              request.model,
              router.countTokens(request, options),
              SideRequest.describeCount,
            ),
          ),
          ({ inputTokens }) => HttpServerResponse.jsonUnsafe(encode(inputTokens)),
        ),
    ),
    protocol,
  )

/** Decodes the request in context, with its call options and the headers and query that are passed to the provider. */
const readCall = <A extends { readonly request: Pick<Chat.Request, "model" | "native"> }>(
  kind: BodyLimits.Kind,
  decode: (body: Record<string, unknown>) => Result.Result<A, InvalidBody>,
): Effect.Effect<A & { readonly options: Options }, ApiError.ApiError, HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(Effect.zip(JsonBody.decodeCall(kind, decode), CallOptions.read), ([call, options]) =>
    Effect.map(Passthrough.attach(call.request), (request) => ({ ...call, request, options })),
  )

const complete = (router: Router["Service"], protocol: ClientProtocol, request: Chat.Request, options: Options) =>
  Effect.flatMap(ApiError.fromRouterError(router.chat(request, options)), (answer) =>
    Effect.flatMap(encodeResponse(protocol, request, answer.response, answer.receipt), (text) => reply(answer, text)),
  )

/** A JSON response, written within the limits of its call. */
const reply = (answer: Pick<Answer<unknown>, "deadline" | "receipt" | "write">, text: string) =>
  Effect.andThen(
    WriteTimeout.limitText(text, answer),
    Effect.map(Expose, (level) =>
      HttpServerResponse.text(text, {
        headers: HttpReply.headers(answer.receipt, level),
        contentType: "application/json",
      }),
    ),
  )

/** The body of the response: the provider's own text if it used this protocol. */
const encodeResponse = (
  protocol: ClientProtocol,
  request: Chat.Request,
  response: Chat.Response,
  receipt: Receipt,
): Effect.Effect<string> =>
  response.native?.protocol === protocol.protocol
    ? Effect.succeed(response.native.text)
    : Effect.map(responseContext(request, receipt), (context) =>
        JSON.stringify(protocol.Response.encode(response, context)),
      )

const responseContext = (request: Chat.Request, { id, startedAt }: Receipt): Effect.Effect<Answering> =>
  Effect.map(Clock.Clock, (clock) => ({
    request,
    id,
    created: Math.floor(startedAt / 1000),
    now: () => Math.floor(clock.currentTimeMillisUnsafe() / 1000),
  }))

const streamed = (router: Router["Service"], protocol: ClientProtocol, request: Chat.Request, options: Options) =>
  Effect.flatMap(
    Effect.tap(ApiError.fromRouterError(router.chatStream(request, options)), WriteTimeout.limit),
    (streaming) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (httpRequest) =>
        Effect.zipWith(responseContext(request, streaming.receipt), Expose, (context, level) => {
          const { contentType = "text/event-stream", idle: keepAlive } = protocol.Stream
          const encoder = protocol.Stream.encoder(context)
          const failed = (error: RouterError) => encoder.fail(ApiError.make(error, level))
          InFlight.setFinalChunk(httpRequest, () => encoder.fail({ ...cutOff, requestId: context.id }))
          return HttpServerResponse.stream(
            HttpReply.encodeStream(streaming, encoder.push, encoder.end, failed, keepAlive),
            {
              headers: { ...HttpReply.headers(streaming.receipt, level, streaming), "cache-control": "no-cache" },
              contentType,
            },
          )
        }),
      ),
  )

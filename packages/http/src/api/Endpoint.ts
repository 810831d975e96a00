/**
 * A call in any dialect: its body is read by the dialect's codec, the `Router` is asked, and the answer goes out in the
 * dialect's words, or as it came where the provider spoke the same.
 *
 * Headers go out only once there is an answer: with a plain answer, or with a stream's first real output. Until then a
 * failure is a status and a body; after it, the dialect's last event.
 */
import type { CallOptions as Options } from "@understudy/core/Call"
import type * as Chat from "@understudy/core/Chat"
import type * as Embedding from "@understudy/core/Embedding"
import type { Receipt } from "@understudy/core/Receipt"
import type { Router, Answer as Whole } from "@understudy/core/Router"
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

/** Answers the request in context. `address` is what its path says beside its body. */
export const handle = (router: Router["Service"], dialect: ClientProtocol, address: Address = {}): Handler =>
  HttpReply.catchErrors(
    Effect.flatMap(
      asked(BodyLimits.conversation, (body) =>
        Result.map(dialect.Request.decode(body, address), (request) => ({
          request,
          isStream: dialect.Request.isStream(body, address),
        })),
      ),
      ({ isStream, options, request }) =>
        isStream ? streamed(router, dialect, request, options) : whole(router, dialect, request, options),
    ),
    dialect,
  )

/** A protocol of embeddings from its client's end. */
export interface EmbeddingProtocol {
  readonly Request: {
    readonly decode: (body: Record<string, unknown>, address: Address) => Result.Result<Embedding.Request, InvalidBody>
  }
  readonly Response: { readonly encode: (response: Embedding.Response, request: Embedding.Request) => string }
}

/** The same of vectors. Who is turned away is told so in the words of `dialect`. */
export const embed = (
  router: Router["Service"],
  { Request, Response }: EmbeddingProtocol,
  dialect: ClientProtocol,
  address: Address = {},
): Handler =>
  HttpReply.catchErrors(
    Effect.flatMap(
      asked(BodyLimits.inputs, (body) => Result.map(Request.decode(body, address), (request) => ({ request }))),
      ({ options, request }) =>
        Effect.flatMap(ApiError.told(router.embed(request, options)), (answer) =>
          delivered(answer, Response.encode(answer.response, request)),
        ),
    ),
    dialect,
  )

/** How a dialect has tokens counted. */
export interface TokenCountProtocol {
  /** What of the body is counted; all of it if not said. */
  readonly select?: (body: Record<string, unknown>) => Record<string, unknown>
  readonly encode: (inputTokens: number) => object
}

/** How many tokens the request in context has: as the first on its route who can count says, else by estimate. */
export const count = (
  router: Router["Service"],
  dialect: ClientProtocol,
  { select = (body) => body, encode: said }: TokenCountProtocol,
  address: Address = {},
): Handler =>
  HttpReply.catchErrors(
    Effect.flatMap(
      asked(BodyLimits.conversation, (body) =>
        Result.map(dialect.Request.decode(select(body), address), (request) => ({ request })),
      ),
      ({ options, request }) =>
        Effect.map(
          ApiError.told(
            SideRequest.noted("count_tokens", request.model, router.countTokens(request, options), SideRequest.counted),
          ),
          ({ inputTokens }) => HttpServerResponse.jsonUnsafe(said(inputTokens)),
        ),
    ),
    dialect,
  )

/** What the request in context asks, with what its client said in headers and query: to us, and to its vendor. */
const asked = <A extends { readonly request: Pick<Chat.Request, "model" | "native"> }>(
  kind: BodyLimits.Kind,
  decode: (body: Record<string, unknown>) => Result.Result<A, InvalidBody>,
): Effect.Effect<A & { readonly options: Options }, ApiError.ApiError, HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(Effect.zip(JsonBody.asked(kind, decode), CallOptions.read), ([asked, options]) =>
    Effect.map(Passthrough.beside(asked.request), (request) => ({ ...asked, request, options })),
  )

const whole = (router: Router["Service"], dialect: ClientProtocol, request: Chat.Request, options: Options) =>
  Effect.flatMap(ApiError.told(router.chat(request, options)), (answer) =>
    Effect.flatMap(encode(dialect, request, answer.response, answer.receipt), (text) => delivered(answer, text)),
  )

/** A whole answer, which its client reads within its call's limits. */
const delivered = (answer: Pick<Whole<unknown>, "deadline" | "receipt" | "write">, text: string) =>
  Effect.andThen(
    WriteTimeout.whole(text, answer),
    Effect.map(Expose, (level) =>
      HttpServerResponse.text(text, {
        headers: HttpReply.headers(answer.receipt, level),
        contentType: "application/json",
      }),
    ),
  )

/** The upstream's own text where it spoke this protocol. */
const encode = (
  dialect: ClientProtocol,
  request: Chat.Request,
  response: Chat.Response,
  receipt: Receipt,
): Effect.Effect<string> =>
  response.native?.protocol === dialect.protocol
    ? Effect.succeed(response.native.text)
    : Effect.map(answering(request, receipt), (answering) =>
        JSON.stringify(dialect.Response.encode(response, answering)),
      )

const answering = (request: Chat.Request, { id, startedAt }: Receipt): Effect.Effect<Answering> =>
  Effect.map(Clock.Clock, (clock) => ({
    request,
    id,
    created: Math.floor(startedAt / 1000),
    now: () => Math.floor(clock.currentTimeMillisUnsafe() / 1000),
  }))

const streamed = (router: Router["Service"], dialect: ClientProtocol, request: Chat.Request, options: Options) =>
  Effect.flatMap(Effect.tap(ApiError.told(router.chatStream(request, options)), WriteTimeout.within), (streaming) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (asked) =>
      Effect.zipWith(answering(request, streaming.receipt), Expose, (answering, level) => {
        const { contentType = "text/event-stream", idle } = dialect.Stream
        const encoder = dialect.Stream.encoder(answering)
        const failed = (error: RouterError) => encoder.fail(ApiError.fromRouter(error, level))
        InFlight.endsWith(asked, () => encoder.fail({ ...cutOff, requestId: answering.id }))
        return HttpServerResponse.stream(HttpReply.encodeStream(streaming, encoder.push, encoder.end, failed, idle), {
          headers: { ...HttpReply.headers(streaming.receipt, level, streaming), "cache-control": "no-cache" },
          contentType,
        })
      }),
    ),
  )

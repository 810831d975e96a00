/**
 * Handlers of calls for any client protocol: decode the body, call the router, encode the response. If the provider uses
 * the client's protocol, its response is passed through.
 *
 * Headers are sent only with the first output. Until then, a failure has a status and an error body; after it, the error
 * event of the protocol.
 */
import type { AnyRequest, CallOptions as Options } from "@understudy/core/Call"
import type * as Chat from "@understudy/core/Chat"
import type * as Embedding from "@understudy/core/Embedding"
import type { Receipt } from "@understudy/core/Receipt"
import type * as Operation from "@understudy/core/Operation"
import type { Router, Answer, Operating } from "@understudy/core/Router"
import type { RouterError } from "@understudy/core/RouterError"
import type { Address, Answering, ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import type { InvalidBody } from "@understudy/providers/internal/protocols/InvalidBody"
import { Stored } from "@understudy/providers/protocols/responses"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as WriteTimeout from "../WriteTimeout.ts"
import type { Level } from "../auth/Expose.ts"
import { Expose } from "../auth/Expose.ts"
import { Caller } from "../auth/Caller.ts"
import * as RefusedCall from "../observe/RefusedCall.ts"
import * as SideRequest from "../observe/SideRequest.ts"
import * as HttpReply from "./HttpReply.ts"
import * as ApiError from "./ApiError.ts"
import * as BodyLimits from "./BodyLimits.ts"
import * as CallOptions from "./CallOptions.ts"
import * as ClientProtocols from "./ClientProtocols.ts"
import { cutOff } from "./Unavailable.ts"
import { IsKey } from "./GatewayKeys.ts"
import * as JsonBody from "./JsonBody.ts"
import * as Passthrough from "./Passthrough.ts"
import type { InBackground, Prepared, Recording } from "./StoredCalls.ts"
import type { Failure, Run } from "../responses/ResponseStore.ts"
import * as InFlight from "../InFlight.ts"
import * as ServerSpan from "../telemetry/ServerSpan.ts"
import { RequestTracing } from "../telemetry/ServerSpan.ts"

export type Handler = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** Completes a decoded call before it is routed: see `StoredCalls.prepare`. */
export type Prepare = <A extends { readonly request: Chat.Request }>(
  call: A,
) => Effect.Effect<Prepared<A>, ApiError.ApiError>

/**
 * Handles a chat request, streamed or not. `address` has what the path sets: model and streaming. `prepare`: completes the
 * call, and says what is to be stored of it.
 */
export const handle = (
  router: Router["Service"],
  protocol: ClientProtocol,
  address: Address = {},
  prepare?: Prepare,
): Handler => {
  const { readsTexts } = protocol.Request
  const decode = (body: Record<string, unknown>) =>
    Result.map(protocol.Request.decode(body, address), (request) => ({
      request,
      isStream: protocol.Request.isStream(body, address),
    }))
  const isOutlined = (model: string) => {
    const protocols = router.protocols(address.model ?? model)
    return (readsTexts === true ? [protocol] : ClientProtocols.all).some((each) => protocols.has(each.protocol))
  }
  const decoded = JsonBody.decodeChat(decode, { isOutlined, readsTexts })
  return prepare === undefined
    ? called(protocol, decoded, (call) =>
        call.isStream ? streamed(router, protocol, call) : complete(router, protocol, call),
      )
    : called(protocol, Effect.flatMap(decoded, prepare), (call) => {
        if (call.recording?.background !== undefined) {
          return inBackground(router, protocol, call, call.recording, call.recording.background)
        }
        return call.isStream ? streamed(router, protocol, call) : complete(router, protocol, call)
      })
}

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
): Handler => {
  const decode = (body: Record<string, unknown>) =>
    Result.map(Request.decode(body, address), (request) => ({ request }))
  return called(protocol, JsonBody.decodeCall(BodyLimits.inputs, decode), (call) =>
    replied(call, router.embed(call.request, call.options), (answer) => Response.encode(answer.response, call.request)),
  )
}

/** The request of an operation besides chat and embeddings, read from the body of the request in context. */
export type OperationBody = Effect.Effect<
  { readonly request: Operation.Request },
  ApiError.ApiError,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** Changes the error of a call of an operation. */
export type Refine = (error: ApiError.ApiError, cause: RouterError) => ApiError.ApiError

/** What an endpoint of an operation changes: the text of a complete response, and errors. */
export interface OperationOptions {
  readonly rewrite?: (text: string, request: Operation.Request, operating: Operating) => string
  readonly refine?: Refine
}

/** Handles a request of an operation besides chat and embeddings. `protocol` encodes its errors. */
export const operate = (
  router: Router["Service"],
  protocol: ClientProtocol,
  body: OperationBody,
  { refine = (error) => error, rewrite }: OperationOptions = {},
): Handler =>
  called(protocol, body, (call) => {
    const failed = (error: RouterError) => refine(ApiError.make(error, call.level), error)
    return Effect.flatMap(Effect.mapError(router.operate(call.request, call.options), failed), (operating) => {
      WriteTimeout.limit(call.http, call.clock, operating)
      return call.request.streaming === true
        ? Effect.succeed(operatedStream(call, operating, protocol))
        : Effect.mapError(operatedWhole(call, operating, rewrite), failed)
    })
  })

/** A complete response. It is read to its end: then its call has a cost. */
const operatedWhole = (
  { level, request }: Incoming & { readonly request: Operation.Request },
  operating: Operating,
  rewrite: OperationOptions["rewrite"],
): Effect.Effect<HttpServerResponse.HttpServerResponse, RouterError> => {
  const { contentType, frames, receipt } = operating
  return Effect.map(Stream.runCollect(frames), (frames) => {
    const headers = HttpReply.headers(receipt, level)
    const whole = Buffer.concat(frames.map(({ data }) => Buffer.from(data)))
    return rewrite === undefined
      ? HttpServerResponse.uint8Array(whole, { headers, contentType })
      : HttpServerResponse.text(rewrite(whole.toString(), request, operating), { headers, contentType })
  })
}

/**
 * A stream, as it arrives. One that breaks ends in an error event where it has events; else the connection is cut, so that the
 * client does not take what it has for all of it.
 */
const operatedStream = (
  { http, level }: Incoming,
  { contentType, frames, receipt }: Operating,
  { Errors }: ClientProtocol,
): HttpServerResponse.HttpServerResponse => {
  const bytes = Stream.map(
    Stream.filter(frames, ({ data }) => data.length > 0),
    ({ data }) => Buffer.from(data),
  )
  const headers = { ...HttpReply.headers(receipt, level), "cache-control": "no-cache" }
  if (!/^text\/event-stream/i.test(contentType)) return HttpServerResponse.stream(bytes, { headers, contentType })
  const event = (error: ApiError.ApiError): string =>
    `data: ${JSON.stringify(Errors.encode({ ...error, requestId: receipt.id }))}\n\n`
  InFlight.setFinalChunk(http, () => event(cutOff))
  return HttpServerResponse.stream(
    Stream.catch(bytes, (error) => Stream.succeed(Buffer.from(event(ApiError.make(error, level))))),
    { headers, contentType },
  )
}

/** A token count endpoint of a protocol. */
export interface TokenCountProtocol {
  /** The part of the body that is counted. Default: all of it. */
  readonly select?: (body: Record<string, unknown>) => Record<string, unknown>
  /** The JSON body of the response. */
  readonly encode: (inputTokens: number) => object
}

/**
 * Handles a token count request. The first deployment of the route with a counter counts; without one, the count is an
 * estimate. `prepare`: as in `handle`.
 */
export const count = (
  router: Router["Service"],
  protocol: ClientProtocol,
  { select = (body) => body, encode }: TokenCountProtocol,
  address: Address = {},
  prepare?: Prepare,
): Handler => {
  const decode = (body: Record<string, unknown>) =>
    Result.map(protocol.Request.decode(select(body), address), (request) => ({ request }))
  const decoded = JsonBody.decodeCall(BodyLimits.conversation, decode)
  const prepared = prepare === undefined ? decoded : Effect.flatMap(decoded, prepare)
  return called(protocol, prepared, ({ options, request }) =>
    ApiError.fromRouterError(
      SideRequest.logged(
        "count_tokens",
        request.model,
        router.countTokens(request, options),
        SideRequest.describeCount,
      ),
    ).pipe(
      Effect.map(({ inputTokens }) => HttpServerResponse.jsonUnsafe(encode(inputTokens))),
      // An id of its own: it has been logged as a count.
      Effect.mapError((error) => ({ ...error, requestId: error.requestId ?? HttpReply.newId() })),
    ),
  )
}

/** What a handler needs of the HTTP request of its call, read once. */
export interface Incoming {
  readonly options: Options
  /** How much the caller sees of deployments. */
  readonly level: Level
  readonly clock: Clock.Clock
  readonly http: HttpServerRequest.HttpServerRequest
}

/**
 * Handles a call: decodes its body, reads its options, attaches the headers and the query that are passed to the provider.
 * Errors are encoded by the protocol.
 */
export const called = <A extends { readonly request: AnyRequest }>(
  protocol: ClientProtocol,
  body: Effect.Effect<A, ApiError.ApiError, HttpServerRequest.HttpServerRequest | Scope.Scope>,
  answer: (
    call: A & Incoming,
  ) => Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    ApiError.ApiError,
    HttpServerRequest.HttpServerRequest | Scope.Scope
  >,
): Handler => {
  const handled: Handler = Effect.withFiber((fiber) => {
    const http = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
    const level = fiber.getRef(Expose)
    const clock = fiber.getRef(Clock.Clock)
    const isKey = fiber.getRef(IsKey)
    const key = fiber.getRef(Caller)
    let model: string | undefined
    const answered = Effect.flatMap(body, (call) => {
      model = call.request.model
      const options = CallOptions.read(http.headers, call.request, protocolOf(call.request, protocol))
      if (Result.isFailure(options)) return Effect.fail(options.failure)
      const request = Passthrough.attach(call.request, http, isKey)
      return answer({ ...call, request, options: options.success, level, clock, http })
    })
    return Effect.catch(answered, (error) => {
      // What has an id has been logged: a call with a receipt, or a count.
      if (error.requestId !== undefined) return Effect.succeed(HttpReply.error(error, protocol))
      const requestId = HttpReply.newId()
      return Effect.as(
        RefusedCall.log({ error, requestId, model, protocol: protocol.protocol, key }),
        HttpReply.error({ ...error, requestId }, protocol),
      )
    })
  })
  return Effect.withFiber((fiber) => {
    const tracing = fiber.getRef(RequestTracing)
    if (tracing === undefined) return handled
    const http = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
    return ServerSpan.around(tracing, fiber, http, handled)
  })
}

/** The protocol of a call, for receipts: of an operation besides chat and embeddings its name, as each has a format of its own. */
const protocolOf = (request: AnyRequest, { protocol }: ClientProtocol): string =>
  "operation" in request ? request.operation : protocol

/**
 * Answers a call with a JSON response, written within the limits of its call. Responses that are ready in one turn of the
 * event loop are written one after the other at its end: a write between other work costs the kernel nearly twice as much.
 */
const replied = <A extends Answer<unknown>>(
  { clock, http, level }: Incoming,
  answered: Effect.Effect<A, RouterError>,
  encode: (answer: A) => string,
): Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError.ApiError, HttpServerRequest.HttpServerRequest> =>
  Effect.matchEffect(answered, {
    onSuccess: (answer) => {
      const text = encode(answer)
      const headers = HttpReply.headers(answer.receipt, level)
      const response = HttpServerResponse.text(text, { headers, contentType: "application/json" })
      if (!WriteTimeout.isLarge(text)) return Effect.as(Effect.yieldNow, response)
      WriteTimeout.limit(http, clock, answer)
      return Effect.succeed(response)
    },
    onFailure: (error) => Effect.fail(ApiError.make(error, level)),
  })

type ChatCall = Prepared<Incoming & { readonly request: Chat.Request }>

const encoded =
  (protocol: ClientProtocol, { clock, request }: ChatCall) =>
  ({ receipt, response }: Answer<Chat.Response>): string =>
    // The provider's own text, if it used this protocol.
    response.native?.protocol === protocol.protocol
      ? response.native.text
      : JSON.stringify(protocol.Response.encode(response, answering(request, receipt, clock)))

const complete = (router: Router["Service"], protocol: ClientProtocol, call: ChatCall) => {
  const encode = encoded(protocol, call)
  const { recording } = call
  const answered = router.chat(call.request, call.options)
  return recording === undefined
    ? replied(call, answered, encode)
    : replied(call, Effect.flatMap(answered, saved(recording, encode)), ({ text }) => text)
}

/** Stores the response of a call, and succeeds with its text: that says so if the database did not take it. */
const saved =
  ({ fields, save }: Recording, encode: (answer: Answer<Chat.Response>) => string) =>
  <A extends Answer<Chat.Response>>(answer: A): Effect.Effect<A & { readonly text: string }> => {
    const encoded = encode(answer)
    const stored = fields()
    const text = Stored.complete(encoded, stored)
    return Effect.map(save(text), () => {
      const now = fields()
      return { ...answer, text: now["store"] === stored["store"] ? text : Stored.complete(encoded, now) }
    })
  }

const answering = (
  request: Chat.Request,
  { id, startedAt }: Receipt,
  clock: Clock.Clock,
  recording?: Recording,
): Answering => ({
  request,
  id,
  created: Math.floor(startedAt / 1000),
  now: () => Math.floor(clock.currentTimeMillisUnsafe() / 1000),
  stored: recording?.fields,
})

const streamed = (router: Router["Service"], protocol: ClientProtocol, call: ChatCall) => {
  const { clock, http, level, options, recording, request } = call
  return Effect.matchEffect(router.chatStream(request, options), {
    onSuccess: (streaming) => {
      WriteTimeout.limit(http, clock, streaming)
      const context = answering(request, streaming.receipt, clock, recording)
      const { contentType = "text/event-stream", idle: keepAlive } = protocol.Stream
      const encoder = protocol.Stream.encoder(context)
      const failed = (error: RouterError) => encoder.fail(ApiError.make(error, level))
      InFlight.setFinalChunk(http, () => encoder.fail({ ...cutOff, requestId: context.id }))
      const saved = recording && HttpReply.saving(encoder, recording.save)
      const frames = HttpReply.encodeStream(streaming, encoder.push, encoder.end, failed, keepAlive, saved)
      return Effect.succeed(
        HttpServerResponse.stream(frames, {
          headers: { ...HttpReply.headers(streaming.receipt, level, streaming), "cache-control": "no-cache" },
          contentType,
        }),
      )
    },
    onFailure: (error) => Effect.fail(ApiError.make(error, level)),
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// In the background
// ---------------------------------------------------------------------------------------------------------------------

/** Starts a call whose response is read later, by its id, and replies with the response that waits, or with its events. */
const inBackground = (
  router: Router["Service"],
  protocol: ClientProtocol,
  call: ChatCall & { readonly isStream: boolean },
  { fields }: Recording,
  { events, start }: InBackground,
) => {
  const created = Math.floor(call.clock.currentTimeMillisUnsafe() / 1000)
  const queued = Stored.queued({ request: call.request, id: "", created, stored: fields })
  const failure = (error: RouterError) => {
    const { code, message } = ApiError.make(error, call.level)
    return { code, message }
  }
  const run: Run = call.isStream
    ? (publish) => published(router, protocol, call, { fields, failure, publish })
    : () =>
        Effect.mapBoth(router.chat(call.request, call.options), {
          onSuccess: (answer) => Stored.complete(encoded(protocol, call)(answer), fields()),
          onFailure: failure,
        })
  return Effect.as(
    start(queued, run),
    call.isStream
      ? HttpServerResponse.stream(HttpReply.events(events), {
          headers: { "cache-control": "no-cache" },
          contentType: "text/event-stream",
        })
      : HttpServerResponse.text(queued, { contentType: "application/json" }),
  )
}

/** Runs a streamed call whose events are published, and succeeds with its response. */
const published = (
  router: Router["Service"],
  protocol: ClientProtocol,
  { clock, level, options, request }: ChatCall,
  to: {
    readonly fields: Recording["fields"]
    readonly failure: (error: RouterError) => Failure
    readonly publish: Parameters<Run>[0]
  },
): Effect.Effect<string, Failure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const streaming = yield* Effect.mapError(router.chatStream(request, options), to.failure)
      const encoder = protocol.Stream.encoder({
        ...answering(request, streaming.receipt, clock),
        stored: to.fields,
      })
      let outcome: Effect.Effect<string, Failure> = Effect.fail(noEnd)
      const failed = (error: RouterError) => {
        outcome = Effect.fail(to.failure(error))
        return encoder.fail(ApiError.make(error, level))
      }
      const saving = HttpReply.saving(encoder, (response) =>
        Effect.sync(() => void (outcome = Effect.succeed(response))),
      )
      const bytes = HttpReply.encodeStream(streaming, encoder.push, encoder.end, failed, undefined, saving)
      yield* Stream.runForEach(bytes, (chunk) => to.publish(Buffer.from(chunk).toString()))
      return yield* outcome
    }),
  )

const noEnd: Failure = { code: "server_error", message: "The stream ended before the response was complete." }

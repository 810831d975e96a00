/**
 * A provider that speaks its protocol as JSON over HTTP and streams as server-sent events. A vendor supplies the address,
 * the credentials and the table of errors ({@link Options}); this module does the rest.
 *
 * The parts, and the question each answers:
 *
 * - codec (`protocols/`): how is a request written, and a response read?
 * - template (`transport/RequestTemplate`): where is the request sent, and with which headers?
 * - sender (`transport/Transport`): how do the bytes travel?
 * - errors (`makeErrors`): which `ProviderError` is a failure?
 * - send (`makeSend`): what is the text of a successful response?
 * - make ({@link make}): how do these become a `Provider`?
 */
import type * as Chat from "@understudy/core/Chat"
import type * as Embedding from "@understudy/core/Embedding"
import * as Outline from "@understudy/core/internal/model/Outline"
import type * as Operation from "@understudy/core/Operation"
import type { Provider } from "@understudy/core/Provider"
import type { Reason } from "@understudy/core/ProviderError"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Channel from "effect/Channel"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as CustomTools from "./protocols/CustomTools.ts"
import * as EncryptedReasoning from "./protocols/EncryptedReasoning.ts"
import type * as Endpoint from "./protocols/Endpoint.ts"
import type { Decoder } from "./protocols/Frames.ts"
import * as Frames from "./protocols/Frames.ts"
import * as Issued from "./protocols/Issued.ts"
import * as Json from "./protocols/Json.ts"
import * as JsonText from "./protocols/JsonText.ts"
import * as Lowering from "./protocols/Lowering.ts"
import * as SchemaTool from "./protocols/SchemaTool.ts"
import * as HttpOperations from "./HttpOperations.ts"
import * as ProviderOrigin from "./ProviderOrigin.ts"
import * as ModelPath from "./transport/ModelPath.ts"
import * as NetworkError from "./transport/NetworkError.ts"
import * as Redaction from "./transport/Redaction.ts"
import type { RequestTemplate } from "./transport/RequestTemplate.ts"
import { takesModel, withModel, withNative } from "./transport/RequestTemplate.ts"
import * as RetryAfter from "./transport/RetryAfter.ts"
import * as Secrets from "./transport/Secrets.ts"
import * as Sse from "./transport/Sse.ts"
import * as Transport from "./transport/Transport.ts"
import * as WebSocketClient from "./transport/WebSocketClient.ts"

/** The fields of an error, whichever shape its protocol has for it. */
export interface WireError {
  readonly message?: string | undefined
  readonly code?: string | undefined
  readonly type?: string | undefined
  readonly requestId?: string | undefined
  /** The HTTP status inside the error: an error event of a stream has no other. */
  readonly status?: number | undefined
  /** The wait before a retry, if the error body has a field for it. */
  readonly retryAfter?: Duration.Duration | undefined
  /** Headers of another server's response that the error body contains, by lower-case names. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** A protocol's codec: each folder of `protocols/` is one. */
export interface ProtocolCodec<Wire extends WireError> {
  readonly protocol: string
  readonly Request: Lowering.RequestEncoder<Record<string, unknown>> & {
    readonly streamed: (body: Record<string, unknown>, request: Chat.Request) => Record<string, unknown>
  }
  readonly Response: {
    /** `classify` turns an error inside a response with status 2xx into a `ProviderError`. */
    readonly decode: (
      text: string,
      classify: (error: Wire) => ProviderError,
    ) => Result.Result<Chat.Response, ProviderError>
  }
  readonly Stream: { readonly decoder: (classify: (error: Wire) => ProviderError) => Decoder<Sse.Event> }
  readonly Errors: { readonly parse: (text: string) => Wire }
}

/** How a vendor makes embeddings: the protocol, its codec and the address. */
export interface Embedder<Wire extends WireError> {
  readonly protocol: string
  readonly Request: Lowering.RequestEncoder<Record<string, unknown>, Embedding.Request>
  readonly Response: { readonly decode: (text: string) => Result.Result<Embedding.Response, ProviderError> }
  readonly template: RequestTemplate
  /** The table of errors for embeddings. Default: `Options.reason`. */
  readonly reason?: Options<Wire>["reason"]
}

/** How a vendor counts a request's tokens. */
export interface Counter {
  readonly body: (body: Record<string, unknown>, request: Chat.Request) => Record<string, unknown>
  readonly decode: (text: string) => Result.Result<number, ProviderError>
  readonly template: RequestTemplate
}

/**
 * The `redaction` of a provider: removes its credentials, the values of its own headers, and the userinfo and query of
 * its URLs from every error and response.
 */
export const redaction = (secrets: Secrets.Sources): Redaction.Redaction => Redaction.make(Secrets.make(secrets))

export interface Options<Wire extends WireError> {
  readonly vendor: string
  readonly codec: ProtocolCodec<Wire>
  /** The endpoint's limits, and the ids and signatures it issues. */
  readonly endpoint: Endpoint.Endpoint
  readonly embedder?: Embedder<Wire> | undefined
  readonly counter?: Counter | undefined
  /** The operations besides chat and embeddings. */
  readonly operations?: HttpOperations.Options | undefined
  /** The reason of an error of an operation, in place of the vendor's table. */
  readonly operationReason?: ((request: Operation.Request) => Options<Wire>["reason"]) | undefined
  /** The vendor's table of errors. */
  readonly reason: (error: Wire, status: number | undefined, retryAfter: Duration.Duration | undefined) => Reason
  /** The credential that identifies the account. */
  readonly key: Redacted.Redacted | undefined
  /** Removes the deployment's secrets from responses and errors. */
  readonly redaction: Redaction.Redaction
  readonly sender: Transport.HttpSender
  /** Sends requests whose responses are passed on as they arrive: they have no limit. */
  readonly unbounded?: Transport.HttpSender | undefined
  /** How WebSockets are opened, for sessions. Default: without a proxy. */
  readonly dialling?: Transport.SenderOptions | undefined
  /** Whether the model is served nearby: see `Local`. */
  readonly local: boolean
  readonly template: RequestTemplate
  /** The template of streamed requests. Default: `template`. */
  readonly streaming?: RequestTemplate | undefined
  /**
   * If set, non-streaming calls are sent as streamed requests, and this function builds the body of the complete response
   * from the data of the events; `undefined` if the events end early. Some servers notice a client's disconnect only while
   * they stream.
   */
  readonly toComplete?: ((events: ReadonlyArray<string>) => string | undefined) | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

/** Answers: which `ProviderError` is a failure? */
interface Errors<Wire extends WireError> {
  /** A response whose status is not 2xx. `reason` replaces the vendor's table. */
  readonly httpError: (response: Transport.HttpResponse, reason?: Options<Wire>["reason"]) => ProviderError
  /** An error inside a response with status 2xx, or inside a stream. */
  readonly inlineError: (error: Wire) => ProviderError
}

const makeErrors = <Wire extends WireError>(
  { codec, reason, redaction }: Pick<Options<Wire>, "codec" | "reason" | "redaction">,
  clock: Clock.Clock,
): Errors<Wire> => {
  /** Headers come first, then the error's own field, then its message. */
  const retryAfter = (error: Wire, headers: Transport.Headers): Duration.Duration | undefined => {
    const now = clock.currentTimeMillisUnsafe()
    return (
      RetryAfter.parse(headers, now) ??
      error.retryAfter ??
      (error.headers === undefined ? undefined : RetryAfter.parse(error.headers, now)) ??
      RetryAfter.fromMessage(error.message, now)
    )
  }

  return {
    httpError: ({ headers, status, text: body }, table = reason) => {
      // Before the parse: a table may keep a part of the message, and with it a part of a secret.
      const text = redaction.answer(body)
      const parsed = codec.Errors.parse(text)
      const error = parsed.message === undefined ? { ...parsed, message: plainText(text) } : parsed
      return new ProviderError({
        reason: table(error, status, retryAfter(error, headers)),
        message:
          parsed.message ??
          (text.trim() === "" ? `Status ${status}` : redaction.text(text).slice(0, maxUnparsedLength)),
        status,
        requestId: error.requestId ?? headerOf(headers, "x-request-id") ?? headerOf(headers, "request-id"),
      })
    },
    inlineError: (error) =>
      new ProviderError({
        reason: reason(error, error.status, retryAfter(error, {})),
        message: error.message ?? error.code ?? error.type ?? "The response contains an error",
        requestId: error.requestId,
      }),
  }
}

/** The longest part that is shown of an error body that is not JSON, such as a proxy's page. */
const maxUnparsedLength = 200

/** The message of an error body that is plain text: neither HTML nor empty nor long. */
const plainText = (text: string): string | undefined =>
  text.length > maxUnparsedLength * 10 || /^\s*(?:<|$)/.test(text) ? undefined : text.trim()

const headerOf = (headers: Transport.Headers, name: string): string | undefined => {
  const value = headers[name]
  return Predicate.isString(value) ? value : value?.[0]
}

// ---------------------------------------------------------------------------------------------------------------------
// Send
// ---------------------------------------------------------------------------------------------------------------------

/** Answers: what is the text of a successful response? */
interface Send<Wire extends WireError> {
  /** Sends a request and reads the response to its end. */
  readonly send: (
    template: RequestTemplate,
    body: string | Uint8Array,
    reason?: Options<Wire>["reason"],
  ) => Effect.Effect<string, ProviderError>
  /** Sends a streamed request and builds the complete response from its events. A server may respond without a stream. */
  readonly sendAsStream: (
    template: RequestTemplate,
    body: string | Uint8Array,
    toComplete: NonNullable<Options<Wire>["toComplete"]>,
  ) => Effect.Effect<string, ProviderError>
  /** Sends a request and opens the response, whatever its status. It is closed with the scope. */
  readonly open: (
    template: RequestTemplate,
    body: Transport.Body,
    scope: Scope.Scope,
  ) => Effect.Effect<Transport.StreamingResponse, ProviderError>
  /** The events of an opened response, secrets removed. */
  readonly events: (response: Transport.StreamingResponse) => Stream.Stream<Sse.Event, ProviderError>
  /** The bytes of an opened response. */
  readonly bytes: (response: Transport.StreamingResponse) => Stream.Stream<Uint8Array, ProviderError>
  /** The text of an opened response, secrets removed. */
  readonly text: (response: Transport.StreamingResponse) => Effect.Effect<string, ProviderError>
  /** Reads an opened response whose status is not 2xx, and fails with its error. */
  readonly failOpened: (
    response: Transport.StreamingResponse,
    reason?: Options<Wire>["reason"],
  ) => Effect.Effect<never, ProviderError>
}

const makeSend = <Wire extends WireError>(
  { redaction, sender }: Pick<Options<Wire>, "redaction" | "sender">,
  { httpError }: Errors<Wire>,
): Send<Wire> => {
  const networkError = NetworkError.orUnexpected
  const open: Send<Wire>["open"] = (template, body, scope) =>
    Effect.mapError(sender.open(template, body, scope), networkError)
  const events: Send<Wire>["events"] = (response) => Sse.events(response.bytes, networkError, redaction.answer)
  const textOf = (response: Transport.StreamingResponse): Effect.Effect<string, ProviderError> =>
    Effect.mapError(Transport.text(response), networkError)
  const failOpened: Send<Wire>["failOpened"] = (response, reason) =>
    Effect.flatMap(textOf(response), (text) => Effect.fail(httpError({ ...response, text }, reason)))

  return {
    send: (template, body, reason) =>
      Effect.matchEffect(sender.send(template, body), {
        onSuccess: (response) =>
          isOk(response) ? Effect.succeed(redaction.answer(response.text)) : Effect.fail(httpError(response, reason)),
        onFailure: (failure) => Effect.fail(networkError(failure)),
      }),
    sendAsStream: Effect.fnUntraced(function* (template, body, toComplete) {
      const response = yield* open(template, body, yield* Effect.scope)
      if (!isOk(response)) return yield* failOpened(response)
      if (!isEventStream(response)) return redaction.answer(yield* textOf(response))
      const data = yield* Stream.runCollect(Stream.map(events(response), ({ data }) => data))
      return toComplete(data) ?? (yield* incomplete)
    }, Effect.scoped),
    open,
    events,
    bytes: (response) => Stream.mapError(response.bytes, networkError),
    text: (response) => Effect.map(textOf(response), redaction.answer),
    failOpened,
  }
}

const isOk = ({ status }: Pick<Transport.HttpResponse, "status">): boolean => status >= 200 && status < 300

const isEventStream = ({ headers }: Pick<Transport.HttpResponse, "headers">): boolean =>
  /^text\/event-stream/i.test(headerOf(headers, "content-type") ?? "")

const incomplete = new ProviderError({
  reason: { _tag: "Malformed" },
  message: "The response ended before it was complete",
})

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The provider of one deployment. A request passes: `Lowering` (encode for the vendor), `RequestTemplate` (address
 * and headers), `send`. A response passes: the codec, then `Issued`, `CustomTools` and `SchemaTool`, which undo what was
 * changed in the request.
 */
export const make = Effect.fnUntraced(function* <Wire extends WireError>(
  options: Options<Wire>,
): Effect.fn.Return<Provider["Service"]> {
  const {
    codec,
    counter,
    embedder,
    endpoint,
    key,
    local,
    template,
    redaction,
    streaming = template,
    toComplete,
    vendor,
  } = options
  const { protocol } = codec
  const errors = makeErrors(options, yield* Clock.Clock)
  const sending = makeSend(options, errors)
  const { events, failOpened, open, send, sendAsStream } = sending
  const lower = Lowering.make(vendor, protocol, codec.Request, endpoint)

  /**
   * The JSON of a request. It is made from the outline of the client's body, if it has one, unless a text that the outline
   * shortens is to be changed.
   */
  const write = (
    request: Chat.Request,
    host: EncryptedReasoning.Host,
    isStream: boolean,
  ): Effect.Effect<Written, ProviderError> => {
    const bodyOf = ({ body }: Lowered, from: Chat.Request) => (isStream ? codec.Request.streamed(body, from) : body)
    const outline = Outline.of(request)
    if (outline === undefined) {
      return Effect.mapEager(lower(request, host), (lowered) => {
        const { droppedParams, isNative, names } = lowered
        return { json: print(bodyOf(lowered, request), request, protocol), droppedParams, isNative, names, request }
      })
    }
    const whole = () => write(Outline.whole(request), host, isStream)
    const { encoding } = outline
    const isOwn = request.native?.protocol === protocol
    const short = isOwn ? Outline.shorten(request) : encoding && Outline.toEncode(request, outline)
    if (short === undefined) return whole()
    return Effect.flatMapEager(lower(short, host), (lowered) => {
      const { droppedParams, isNative, names } = lowered
      const body = bodyOf(lowered, short)
      const json = isOwn ? (isNative === true ? outline.print(body) : undefined) : encoding?.write(body)
      if (json === undefined) return whole()
      outline.release()
      return Effect.succeed({ json, droppedParams, isNative, names, request: Outline.sent(request) })
    })
  }

  /** Whether a client of this protocol sent another body than was sent for it: the response is encoded for it, too. */
  const isReencoded = (isNative: true | undefined, { native }: Pick<Chat.Request, "native">): boolean =>
    isNative !== true && native?.protocol === protocol

  const complete = (original: Chat.Request, host: EncryptedReasoning.Host) =>
    Effect.flatMapEager(
      write(original, host, toComplete !== undefined),
      ({ droppedParams, isNative, json, names, request }) => {
        const sent =
          toComplete === undefined
            ? send(targetFor(template, request, protocol), json)
            : sendAsStream(targetFor(streaming, request, protocol), json, toComplete)
        return Effect.flatMap(sent, (text) => {
          const decoded = codec.Response.decode(text, errors.inlineError)
          if (Result.isFailure(decoded)) return Effect.fail(decoded.failure)
          const restored = Issued.restore(decoded.success, endpoint, names)
          const restoredAll = SchemaTool.restore(request, CustomTools.restore(request, restored))
          const response = isReencoded(isNative, request) ? withoutNative(restoredAll) : restoredAll
          return Effect.succeed(droppedParams === undefined ? response : { ...response, droppedParams })
        })
      },
    )

  const streamed = (original: Chat.Request, host: EncryptedReasoning.Host, scope: Scope.Scope) =>
    Effect.flatMapEager(write(original, host, true), ({ droppedParams, isNative, json, names, request }) =>
      Effect.flatMap(open(targetFor(streaming, request, protocol), json, scope), (response) => {
        if (!isOk(response)) return failOpened(response)
        const decoded = Frames.decode(events(response), codec.Stream.decoder(errors.inlineError))
        const issued = Issued.restoring(decoded, endpoint, names)
        const frames = isReencoded(isNative, request) ? Stream.map(issued, withoutNative) : issued
        return Effect.succeed(
          Frames.withDroppedParams(
            droppedParams,
            SchemaTool.restoring(request, CustomTools.restoring(request, frames)),
          ),
        )
      }),
    )

  const provider: Provider["Service"] = {
    protocol,
    account: key && accountOf(key),
    local,
    origin: ProviderOrigin.of(vendor, template.origin),
    // Lowered when it runs, which may be more than once: a parameter that it drops is logged the first time.
    chat: (request) =>
      Effect.suspend(() => EncryptedReasoning.retryWithout(endpoint.host, request, (host) => complete(request, host))),
    stream: (request) =>
      // As `Stream.unwrap`, which would fork another scope.
      Stream.fromChannel(
        Channel.fromTransform((_, scope) =>
          Effect.flatMap(
            EncryptedReasoning.retryWithout(endpoint.host, request, (host) => streamed(request, host, scope)),
            (frames) => Channel.toPullScoped(Stream.toChannel(frames), scope),
          ),
        ),
      ),
    embed: embedder && makeEmbed(options, embedder, send),
    operations:
      options.operations &&
      HttpOperations.make(options.operations, {
        ...sending,
        open: (template, body, scope, isUnbounded) =>
          isUnbounded === true && options.unbounded !== undefined
            ? Effect.mapError(options.unbounded.open(template, body, scope), NetworkError.orUnexpected)
            : open(template, body, scope),
        bounded: (response) => Transport.bounded(response, options.dialling?.limits),
        failOpened: (response, request) => failOpened(response, options.operationReason?.(request)),
        connect: (template, request, scope) =>
          Effect.mapError(WebSocketClient.open(template, options.dialling, scope), (failure) =>
            failure._tag === "Refused"
              ? errors.httpError(failure.response, options.operationReason?.(request))
              : NetworkError.orUnexpected(failure),
          ),
        errorOf: (text) => errors.inlineError(codec.Errors.parse(text)),
        redact: redaction.answer,
        errorIn: (body) => {
          if (!Json.isObject(body["error"])) return undefined
          return errors.inlineError(codec.Errors.parse(JSON.stringify(body)))
        },
      }),
    countTokens: counter && makeCountTokens(counter, protocol, lower, send),
  }
  const modelInPath = [template, streaming, embedder?.template, counter?.template].some(takesModel)
  return Redaction.provider(modelInPath ? ModelPath.provider(provider) : provider, redaction)
})

const makeEmbed = <Wire extends WireError>(
  { endpoint, vendor }: Pick<Options<Wire>, "endpoint" | "vendor">,
  { Request, Response, protocol, reason, template }: Embedder<Wire>,
  send: Send<Wire>["send"],
): Provider["Service"]["embed"] => {
  const lower = Lowering.make(vendor, protocol, Request, endpoint)
  return Effect.fnUntraced(function* (request) {
    const { body, droppedParams } = yield* lower(request)
    const text = yield* send(targetFor(template, request, protocol), print(body, request, protocol), reason)
    const response = yield* Effect.fromResult(Response.decode(text))
    return droppedParams === undefined ? response : { ...response, droppedParams }
  })
}

const makeCountTokens = <Wire extends WireError>(
  { body: countBody, decode, template }: Counter,
  protocol: string,
  lower: (request: Chat.Request) => Effect.Effect<Lowering.Lowered<Record<string, unknown>>, ProviderError>,
  send: Send<Wire>["send"],
): Provider["Service"]["countTokens"] =>
  Effect.fnUntraced(function* (request) {
    const { body } = yield* lower(request)
    const json = print(countBody(body, request), request, protocol)
    const text = yield* send(targetFor(template, request, protocol), json)
    return yield* Effect.fromResult(decode(text))
  })

/** The template for one request: its model, and what a client of this protocol set in headers and query. */
const targetFor = (
  template: RequestTemplate,
  { model, native }: Pick<Chat.Request, "model" | "native">,
  protocol: string,
): RequestTemplate => {
  const withItsModel = withModel(template, model)
  return native?.protocol === protocol ? withNative(withItsModel, native) : withItsModel
}

type Lowered = Lowering.Lowered<Record<string, unknown>>

/** A request as it is sent. */
interface Written {
  readonly json: string | Uint8Array
  readonly droppedParams: ReadonlyArray<string> | undefined
  readonly names: Lowered["names"] | undefined
  readonly isNative: true | undefined
  /** The request, or its outline. */
  readonly request: Chat.Request
}

const withoutNative = <A extends { readonly native?: unknown }>({ native: _native, ...rest }: A) => rest

/** The body as JSON. What a client of this protocol wrote stays byte for byte. */
const print = (body: Record<string, unknown>, { native }: Pick<Chat.Request, "native">, protocol: string): string =>
  JsonText.print(body, native?.protocol === protocol ? native.body : undefined)

/** A short hash of the credential: it tells accounts apart and reveals nothing else. */
const accountOf = (key: Redacted.Redacted): string =>
  createHash("sha256")
    .update(`understudy account ${Redacted.value(key)}`)
    .digest("hex")
    .slice(0, 8)

/**
 * A provider that speaks its protocol as JSON over HTTP, and streams as server-sent events: all there is between a
 * request and an answer, once a vendor has said how it is addressed and what its errors mean.
 */
import type * as Chat from "@understudy/core/Chat"
import type * as Embedding from "@understudy/core/Embedding"
import type { Provider } from "@understudy/core/Provider"
import type { Reason } from "@understudy/core/ProviderError"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as CustomTools from "./protocols/CustomTools.ts"
import type * as Endpoint from "./protocols/Endpoint.ts"
import type { Decoder } from "./protocols/Frames.ts"
import * as Frames from "./protocols/Frames.ts"
import * as Issued from "./protocols/Issued.ts"
import * as JsonText from "./protocols/JsonText.ts"
import * as Lowering from "./protocols/Lowering.ts"
import * as SchemaTool from "./protocols/SchemaTool.ts"
import * as EncryptedReasoning from "./protocols/EncryptedReasoning.ts"
import * as ModelPath from "./transport/ModelPath.ts"
import * as NetworkError from "./transport/NetworkError.ts"
import type { RequestTemplate } from "./transport/RequestTemplate.ts"
import { takesModel, withModel, withNative } from "./transport/RequestTemplate.ts"
import * as RetryAfter from "./transport/RetryAfter.ts"
import * as Redaction from "./transport/Redaction.ts"
import * as Sse from "./transport/Sse.ts"
import * as Transport from "./transport/Transport.ts"

/** What an error said of itself, in whichever shape its protocol has for it. */
export interface WireError {
  readonly message?: string | undefined
  readonly code?: string | undefined
  readonly type?: string | undefined
  readonly requestId?: string | undefined
  /** A status named within the error: an event inside a stream has no other. */
  readonly status?: number | undefined
  /** When to come back, where the error itself has a field for it. */
  readonly retryAfter?: Duration.Duration | undefined
  /** Headers of another server's answer, where the error holds them: by lower-case names. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** A protocol's codec, as `protocols/` has them. */
export interface ProtocolCodec<Wire extends WireError> {
  readonly protocol: string
  readonly Request: Lowering.RequestEncoder<Record<string, unknown>> & {
    readonly streamed: (body: Record<string, unknown>, request: Chat.Request) => Record<string, unknown>
  }
  readonly Response: {
    /** `classify` judges an error that a protocol may tell within an answer. */
    readonly decode: (
      text: string,
      classify: (error: Wire) => ProviderError,
    ) => Result.Result<Chat.Response, ProviderError>
  }
  readonly Stream: { readonly decoder: (classify: (error: Wire) => ProviderError) => Decoder<Sse.Event> }
  readonly Errors: { readonly parse: (text: string) => Wire }
}

/** How a vendor makes embeddings: in which words, and at which address. */
export interface Embedder<Wire extends WireError> {
  readonly protocol: string
  readonly Request: Lowering.RequestEncoder<Record<string, unknown>, Embedding.Request>
  readonly Response: { readonly decode: (text: string) => Result.Result<Embedding.Response, ProviderError> }
  readonly prepared: RequestTemplate
  /** What its errors mean, where that is not what they mean elsewhere. */
  readonly reason?: Options<Wire>["reason"]
}

/** How a vendor counts the tokens of a request without answering it. */
export interface Counter {
  readonly body: (body: Record<string, unknown>, request: Chat.Request) => Record<string, unknown>
  readonly decode: (text: string) => Result.Result<number, ProviderError>
  readonly prepared: RequestTemplate
}

export interface Options<Wire extends WireError> {
  readonly vendor: string
  readonly codec: ProtocolCodec<Wire>
  /** What it takes less of than others of its protocol, and what only it has issued. */
  readonly endpoint: Endpoint.Endpoint
  readonly embedder?: Embedder<Wire> | undefined
  readonly counter?: Counter | undefined
  /** The vendor's table of errors: what one means. */
  readonly reason: (error: Wire, status: number | undefined, retryAfter: Duration.Duration | undefined) => Reason
  /** The credential that tells its account from another. */
  readonly key: Redacted.Redacted | undefined
  /** Takes all that it sends as a secret out of what comes back. */
  readonly scrub: Redaction.Redaction
  readonly sender: Transport.HttpSender
  /** Whether the model is served nearby: see `Local`. */
  readonly local: boolean
  readonly prepared: RequestTemplate
  /** Where streams are asked for; as anything else if not said. */
  readonly streaming?: RequestTemplate | undefined
  /**
   * Has plain answers asked for by stream, and makes a plain one's body of the data of its events; `undefined` for events
   * that broke off. A server may notice only while it streams that nobody waits any more.
   */
  readonly whole?: ((events: ReadonlyArray<string>) => string | undefined) | undefined
}

export const make = Effect.fnUntraced(function* <Wire extends WireError>({
  codec,
  counter,
  embedder,
  endpoint,
  key,
  local,
  prepared,
  reason,
  scrub,
  sender,
  streaming = prepared,
  vendor,
  whole,
}: Options<Wire>): Effect.fn.Return<Provider["Service"]> {
  const clock = yield* Clock.Clock
  const lower = Lowering.make(vendor, codec.protocol, codec.Request, endpoint)
  const aim = (
    prepared: RequestTemplate,
    { model, native }: Pick<Chat.Request, "model" | "native">,
    protocol = codec.protocol,
  ): RequestTemplate => {
    const aimed = withModel(prepared, model)
    return native?.protocol === protocol ? withNative(aimed, native) : aimed
  }

  /** The body as JSON: what its client wrote in this very protocol stays as it was written. */
  const written = (
    body: Record<string, unknown>,
    { native }: Pick<Chat.Request, "native">,
    protocol = codec.protocol,
  ): string => JsonText.print(body, native?.protocol === protocol ? native.body : undefined)

  /** What broke on the way. */
  const broke = (failure: unknown): ProviderError => NetworkError.orUnexpected(failure)

  /** When to come back: by the headers, else by the error's own field, else by its words. */
  const retryAfter = (wire: Wire, headers: Transport.Headers): Duration.Duration | undefined => {
    const now = clock.currentTimeMillisUnsafe()
    return (
      RetryAfter.parse(headers, now) ??
      wire.retryAfter ??
      (wire.headers === undefined ? undefined : RetryAfter.parse(wire.headers, now)) ??
      RetryAfter.fromWords(wire.message, now)
    )
  }

  /** An answer that refuses: its status is not 2xx. */
  const refused = (answer: Transport.HttpResponse, meaning = reason): ProviderError => {
    const { headers, status } = answer
    // A table may take a part of the words, and with it a part of a secret.
    const text = scrub.answer(answer.text)
    const parsed = codec.Errors.parse(text)
    const wire = parsed.message === undefined ? { ...parsed, message: plain(text) } : parsed
    return new ProviderError({
      reason: meaning(wire, status, retryAfter(wire, headers)),
      message: parsed.message ?? (text.trim() === "" ? `Status ${status}` : scrub.text(text).slice(0, longest)),
      status,
      requestId: wire.requestId ?? header(headers, "x-request-id") ?? header(headers, "request-id"),
    })
  }

  /** An error inside an answer, or a stream. */
  const failed = (wire: Wire): ProviderError =>
    new ProviderError({
      reason: reason(wire, wire.status, retryAfter(wire, {})),
      message: wire.message ?? wire.code ?? wire.type ?? "An error inside the answer",
      requestId: wire.requestId,
    })

  /** One exchange: the text of a good answer. */
  const exchange = (
    to: RequestTemplate,
    body: string,
    meaning: Options<Wire>["reason"] = reason,
  ): Effect.Effect<string, ProviderError> =>
    Effect.flatMap(Effect.mapError(sender.send(to, body), broke), (answer) =>
      isOk(answer) ? Effect.succeed(scrub.answer(answer.text)) : Effect.fail(refused(answer, meaning)),
    )

  /** A plain answer, asked for by stream. A server that does not stream answers plainly. */
  const folded = Effect.fnUntraced(function* (
    to: RequestTemplate,
    body: string,
    whole: NonNullable<Options<Wire>["whole"]>,
  ): Effect.fn.Return<string, ProviderError, Scope.Scope> {
    const opened = yield* Effect.mapError(sender.open(to, body), broke)
    const isStream = /^text\/event-stream/i.test(header(opened.headers, "content-type") ?? "")
    if (!isOk(opened) || !isStream) {
      const text = yield* Effect.mapError(Transport.text(opened), broke)
      return isOk(opened) ? scrub.answer(text) : yield* refused({ ...opened, text })
    }
    const events = yield* Stream.runCollect(
      Stream.map(Sse.events(opened.bytes, broke, scrub.answer), ({ data }) => data),
    )
    return whole(events) ?? (yield* unfinished)
  }, Effect.scoped)

  const embed = ({ Request, Response, prepared, protocol, reason }: Embedder<Wire>): Provider["Service"]["embed"] => {
    const lower = Lowering.make(vendor, protocol, Request, endpoint)
    return Effect.fnUntraced(function* (request) {
      const { body, droppedParams } = yield* lower(request)
      const text = yield* exchange(aim(prepared, request, protocol), written(body, request, protocol), reason)
      const response = yield* Effect.fromResult(Response.decode(text))
      return droppedParams === undefined ? response : { ...response, droppedParams }
    })
  }

  // Made once: V8 keeps what a generator that is made for a call can reach until a full collection.
  const answered = Effect.fnUntraced(function* (request: Chat.Request, host: EncryptedReasoning.Host) {
    const { body, names, droppedParams } = yield* lower(request, host)
    const text = yield* whole === undefined
      ? exchange(aim(prepared, request), written(body, request))
      : folded(aim(streaming, request), written(codec.Request.streamed(body, request), request), whole)
    const decoded = yield* Effect.fromResult(codec.Response.decode(text, failed))
    const restored = Issued.restore(decoded, endpoint, names)
    const response = SchemaTool.restore(request, CustomTools.restore(request, restored))
    return droppedParams === undefined ? response : { ...response, droppedParams }
  })

  const streamed = Effect.fnUntraced(function* (request: Chat.Request, host: EncryptedReasoning.Host) {
    const { body, names, droppedParams } = yield* lower(request, host)
    const sent = written(codec.Request.streamed(body, request), request)
    const opened = yield* Effect.mapError(sender.open(aim(streaming, request), sent), broke)
    if (!isOk(opened)) {
      const text = yield* Effect.mapError(Transport.text(opened), broke)
      return yield* refused({ ...opened, text })
    }
    const decoded = Frames.decode(Sse.events(opened.bytes, broke, scrub.answer), codec.Stream.decoder(failed))
    const frames = Issued.restoring(decoded, endpoint, names)
    return Frames.telling(droppedParams, SchemaTool.restoring(request, CustomTools.restoring(request, frames)))
  })

  const provider: Provider["Service"] = {
    protocol: codec.protocol,
    account: key && accountOf(key),
    local,
    chat: (request) => EncryptedReasoning.orWithout(endpoint.host, request, (host) => answered(request, host)),
    stream: (request) =>
      Stream.unwrap(EncryptedReasoning.orWithout(endpoint.host, request, (host) => streamed(request, host))),
    embed: embedder && embed(embedder),
    countTokens:
      counter &&
      Effect.fnUntraced(function* (request) {
        const { body } = yield* lower(request)
        const sent = written(counter.body(body, request), request)
        const text = yield* exchange(aim(counter.prepared, request), sent)
        return yield* Effect.fromResult(counter.decode(text))
      }),
  }
  const addressed = [prepared, streaming, embedder?.prepared, counter?.prepared].some(takesModel)
  return Redaction.provider(addressed ? ModelPath.provider(provider) : provider, scrub)
})

/** Tells one credential from another, and too short to tell anything else. */
const accountOf = (key: Redacted.Redacted): string =>
  createHash("sha256")
    .update(`understudy account ${Redacted.value(key)}`)
    .digest("hex")
    .slice(0, 8)

const unfinished = new ProviderError({
  reason: { _tag: "Malformed" },
  message: "The answer ended before it was finished",
})

const isOk = ({ status }: Pick<Transport.HttpResponse, "status">): boolean => status >= 200 && status < 300

/** The most that is shown of an error that is no JSON, such as a proxy's page. */
const longest = 200

/** What a body says that is in no known shape and no page, such as the words of a server's own framework. */
const plain = (text: string): string | undefined =>
  text.length > longest * 10 || /^\s*(?:<|$)/.test(text) ? undefined : text.trim()

const header = (headers: Transport.Headers, name: string): string | undefined => {
  const value = headers[name]
  return Predicate.isString(value) ? value : value?.[0]
}

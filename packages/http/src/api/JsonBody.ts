/**
 * The JSON body of a request. Fails for another content type, a body over its limits, or invalid JSON.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Chat from "@understudy/core/Chat"
import * as Outline from "@understudy/core/internal/model/Outline"
import * as Json from "@understudy/providers/internal/protocols/Json"
import type { InvalidBody } from "@understudy/providers/internal/protocols/InvalidBody"
import { Exceeded } from "@understudy/providers/internal/protocols/JsonBounds"
import * as JsonOutline from "@understudy/providers/internal/protocols/JsonOutline"
import * as JsonText from "@understudy/providers/internal/protocols/JsonText"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { IncomingMessage } from "node:http"
import * as ServerLimits from "../ServerLimits.ts"
import * as ApiError from "./ApiError.ts"
import * as BodyLimits from "./BodyLimits.ts"
import * as ContentEncoding from "./ContentEncoding.ts"
import * as BodyBudget from "./BodyBudget.ts"
import * as GatewayKeys from "./GatewayKeys.ts"
import * as Unavailable from "./Unavailable.ts"

type Reading<A> = Effect.Effect<A, ApiError.ApiError, HttpServerRequest.HttpServerRequest>

/** The call in the body, decoded by its protocol. Fails if it contains a key of the gateway. */
export const decodeCall = <A extends { readonly request: { readonly model: string } }>(
  kind: BodyLimits.Kind,
  decode: (body: Record<string, unknown>) => Result.Result<A, InvalidBody>,
): Reading<A> =>
  decoded((bytes, limits, isKey) =>
    Result.flatMap(parse(bytes.toString(), bytes.length, kind, limits), (body) => check(body, decode, isKey)),
  )

/**
 * The chat call in the body, of a long body by its outline (see `Outline`) if the calls of its model can be made from it.
 * `readsTexts` as in `ClientProtocol`.
 */
export const decodeChat = <A extends { readonly request: Chat.Request }>(
  decode: (body: Record<string, unknown>) => Result.Result<A, InvalidBody>,
  {
    isOutlined,
    readsTexts = false,
  }: { readonly isOutlined: (model: string) => boolean; readonly readsTexts?: boolean | undefined },
): Reading<A> =>
  decoded((bytes, limits, isKey) => {
    const whole = () =>
      Result.flatMap(parse(bytes.toString(), bytes.length, BodyLimits.conversation, limits), (body) =>
        check(body, decode, isKey),
      )
    const outline =
      bytes.length >= minOutlined && bytes.length <= maxOutlined && isOutlined(likelyModel(bytes))
        ? JsonOutline.of(bytes)
        : undefined
    if (outline === undefined) return whole()
    const short = (isKey: GatewayKeys.IsKey | undefined) =>
      Result.flatMap(parse(outline.text, bytes.length, BodyLimits.conversation, limits), (body) =>
        check(body, decode, isKey),
      )
    const first = short(isKey && ((text) => isKey(JsonOutline.restore(text, outline))))
    // The error is that of the whole body.
    if (Result.isFailure(first) || first.success.request.native === undefined) return whole()
    let shortened: Chat.Request | undefined = first.success.request
    // Decoded again after `release`, such as by a retry.
    const shortRequest = () => (shortened ??= Result.getOrThrow(short(undefined)).request)
    let built: Chat.Request | undefined
    return Result.succeed({
      ...first.success,
      request: Outline.toRequest({
        get request() {
          return shortRequest()
        },
        settings: Outline.settingsOf(shortened),
        release: () => {
          shortened = undefined
        },
        characters: outline.characters,
        whole: () => (built ??= Result.getOrThrow(whole()).request),
        print: (body) => JsonOutline.print(body, shortRequest().native!.body, outline),
        restore: (text) => JsonOutline.restoreJson(text, outline),
        encoding: readsTexts ? undefined : { write: (body) => JsonOutline.write(body, outline) },
      }),
    })
  })

/** The model of a body whose first or last fields name it, as SDKs write it. A wrong one only costs time. */
const likelyModel = (bytes: Buffer): string =>
  model.exec(bytes.toString("latin1", 0, searched))?.[1] ??
  model.exec(bytes.toString("latin1", Math.max(0, bytes.length - searched)))?.[1] ??
  ""

const searched = 300
const model = /"model"\s*:\s*"([^"\\]*)"/

/** The length from which a body is decoded by its outline, and the most: the memory of outlines is kept. */
const minOutlined = 4_000
const maxOutlined = 4_000_000

const check = <A extends { readonly request: { readonly model: string } }>(
  body: Record<string, unknown>,
  decode: (body: Record<string, unknown>) => Result.Result<A, InvalidBody>,
  isKey: GatewayKeys.IsKey | undefined,
): Result.Result<A, ApiError.ApiError> =>
  Result.flatMap(Result.mapError(decode(body), ApiError.fromBody), (call) => {
    const { model } = call.request
    // A lone surrogate cannot be written to a URL, a header or a log.
    if (!model.isWellFormed()) return Result.fail(loneSurrogate)
    const leak = isKey === undefined ? undefined : GatewayKeys.check(body, model, isKey)
    return leak === undefined ? Result.succeed(call) : Result.fail(leak)
  })

const loneSurrogate = ApiError.invalid(
  "Invalid value for 'model': it contains a lone surrogate. Send well-formed Unicode.",
  {
    param: "model",
  },
)

/**
 * The parsed body, an object, decoded by `decode`. The content type must be JSON, because pages of other origins can post
 * forms without a preflight. `MaxBodySize` limits its size, and the limits of the `BodyBudget` its content.
 */
const decoded = <A>(
  decode: (
    body: Buffer,
    limits: ServerLimits.Limits,
    isKey: GatewayKeys.IsKey | undefined,
  ) => Result.Result<A, ApiError.ApiError>,
): Reading<A> =>
  Effect.withFiber((fiber) => {
    const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
    const type = request.headers["content-type"]
    if (type === undefined || !json.test(type)) return Effect.fail(otherType(type))
    const budget = fiber.getRef(BodyBudget.Current)
    const { limits } = budget
    const clock = fiber.getRef(Clock.Clock)
    const isKey = fiber.getRef(GatewayKeys.IsKey)
    return Effect.flatMap(bytes(request, Number(fiber.getRef(MaxBodySize) ?? Infinity), budget), (bytes) =>
      timed(bytes.length, limits, clock, () => decode(withoutMark(bytes), limits, isKey)),
    )
  })

/** The parsed body, an object, not decoded. */
export const read: Reading<Record<string, unknown>> = decoded((bytes, limits) =>
  parse(bytes.toString(), bytes.length, [], limits),
)

/** The parsed body of an unauthenticated request: at most `ServerLimits.unauthenticatedBody` bytes. */
export const readUnauthenticated: typeof read = Effect.provideService(
  read,
  MaxBodySize,
  ServerLimits.unauthenticatedBody,
)

// ---------------------------------------------------------------------------------------------------------------------
// Bytes
// ---------------------------------------------------------------------------------------------------------------------

const bytes = (
  request: HttpServerRequest.HttpServerRequest,
  limit: number,
  budget: BodyBudget.BodyBudget,
): Effect.Effect<Buffer, ApiError.ApiError> => {
  const { "content-encoding": encoding, "content-length": length, expect } = request.headers
  if (Number(length ?? 0) > limit) return tooLarge
  const { source } = request
  const received =
    source instanceof IncomingMessage && expect === undefined
      ? fromNode(source, limit, budget)
      : fromStream(request, limit, budget)
  return encoding === undefined ? received : decompressed(received, encoding, limit, budget)
}

/** A compressed body, decompressed. Counts in the budget until it is decompressed. */
const decompressed = (
  received: Effect.Effect<Buffer, ApiError.ApiError>,
  encoding: string,
  limit: number,
  budget: BodyBudget.BodyBudget,
): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.flatMap(ContentEncoding.parse(encoding), (encodings) =>
    encodings.length === 0
      ? received
      : Effect.flatMap(received, (bytes) => {
          const { expansion } = budget.limits
          const expandedLimit = Math.max(minExpandedLimit, bytes.length * expansion)
          const chunks = () =>
            expandedLimit < limit ? new Chunks(expandedLimit, budget, expanded(expansion)) : new Chunks(limit, budget)
          const decode = budget.decoding.withPermit(
            ContentEncoding.decompress(bytes, encodings, Math.min(expandedLimit, limit), chunks),
          )
          return Effect.suspend(() => (budget.acquire(bytes.length, bytes.length) ? decode : noRoom)).pipe(
            Effect.ensuring(Effect.sync(() => budget.release(bytes.length))),
          )
        }),
  )

/** Bytes that any body may have when decompressed, whatever its ratio. */
const minExpandedLimit = 1_000_000

/** The chunks of a body, within its size limit and the budget. */
class Chunks {
  readonly #chunks: Array<Uint8Array> = []
  #size = 0
  readonly #limit: number
  readonly #budget: BodyBudget.BodyBudget
  readonly #failure: Effect.Effect<never, ApiError.ApiError>

  /** `failure`: the failure of a body over the limit. */
  constructor(limit: number, budget: BodyBudget.BodyBudget, failure = tooLarge) {
    this.#limit = limit
    this.#budget = budget
    this.#failure = failure
  }

  /** Adds a chunk. Returns a failure if the body is too large. */
  push(chunk: Uint8Array): Effect.Effect<never, ApiError.ApiError> | undefined {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    const fits = this.#budget.acquire(chunk.length, this.#size)
    return this.#size > this.#limit ? this.#failure : fits ? undefined : noRoom
  }

  get complete(): Buffer {
    const [first] = this.#chunks
    return this.#chunks.length === 1 && Buffer.isBuffer(first) ? first : Buffer.concat(this.#chunks, this.#size)
  }

  /** Releases the chunks from the budget. */
  release(): void {
    this.#budget.release(this.#size)
    this.#size = 0
  }
}

/** Reads the body from Node's request, at a tenth of the cost of `fromStream`. Does not handle `Expect`. */
const fromNode = (
  source: IncomingMessage,
  limit: number,
  budget: BodyBudget.BodyBudget,
): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.callback((resume) => {
    const chunks = new Chunks(limit, budget)
    const stop = () => {
      source.off("data", onData)
      source.off("end", onEnd)
      source.off("error", onBroken)
      source.off("close", onBroken)
      chunks.release()
    }
    const settle = (result: Effect.Effect<Buffer, ApiError.ApiError>) => {
      stop()
      resume(result)
    }
    const onData = (chunk: Buffer) => {
      const failure = chunks.push(chunk)
      if (failure !== undefined) settle(failure)
    }
    const onEnd = () => settle(Effect.succeed(chunks.complete))
    const onBroken = () => settle(broken)
    source.on("data", onData)
    source.on("end", onEnd)
    source.on("error", onBroken)
    source.on("close", onBroken)
    return Effect.sync(stop)
  })

const fromStream = (
  request: HttpServerRequest.HttpServerRequest,
  limit: number,
  budget: BodyBudget.BodyBudget,
): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.suspend(() => {
    const chunks = new Chunks(limit, budget)
    return request.stream.pipe(
      Stream.catch(() => Stream.fromEffect(broken)),
      Stream.runForEach((chunk) => chunks.push(chunk) ?? Effect.void),
      Effect.map(() => chunks.complete),
      Effect.ensuring(Effect.sync(() => chunks.release())),
    )
  })

// ---------------------------------------------------------------------------------------------------------------------
// JSON
// ---------------------------------------------------------------------------------------------------------------------

const json = /^application\/([\w.-]+\+)?json\b/i

/** Some clients send a byte order mark, which JSON does not allow. */
const withoutMark = (bytes: Buffer): Buffer =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes

/** Parses JSON. `size` is the length of the whole body. */
const parse = (
  text: string,
  size: number,
  kind: BodyLimits.Kind,
  limits: ServerLimits.Limits,
): Result.Result<Record<string, unknown>, ApiError.ApiError> =>
  Result.flatMap(
    Result.try({
      try: () => JsonText.parse(text, BodyLimits.bounds(limits)),
      catch: (error) => (error instanceof Exceeded ? BodyLimits.exceeded(error.bound, limits) : notJson(error)),
    }),
    (body) => {
      if (!Json.isObject(body)) return Result.fail(notObject)
      const exceeded = BodyLimits.check(body as Record<string, unknown>, size, kind, limits)
      return exceeded === undefined ? Result.succeed(body as Record<string, unknown>) : Result.fail(exceeded)
    },
  )

/** Logs a warning for a body that is slow to decode: decoding blocks the event loop. */
const timed = <A>(
  size: number,
  { slowDecode }: ServerLimits.Limits,
  clock: Clock.Clock,
  decode: () => Result.Result<A, ApiError.ApiError>,
): Effect.Effect<A, ApiError.ApiError> => {
  const startedAt = clock.currentTimeMillisUnsafe()
  const decoded = Effect.fromResult(decode())
  const millis = clock.currentTimeMillisUnsafe() - startedAt
  return millis <= Duration.toMillis(slowDecode)
    ? decoded
    : Effect.andThen(
        Effect.logWarning(`A body of ${size} bytes took ${millis} ms to decode (server.limits.slowDecode)`),
        decoded,
      )
}

const otherType = (type: string | undefined): ApiError.ApiError =>
  ApiError.invalid(
    `The body must be JSON: send the header "content-type: application/json"${type === undefined ? "" : `, not "${type}"`}.`,
    { status: 415, code: "unsupported_media_type" },
  )

const notJson = (error: unknown): ApiError.ApiError =>
  ApiError.invalid(`The body is not valid JSON: ${Predicate.isError(error) ? error.message : "it does not parse"}.`, {
    code: "invalid_json",
  })

const notObject = ApiError.invalid("The body must be a JSON object.", { code: "invalid_json" })

const tooLarge: Effect.Effect<never, ApiError.ApiError> = Effect.flatMap(MaxBodySize, (limit) =>
  Effect.fail(
    ApiError.invalid(
      limit === ServerLimits.unauthenticatedBody
        ? `The body is larger than ${Number(limit)} bytes, the limit of this endpoint.`
        : `The body is larger than ${Number(limit)} bytes, the limit of this gateway (server.maxBody).`,
      { status: 413, code: "request_too_large" },
    ),
  ),
)

const expanded = (times: number): Effect.Effect<never, ApiError.ApiError> =>
  Effect.fail(
    ApiError.invalid(
      `The body expands to more than ${times} times its compressed size, the limit of this gateway (server.limits.expansion).`,
      { status: 413, code: "request_too_large" },
    ),
  )

const noRoom: Effect.Effect<never, ApiError.ApiError> = Effect.fail(Unavailable.noRoom)

const broken: Effect.Effect<never, ApiError.ApiError> = Effect.fail(
  ApiError.invalid("The connection closed before the body was complete."),
)

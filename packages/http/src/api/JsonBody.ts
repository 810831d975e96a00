/**
 * The JSON body of a request, or a clear refusal: of another content type, too large, holding too much, or not JSON.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Json from "@understudy/providers/internal/protocols/Json"
import type { InvalidBody } from "@understudy/providers/internal/protocols/InvalidBody"
import { Exceeded } from "@understudy/providers/internal/protocols/JsonBounds"
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

type Reading<A> = Effect.Effect<A, ApiError.ApiError, HttpServerRequest.HttpServerRequest>

/** What the body asks of a model, as its dialect decodes it. */
export const asked = <A extends { readonly request: { readonly model: string } }>(
  kind: BodyLimits.Kind,
  decode: (body: Record<string, unknown>) => Result.Result<A, InvalidBody>,
): Reading<A> =>
  Effect.flatMap(GatewayKeys.IsKey, (isKey) =>
    decoded(kind, (body) =>
      Result.flatMap(Result.mapError(decode(body), ApiError.fromBody), (asked) => {
        const { model } = asked.request
        // Half a character has no place in an address, a header or a log.
        if (!model.isWellFormed()) return Result.fail(halfACharacter)
        const refused = isKey === undefined ? undefined : GatewayKeys.refusal(body, model, isKey)
        return refused === undefined ? Result.succeed(asked) : Result.fail(refused)
      }),
    ),
  )

const halfACharacter = ApiError.invalid("Invalid value for 'model': a character in it is no more than half of one.", {
  param: "model",
})

/**
 * The parsed body, an object, as `decode` reads it. Only JSON is taken, for a page of another origin can post a form
 * without its browser asking first. How large it may be is `MaxBodySize`, for the whole server; how much it may hold, the
 * limits of its `Intake`.
 */
const decoded = <A>(
  kind: BodyLimits.Kind,
  decode: (body: Record<string, unknown>) => Result.Result<A, ApiError.ApiError>,
): Reading<A> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const type = request.headers["content-type"]
    if (type === undefined || !json.test(type)) return Effect.fail(otherType(type))
    return Effect.withFiber((fiber) => {
      const intake = fiber.getRef(BodyBudget.Current)
      const { limits } = intake
      const clock = fiber.getRef(Clock.Clock)
      return Effect.flatMap(bytes(request, Number(fiber.getRef(MaxBodySize) ?? Infinity), intake), (bytes) =>
        timed(bytes.length, limits, clock, () => Result.flatMap(parse(bytes.toString(), kind, limits), decode)),
      )
    })
  })

/** The parsed body, an object, whatever it holds. */
export const read: Reading<Record<string, unknown>> = decoded([], Result.succeed)

/** The same of those who are not known yet: no more of it is read than they have a use for. */
export const readUnknown: typeof read = Effect.provideService(read, MaxBodySize, ServerLimits.unknownCaller)

// ---------------------------------------------------------------------------------------------------------------------
// Bytes
// ---------------------------------------------------------------------------------------------------------------------

const bytes = (
  request: HttpServerRequest.HttpServerRequest,
  limit: number,
  intake: BodyBudget.Intake,
): Effect.Effect<Buffer, ApiError.ApiError> => {
  const { "content-encoding": encoding, "content-length": length, expect } = request.headers
  if (Number(length ?? 0) > limit) return tooLarge
  const { source } = request
  const arrive =
    source instanceof IncomingMessage && expect === undefined
      ? fromNode(source, limit, intake)
      : fromStream(request, limit, intake)
  return encoding === undefined ? arrive : unencoded(arrive, encoding, limit, intake)
}

/** A body that was sent encoded: it is as large as what comes out, and has not arrived until it has. */
const unencoded = (
  arrive: Effect.Effect<Buffer, ApiError.ApiError>,
  encoding: string,
  limit: number,
  intake: BodyBudget.Intake,
): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.flatMap(ContentEncoding.parse(encoding), (encodings) =>
    encodings.length === 0
      ? arrive
      : Effect.flatMap(arrive, (bytes) => {
          const { expansion } = intake.limits
          const most = Math.max(usualSize, bytes.length * expansion)
          const pieces = () =>
            most < limit ? new Pieces(most, intake, expanded(expansion)) : new Pieces(limit, intake)
          const undone = intake.decoding.withPermit(
            ContentEncoding.undo(bytes, encodings, Math.min(most, limit), pieces),
          )
          return Effect.suspend(() => (intake.hold(bytes.length, bytes.length) ? undone : noRoom)).pipe(
            Effect.ensuring(Effect.sync(() => intake.release(bytes.length))),
          )
        }),
  )

/** Bytes that any body may become, however few were sent of it. */
const usualSize = 1_000_000

/** What arrives of a body, piece by piece, held to the limits. */
class Pieces {
  readonly #pieces: Array<Uint8Array> = []
  #size = 0
  readonly #limit: number
  readonly #intake: BodyBudget.Intake
  readonly #refused: Effect.Effect<never, ApiError.ApiError>

  /** `refused`: the failure of a body that is larger than the limit. */
  constructor(limit: number, intake: BodyBudget.Intake, refused = tooLarge) {
    this.#limit = limit
    this.#intake = intake
    this.#refused = refused
  }

  /** Takes one more; why no more is taken, if it is not. */
  push(piece: Uint8Array): Effect.Effect<never, ApiError.ApiError> | undefined {
    this.#pieces.push(piece)
    this.#size += piece.length
    const fits = this.#intake.hold(piece.length, this.#size)
    return this.#size > this.#limit ? this.#refused : fits ? undefined : noRoom
  }

  get whole(): Buffer {
    const [first] = this.#pieces
    return this.#pieces.length === 1 && Buffer.isBuffer(first) ? first : Buffer.concat(this.#pieces, this.#size)
  }

  /** Lets go of them, whole or not. */
  release(): void {
    this.#intake.release(this.#size)
    this.#size = 0
  }
}

/** What `fromStream` does, at a tenth of its cost on Node, for every call has a body. It knows of no `Expect`. */
const fromNode = (
  source: IncomingMessage,
  limit: number,
  intake: BodyBudget.Intake,
): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.callback((resume) => {
    const pieces = new Pieces(limit, intake)
    const stop = () => {
      source.off("data", onData)
      source.off("end", onEnd)
      source.off("error", onBroken)
      source.off("close", onBroken)
      pieces.release()
    }
    const settle = (result: Effect.Effect<Buffer, ApiError.ApiError>) => {
      stop()
      resume(result)
    }
    const onData = (piece: Buffer) => {
      const refused = pieces.push(piece)
      if (refused !== undefined) settle(refused)
    }
    const onEnd = () => settle(Effect.succeed(pieces.whole))
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
  intake: BodyBudget.Intake,
): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.suspend(() => {
    const pieces = new Pieces(limit, intake)
    return request.stream.pipe(
      Stream.catch(() => Stream.fromEffect(broken)),
      Stream.runForEach((piece) => pieces.push(piece) ?? Effect.void),
      Effect.map(() => pieces.whole),
      Effect.ensuring(Effect.sync(() => pieces.release())),
    )
  })

// ---------------------------------------------------------------------------------------------------------------------
// JSON
// ---------------------------------------------------------------------------------------------------------------------

const json = /^application\/([\w.-]+\+)?json\b/i

/** Some write a byte order mark before it, which JSON does not know. */
const parse = (
  text: string,
  kind: BodyLimits.Kind,
  limits: ServerLimits.Limits,
): Result.Result<Record<string, unknown>, ApiError.ApiError> =>
  Result.flatMap(
    Result.try({
      try: () => JsonText.parse(text.startsWith("\uFEFF") ? text.slice(1) : text, BodyLimits.bounds(limits)),
      catch: (error) => (error instanceof Exceeded ? BodyLimits.exceeded(error.bound, limits) : notJson(error)),
    }),
    (body) => {
      if (!Json.isObject(body)) return Result.fail(notObject)
      const refused = BodyLimits.check(body as Record<string, unknown>, text.length, kind, limits)
      return refused === undefined ? Result.succeed(body as Record<string, unknown>) : Result.fail(refused)
    },
  )

/** Logs how large a body was that took long: nobody else was served meanwhile. */
const timed = <A>(
  size: number,
  { slowDecode }: ServerLimits.Limits,
  clock: Clock.Clock,
  decode: () => Result.Result<A, ApiError.ApiError>,
): Effect.Effect<A, ApiError.ApiError> => {
  const began = clock.currentTimeMillisUnsafe()
  const decoded = Effect.fromResult(decode())
  const millis = clock.currentTimeMillisUnsafe() - began
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
      limit === ServerLimits.unknownCaller
        ? `The body is larger than ${Number(limit)} bytes, the most that is read here.`
        : `The body is larger than ${Number(limit)} bytes, the limit of this gateway (server.maxBody).`,
      { status: 413, code: "request_too_large" },
    ),
  ),
)

const expanded = (times: number): Effect.Effect<never, ApiError.ApiError> =>
  Effect.fail(
    ApiError.invalid(
      `The body becomes more than ${times} times as large with its content-encoding undone, the limit of this gateway (server.limits.expansion).`,
      { status: 413, code: "request_too_large" },
    ),
  )

const noRoom: Effect.Effect<never, ApiError.ApiError> = Effect.fail({
  status: 503,
  type: "server_error",
  code: "overloaded",
  message: "This gateway holds as many unfinished bodies as it may (server.limits.unfinishedBodies). Try again in 1 s.",
  retryAfter: 1000,
})

const broken: Effect.Effect<never, ApiError.ApiError> = Effect.fail(
  ApiError.invalid("The body could not be read to its end."),
)

/**
 * The JSON body of a request, or a clear refusal: of another content type, too large, or not JSON.
 */
import * as Effect from "effect/Effect"
import * as Json from "@understudy/providers/protocols/Json"
import * as JsonText from "@understudy/providers/protocols/JsonText"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import type { HttpServerError } from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Predicate from "effect/Predicate"
import { IncomingMessage } from "node:http"
import * as ApiError from "./ApiError.ts"
import * as ContentEncoding from "./ContentEncoding.ts"

/**
 * The parsed body, an object. Only JSON is taken, for a page of another origin can post a form without its browser
 * asking first. How large it may be is `MaxBodySize`, for the whole server.
 */
export const read: Effect.Effect<
  Record<string, unknown>,
  ApiError.ApiError,
  HttpServerRequest.HttpServerRequest
> = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
  const type = request.headers["content-type"]
  if (type === undefined || !json.test(type)) return Effect.fail(otherType(type))
  const encoding = request.headers["content-encoding"]
  return Effect.flatMap(encoding === undefined ? text(request) : decoded(request, encoding), parse)
})

const text = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<string, ApiError.ApiError> =>
  request.source instanceof IncomingMessage && request.headers["expect"] === undefined
    ? Effect.flatMap(MaxBodySize, (limit) => fromNode(request.source as IncomingMessage, Number(limit ?? Infinity)))
    : Effect.catch(request.text, unreadable)

/** A body that was sent encoded: it is as large as what comes out. */
const decoded = (
  request: HttpServerRequest.HttpServerRequest,
  encoding: string,
): Effect.Effect<string, ApiError.ApiError> =>
  Effect.flatMap(ContentEncoding.parse(encoding), (encodings) => {
    if (encodings.length === 0) return text(request)
    const encoded = Effect.catch(request.arrayBuffer, unreadable)
    return Effect.flatMap(Effect.zip(encoded, MaxBodySize), ([bytes, limit]) =>
      Effect.map(ContentEncoding.undo(Buffer.from(bytes), encodings, Number(limit ?? Infinity), tooLarge), String),
    )
  })

/** What `request.text` does, at a tenth of its cost on Node, for every call has a body. It knows of no `Expect`. */
const fromNode = (source: IncomingMessage, limit: number): Effect.Effect<string, ApiError.ApiError> =>
  Effect.callback((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    const stop = () => {
      source.off("data", onData)
      source.off("end", onEnd)
      source.off("error", onBroken)
      source.off("close", onBroken)
    }
    const settle = (result: Effect.Effect<string, ApiError.ApiError>) => {
      stop()
      resume(result)
    }
    const onData = (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size > limit) settle(tooLarge)
    }
    const onEnd = () =>
      settle(Effect.succeed(chunks.length === 1 ? chunks[0]!.toString() : Buffer.concat(chunks).toString()))
    const onBroken = () => settle(broken)
    source.on("data", onData)
    source.on("end", onEnd)
    source.on("error", onBroken)
    source.on("close", onBroken)
    return Effect.sync(stop)
  })

const json = /^application\/([\w.-]+\+)?json\b/i

const otherType = (type: string | undefined): ApiError.ApiError =>
  ApiError.invalid(
    `The body must be JSON: send the header "content-type: application/json"${type === undefined ? "" : `, not "${type}"`}.`,
    { status: 415, code: "unsupported_media_type" },
  )

/** Some write a byte order mark before it, which JSON does not know. */
const parse = (text: string): Effect.Effect<Record<string, unknown>, ApiError.ApiError> =>
  Effect.flatMap(
    Effect.try({
      try: () => JsonText.parse(text.startsWith("\uFEFF") ? text.slice(1) : text),
      catch: (error) =>
        ApiError.invalid(
          `The body is not valid JSON: ${Predicate.isError(error) ? error.message : "it does not parse"}.`,
          {
            code: "invalid_json",
          },
        ),
    }),
    (body) =>
      Json.isObject(body)
        ? Effect.succeed(body as Record<string, unknown>)
        : Effect.fail(ApiError.invalid("The body must be a JSON object.", { code: "invalid_json" })),
  )

const unreadable = ({ reason }: HttpServerError): Effect.Effect<never, ApiError.ApiError> =>
  reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge" ? tooLarge : broken

const tooLarge: Effect.Effect<never, ApiError.ApiError> = Effect.flatMap(MaxBodySize, (limit) =>
  Effect.fail(
    ApiError.invalid(`The body is larger than ${Number(limit)} bytes, the limit of this gateway (server.maxBody).`, {
      status: 413,
      code: "request_too_large",
    }),
  ),
)

const broken: Effect.Effect<never, ApiError.ApiError> = Effect.fail(
  ApiError.invalid("The body could not be read to its end."),
)

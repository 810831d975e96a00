/**
 * The JSON body of a request, or a clear refusal: of another content type, too large, or not JSON.
 */
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import type { HttpServerError } from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Predicate from "effect/Predicate"
import * as ApiError from "./ApiError.ts"

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
  return Effect.matchEffect(request.text, { onSuccess: parse, onFailure: unreadable })
})

const json = /^application\/([\w.-]+\+)?json\b/i

const otherType = (type: string | undefined): ApiError.ApiError =>
  ApiError.invalid(
    `The body must be JSON: send the header "content-type: application/json"${type === undefined ? "" : `, not "${type}"`}.`,
    { status: 415, code: "unsupported_media_type" },
  )

const parse = (text: string): Effect.Effect<Record<string, unknown>, ApiError.ApiError> =>
  Effect.flatMap(
    Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: (error) =>
        ApiError.invalid(
          `The body is not valid JSON: ${Predicate.isError(error) ? error.message : "it does not parse"}.`,
          {
            code: "invalid_json",
          },
        ),
    }),
    (body) =>
      Predicate.isObject(body)
        ? Effect.succeed(body as Record<string, unknown>)
        : Effect.fail(ApiError.invalid("The body must be a JSON object.", { code: "invalid_json" })),
  )

const unreadable = ({ reason }: HttpServerError): Effect.Effect<never, ApiError.ApiError> =>
  reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
    ? Effect.flatMap(MaxBodySize, (limit) =>
        Effect.fail(
          ApiError.invalid(
            `The body is larger than ${Number(limit)} bytes, the limit of this gateway (server.maxBody).`,
            {
              status: 413,
              code: "request_too_large",
            },
          ),
        ),
      )
    : Effect.fail(ApiError.invalid("The body could not be read to its end."))

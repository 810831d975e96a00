/**
 * What a client says of its call in headers: how long it will wait, and what a route's conditions may look at.
 */
import type { CallOptions } from "@understudy/core/Call"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as ApiError from "./ApiError.ts"

/** The client's own deadline, in milliseconds. */
export const timeout = "x-request-timeout-ms"

/** Tags, parted by commas. */
export const tags = "x-understudy-tags"

/** The headers that conditions see, besides all that begin with `x-understudy-`: none of them is a credential. */
export const shown: ReadonlyArray<string> = [
  "accept-language",
  "anthropic-beta",
  "openai-organization",
  "openai-project",
  "user-agent",
  "x-request-id",
]

/** The options of the request in context; a deadline that is none is the client's mistake. */
export const read: Effect.Effect<CallOptions, ApiError.ApiError, HttpServerRequest.HttpServerRequest> = Effect.flatMap(
  HttpServerRequest.HttpServerRequest,
  ({ headers }) => {
    const wanted = headers[timeout]
    if (wanted === undefined) return Effect.succeed(new Said(headers, undefined))
    const millis = Number(wanted)
    return Number.isFinite(millis) && millis > 0
      ? Effect.succeed(new Said(headers, millis))
      : Effect.fail(ApiError.invalid(`${timeout} is a number of milliseconds above 0, not "${wanted}"`, {}))
  },
)

/** Looks into the headers only when a condition does. */
class Said implements CallOptions {
  readonly timeout: number | undefined
  readonly #headers: Headers

  constructor(headers: Headers, timeout: number | undefined) {
    this.#headers = headers
    this.timeout = timeout
  }

  get tags(): ReadonlyArray<string> {
    return tagsIn(this.#headers)
  }

  get headers(): Readonly<Record<string, string>> {
    return seen(this.#headers)
  }
}

/** The tags that these headers, named in lower case, carry. */
export const tagsIn = (headers: Readonly<Record<string, string | undefined>>): ReadonlyArray<string> =>
  (headers[tags] ?? "").split(",").map((tag) => tag.trim())

/** Those of these headers, named in lower case, that conditions see. */
export const seen = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.startsWith("x-understudy-") || shown.includes(name)),
  )

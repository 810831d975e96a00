/**
 * Call options from the headers of a request: the client's timeout, the values that a route's conditions match, and the session.
 */
import type { AnyRequest, CallOptions } from "@understudy/core/Call"
import { priorities } from "@understudy/core/internal/model/Priority"
import type { Priority } from "@understudy/core/Policies"
import type { Headers } from "effect/http/Headers"
import * as Result from "effect/Result"
import * as ApiError from "./ApiError.ts"
import * as Session from "./Session.ts"

/** The client's timeout, in milliseconds. */
export const timeout = "x-request-timeout-ms"

/** Tags, separated by commas. */
export const tags = "x-understudy-tags"

/** The priority of the call. One that has a key can only be lower than the key's. */
export const priority = "x-understudy-priority"

/** The headers that conditions match, besides all that begin with `x-understudy-`. None is a credential. */
export const matchable: ReadonlyArray<string> = [
  "accept-language",
  "anthropic-beta",
  "openai-organization",
  "openai-project",
  "user-agent",
  "x-request-id",
]

/**
 * The options in the headers of a request, and in its body. Fails if the timeout is not a positive number, or if there is no
 * such priority.
 */
export const read = (
  headers: Headers,
  request: AnyRequest,
  protocol?: string,
): Result.Result<CallOptions, ApiError.ApiError> => {
  const requested = headers[priority]
  if (requested !== undefined && !isPriority(requested)) {
    return Result.fail(ApiError.invalid(`${priority} must be one of ${priorities.join(", ")}, not "${requested}"`, {}))
  }
  const text = headers[timeout]
  if (text === undefined) return Result.succeed(new HeaderOptions(headers, request, undefined, protocol, requested))
  const millis = Number(text)
  return Number.isFinite(millis) && millis > 0
    ? Result.succeed(new HeaderOptions(headers, request, millis, protocol, requested))
    : Result.fail(ApiError.invalid(`${timeout} must be a positive number of milliseconds, not "${text}"`, {}))
}

const isPriority = (text: string): text is Priority => priorities.some((each) => each === text)

/** Reads tags, headers and the session only when a route does. */
class HeaderOptions implements CallOptions {
  readonly timeout: number | undefined
  readonly protocol: string | undefined
  readonly priority: Priority | undefined
  readonly #headers: Headers
  readonly #request: AnyRequest

  constructor(
    headers: Headers,
    request: AnyRequest,
    timeout: number | undefined,
    protocol: string | undefined,
    priority: Priority | undefined,
  ) {
    this.#headers = headers
    this.#request = request
    this.timeout = timeout
    this.protocol = protocol
    this.priority = priority
  }

  get tags(): ReadonlyArray<string> {
    return tagsIn(this.#headers)
  }

  get headers(): Readonly<Record<string, string>> {
    return conditionHeaders(this.#headers)
  }

  get session(): string | undefined {
    return Session.of(this.#headers, this.#request)
  }
}

/** The tags in these headers (names in lower case). */
export const tagsIn = (headers: Readonly<Record<string, string | undefined>>): ReadonlyArray<string> =>
  headers[tags]?.split(",").flatMap((tag) => tag.trim() || []) ?? noTags

const noTags: ReadonlyArray<string> = []

/** The headers (names in lower case) that conditions match. */
export const conditionHeaders = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.startsWith("x-understudy-") || matchable.includes(name)),
  )

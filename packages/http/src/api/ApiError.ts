/**
 * What a caller is told when a call fails: one stable shape, whatever went wrong, encoded by each protocol in its own
 * words. Statuses by the design's rule; a provider's own 401, 403 or 404 never passes through as the caller's.
 */
import type { Receipt } from "@understudy/core/Receipt"
import type { Kind, RouterError } from "@understudy/core/RouterError"
import type { ClientError } from "@understudy/providers/internal/protocols/ClientProtocol"
import type { InvalidBody } from "@understudy/providers/internal/protocols/InvalidBody"
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import * as Effect from "effect/Effect"
import type { Level } from "../auth/Expose.ts"
import { Expose } from "../auth/Expose.ts"
import * as Disclosure from "./Disclosure.ts"

/** A failure, before a protocol encodes it. */
export interface ApiError extends ClientError {
  /** How many attempts were made at providers. */
  readonly tried?: number | undefined
  /** Every candidate's part: those attempts, then who was passed over. */
  readonly attempts?: ReadonlyArray<Attempt> | undefined
}

/**
 * A deployment that failed or was skipped: `reason` in snake_case, with the details of `ReasonJson` where it was skipped.
 * `status` is the provider's, `ms` how long it took to fail.
 */
export interface Attempt {
  readonly deployment: string
  readonly reason: string
  readonly status?: number | undefined
  readonly ms: number
}

/** A request that is wrong in itself. */
export const invalid = (
  message: string,
  options?: {
    readonly param?: string
    readonly status?: number | undefined
    readonly code?: string | undefined
  },
): ApiError => ({
  status: options?.status ?? 400,
  type: "invalid_request_error",
  code: options?.code ?? "invalid_request",
  message,
  param: options?.param,
})

/** A body that its dialect cannot read. */
export const fromBody = ({ code, message, path, status }: InvalidBody): ApiError =>
  invalid(message, { param: path, status, code })

/** OpenAI's words, which clients of every protocol's SDK know best, for each kind of failure. */
const kinds: Record<Kind, Pick<ApiError, "status" | "type" | "code">> = {
  ModelNotFound: { status: 404, type: "invalid_request_error", code: "model_not_found" },
  // As OpenAI has it for a project that may not use a model.
  Forbidden: { status: 403, type: "invalid_request_error", code: "model_not_found" },
  InvalidRequest: { status: 400, type: "invalid_request_error", code: "invalid_request" },
  TooLarge: { status: 400, type: "invalid_request_error", code: "context_length_exceeded" },
  ContentPolicy: { status: 400, type: "invalid_request_error", code: "content_policy_violation" },
  RateLimited: { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded" },
  Timeout: { status: 504, type: "timeout_error", code: "upstream_timeout" },
  Unavailable: { status: 503, type: "server_error", code: "upstream_unavailable" },
  Upstream: { status: 502, type: "server_error", code: "upstream_error" },
  StreamInterrupted: { status: 502, type: "server_error", code: "stream_broken" },
}

/** The router's error as a caller at that level is told it. */
export const fromRouter = (error: RouterError, level: Level): ApiError => {
  const kind = kinds[error.kind]
  const theirs = error.cause?.status
  const { permanent = false, retryAfter } = error
  const message = Disclosure.message(error, level)
  const receipt = level === "none" ? undefined : error.receipt
  return {
    ...kind,
    status: kind.status === 400 && theirs === 413 ? 413 : kind.status,
    message: retryAfter === undefined ? message : `${message} Try again in ${seconds(retryAfter)} s.`,
    param: error.param,
    retryAfter,
    lasting: permanent || (retryAfter ?? 0) > longestWait,
    requestId: error.receipt?.id,
    tried: receipt?.attempts.length,
    attempts: receipt === undefined ? undefined : attempts(receipt, level),
  }
}

/** What the router was asked for, its error as the caller in hand is told it. */
export const told = <A, R>(asked: Effect.Effect<A, RouterError, R>): Effect.Effect<A, ApiError, R> =>
  Effect.catch(asked, (error) => Effect.flatMap(Expose, (level) => Effect.fail(fromRouter(error, level))))

/** The longest wait after which a client may ask again by itself, in milliseconds: Claude Code gives up beyond it too. */
const longestWait = 60_000

/** A wait in whole seconds, as `retry-after` has it. */
export const seconds = (millis: number): number => Math.max(1, Math.ceil(millis / 1000))

/** Whether a client that asks again soon is told the same: after a mistake of its own, or what takes long to cure. */
export const isFinal = ({ lasting, status }: ApiError): boolean =>
  lasting === true || (status < 500 && status !== 408 && status !== 429)

const attempts = ({ attempts, skipped: others }: Receipt, level: Level): ReadonlyArray<Attempt> => [
  ...attempts.map(({ deployment, millis, outcome, reason, status }) => ({
    deployment,
    reason: snakeCase(reason ?? outcome),
    status,
    ms: millis,
  })),
  ...others.map(({ deployment, reason }) => ({ deployment, ...Disclosure.skipped(reason, level), ms: 0 })),
]

/**
 * The error of a failed request, before a protocol encodes it. A provider's own 401, 403 or 404 is never passed on as the
 * client's status.
 */
import type { Receipt } from "@understudy/core/Receipt"
import { total } from "@understudy/core/Receipt"
import type { Kind, RouterError } from "@understudy/core/RouterError"
import * as KindStatus from "@understudy/providers/internal/protocols/KindStatus"
import type { ClientError } from "@understudy/providers/internal/protocols/ClientProtocol"
import type { InvalidBody } from "@understudy/providers/internal/protocols/InvalidBody"
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import * as Effect from "effect/Effect"
import type { Rejection } from "../auth/Auth.ts"
import type { Level } from "../auth/Expose.ts"
import { Expose } from "../auth/Expose.ts"
import * as Disclosure from "./Disclosure.ts"

/** An error, before a protocol encodes it. */
export interface ApiError extends ClientError {
  /** The number of attempts at providers. */
  readonly tried?: number | undefined
  /** The arm of the split that the call took. */
  readonly split?: string | undefined
  /** How long the call has waited for limits, in milliseconds, if it has. */
  readonly queuedMillis?: number | undefined
  /** What responses have cost that the caller does not get, in US dollars, if it is known. */
  readonly cost?: number | undefined
  /** The attempts, then the skipped deployments. */
  readonly attempts?: ReadonlyArray<Attempt> | undefined
}

/**
 * A deployment that failed or was skipped: `reason` in snake_case, with the details of `ReasonJson` where it was skipped.
 * `status` is the provider's HTTP status; `ms` is the duration.
 */
export interface Attempt {
  readonly deployment: string
  /** The account, where the deployment has several: at exposure level `full`. */
  readonly account?: number | undefined
  readonly reason: string
  readonly status?: number | undefined
  readonly ms: number
}

/** An invalid request: status 400 and code `invalid_request` by default. */
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

/** A body that its protocol rejects. */
export const fromBody = ({ code, message, path, status }: InvalidBody): ApiError =>
  invalid(message, { param: path, status, code })

/** A request that is rejected for its key, origin or host. */
export const fromRejection = ({ code, message, status }: Rejection): ApiError => ({
  status,
  type: status === 401 ? "authentication_error" : "permission_error",
  code,
  message,
})

/** Type and code of each kind of failure, by OpenAI's names. */
const kinds: Record<Kind, Pick<ApiError, "type" | "code">> = {
  ModelNotFound: { type: "invalid_request_error", code: "model_not_found" },
  // OpenAI's error for a project without access to a model.
  Forbidden: { type: "invalid_request_error", code: "model_not_found" },
  InvalidRequest: { type: "invalid_request_error", code: "invalid_request" },
  TooLarge: { type: "invalid_request_error", code: "context_length_exceeded" },
  ContentPolicy: { type: "invalid_request_error", code: "content_policy_violation" },
  RateLimited: { type: "rate_limit_error", code: "rate_limit_exceeded" },
  BudgetExceeded: { type: "rate_limit_error", code: "budget_exceeded" },
  Timeout: { type: "timeout_error", code: "upstream_timeout" },
  Unavailable: { type: "server_error", code: "upstream_unavailable" },
  NotAccepted: { type: "server_error", code: "response_not_accepted" },
  GuardrailRefused: { type: "invalid_request_error", code: "guardrail_refused" },
  GuardrailFailed: { type: "server_error", code: "guardrail_failed" },
  Upstream: { type: "server_error", code: "upstream_error" },
  StreamInterrupted: { type: "server_error", code: "stream_broken" },
  Draining: { type: "server_error", code: "draining" },
}

/** The router's error as a caller with this exposure level sees it. */
export const make = (error: RouterError, level: Level): ApiError => {
  const status = KindStatus.of[error.kind]
  const upstreamStatus = error.cause?.status
  const { permanent = false, retryAfter } = error
  const message = Disclosure.message(error, level)
  const receipt = level === "none" ? undefined : error.receipt
  return {
    ...kinds[error.kind],
    ...(error.code === undefined ? undefined : { code: error.code }),
    status: status === 400 && upstreamStatus === 413 ? 413 : status,
    message: retryAfter === undefined ? message : `${message} Try again in ${seconds(retryAfter)} s.`,
    param: error.param,
    retryAfter,
    lasting: permanent || (retryAfter ?? 0) > maxClientWait,
    requestId: error.receipt?.id,
    queuedMillis: error.receipt?.queuedMillis,
    tried: receipt?.attempts.length,
    split: receipt?.split,
    cost: receipt !== undefined && withheld.has(error.kind) ? total(receipt).cost : undefined,
    attempts: receipt === undefined ? undefined : attempts(receipt, level),
  }
}

/** The kinds of calls that had responses. */
const withheld: ReadonlySet<Kind> = new Set(["NotAccepted", "GuardrailRefused", "GuardrailFailed"])

/** A call of the router, with its error as the caller in context sees it. */
export const fromRouterError = <A, R>(call: Effect.Effect<A, RouterError, R>): Effect.Effect<A, ApiError, R> =>
  Effect.catch(call, (error) => Effect.flatMap(Expose, (level) => Effect.fail(make(error, level))))

/** The longest `retry-after` that clients should wait for, in milliseconds. Claude Code has this limit. */
const maxClientWait = 60_000

/** A wait in whole seconds, for `retry-after`: at least 1. */
export const seconds = (millis: number): number => Math.max(1, Math.ceil(millis / 1000))

/** Whether a retry would fail again: the error is the client's, or lasts longer than a client waits. */
export const isFinal = ({ lasting, status }: ApiError): boolean =>
  lasting === true || (status < 500 && status !== 408 && status !== 429)

const attempts = ({ attempts, skipped: others }: Receipt, level: Level): ReadonlyArray<Attempt> => [
  ...attempts.map(({ account, deployment, millis, outcome, reason, status }) => ({
    deployment,
    account: level === "full" ? account : undefined,
    reason: snakeCase(reason ?? outcome),
    status,
    ms: millis,
  })),
  ...others.map(({ account, deployment, reason }) => ({
    deployment,
    account: level === "full" ? account : undefined,
    ...Disclosure.skipped(reason, level),
    ms: 0,
  })),
]

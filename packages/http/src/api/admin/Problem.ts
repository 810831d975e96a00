/**
 * Errors of the endpoints under `/admin`, as problem details (RFC 9457): `type`, `title`, `status`, `detail`, and for invalid
 * requests `errors`, which name each field. `error` beside them is the body that the other endpoints send, so that a client of
 * both reads one of them everywhere.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { Problem as FieldProblem } from "@understudy/providers/Config"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { STATUS_CODES } from "node:http"
import type { InvalidConfiguration } from "../../Config.ts"
import type * as ApiError from "../ApiError.ts"
import * as HttpReply from "../HttpReply.ts"

/** An invalid field: its path, such as `limits.rpm`, and what is wrong with it. */
export interface FieldError {
  readonly field: string
  readonly message: string
}

export interface Problem extends ApiError.ApiError {
  readonly errors?: ReadonlyArray<FieldError> | undefined
}

/** Whether errors of a request to this URL are problem details. */
export const isFor = (url: string): boolean => /^\/admin(?:[/?]|$)/.test(url)

const make = (status: number, code: string, message: string, errors?: ReadonlyArray<FieldError>): Problem => ({
  status,
  type: status === 403 ? "permission_error" : status < 500 ? "invalid_request_error" : "server_error",
  code,
  message,
  param: errors?.[0]?.field,
  errors,
})

/** 400: the body or the query is invalid. */
export const invalid = (problems: ReadonlyArray<FieldProblem>): Problem =>
  make(
    400,
    "invalid_request",
    problems.map(({ message, path }) => (path === "" ? message : `${path}: ${message}`)).join("\n"),
    problems.map(({ message, path }) => ({ field: path, message })),
  )

export const invalidField = (path: string, message: string): Problem => invalid([{ path, message }])

/** 403: the caller's role does not allow it. `needed` completes "This needs …". */
export const forbidden = (who: string, needed: string, errors?: ReadonlyArray<FieldError>): Problem =>
  make(403, "role_required", `${who} may not do this. It needs ${needed}.`, errors)

export const notFound = (message: string): Problem => make(404, "not_found", message)

/** 409: the state of what is changed does not allow it. */
export const conflict = (code: string, message: string): Problem => make(409, code, message)

/** 422: the idempotency key was used for another request. */
export const reusedKey = make(
  422,
  "idempotency_key_reused",
  "This Idempotency-Key was used for another request within the last 24 hours. Use a new one for a new request.",
)

/** 422: the configuration of the gateway is rejected. */
export const invalidConfiguration = ({ message, problems }: InvalidConfiguration): Problem =>
  make(
    422,
    "invalid_configuration",
    message,
    problems.map(({ message, path }) => ({ field: path, message })),
  )

/** 501: there is no database. */
export const noDatabase = make(
  501,
  "database_required",
  'Keys, teams and budgets that change at run time need a database. Add `database: "sqlite:./understudy.db"` to the configuration, or `postgres://…` for several gateways.',
)

/** 503: the database cannot be used now. */
export const databaseAway: Problem = {
  ...make(
    503,
    "database_unavailable",
    "The database cannot be used now. Calls go on with the keys that are known. Send a change again with the same Idempotency-Key: it is then made once.",
  ),
  retryAfter: 1000,
}

/** The response of a problem. */
export const reply = (problem: Problem): HttpServerResponse.HttpServerResponse => {
  const { headers, requestId } = HttpReply.errorHeaders(problem)
  const { code, errors, message, status } = problem
  return HttpServerResponse.text(
    JSON.stringify({
      type: `urn:understudy:problem:${code}`,
      title: STATUS_CODES[status] ?? "Error",
      status,
      detail: message,
      errors,
      ...ChatCompletions.Errors.encode({ ...problem, requestId }),
    }),
    { status, contentType: "application/problem+json", headers },
  )
}

/** The response, or that of its problem. */
export const catchProblems = <R>(
  response: Effect.Effect<HttpServerResponse.HttpServerResponse, Problem, R>,
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catch(response, (problem) => Effect.succeed(reply(problem)))

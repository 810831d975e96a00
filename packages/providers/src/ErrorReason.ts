/**
 * Classifies errors of all vendors, in this order: by code, by messages about the account, the request or the model, by type,
 * by messages about server failures, and last by status. An error wrapped in the message, from an upstream of the server,
 * is used where the outer code, type and status are not specific.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as ErrorName from "./ErrorName.ts"
import * as ErrorMessage from "./ErrorMessage.ts"
import * as HttpStatusReason from "@understudy/core/internal/model/HttpStatusReason"
import * as WrappedError from "./WrappedError.ts"

/** The fields of an error. */
export interface WireError {
  readonly code?: string | undefined
  readonly type?: string | undefined
  readonly message?: string | undefined
  /** The invalid field of the request. */
  readonly param?: string | undefined
  /** The status inside the error. */
  readonly status?: number | undefined
}

/** A vendor's own table: codes, messages and types that only this vendor has. It takes precedence. */
export interface VendorTable {
  readonly byCode?: (code: string) => Reason | undefined
  readonly byMessage?: (message: string) => Reason | undefined
  readonly byType?: (type: string) => Reason | undefined
}

/** The reason of an error. `status` is the response's, or that in an error event of a stream. */
export const of = (
  error: WireError,
  status: number | undefined,
  retryAfter: Duration.Duration | undefined,
  own: VendorTable = {},
): Reason => {
  const { code, message, param, type } = error
  const inner = WrappedError.of(message)
  const named = (name: string): Reason | undefined => ErrorName.of(name, { feature: param ?? message, retryAfter })
  const byCode = (name: string): Reason | undefined => own.byCode?.(name) ?? named(name)
  const byType = (name: string): Reason | undefined => own.byType?.(name) ?? named(name)
  const failed: Reason = { _tag: "ServerError", retryAfter }
  /** Whether the code only says that a server failed. */
  const isFailure = ErrorName.isServers(code)
  const known =
    (isVague(status) ? (inner.status ?? (isServersCode(error.status) ? error.status : undefined)) : undefined) ?? status
  const context = {
    isRelayed: inner.types.length > 0,
    param,
    retryAfter,
    status: known ?? (isFailure ? 500 : undefined),
  }

  return (
    first(code, inner.codes, byCode) ??
    (message === undefined ? undefined : own.byMessage?.(message)) ??
    ErrorMessage.of(message, context) ??
    first(type, inner.types, byType) ??
    ErrorMessage.serverFailure(message, context) ??
    (isFailure || isServersType(type, status) ? failed : undefined) ??
    byStatus(known, !isServersCode(error.status) && [type, ...inner.types].some(ErrorName.isCallers), error, retryAfter)
  )
}

/** Whether the status inside the error is a server's: it takes precedence over a type that blames the request. */
const isServersCode = (code: number | undefined): boolean => code !== undefined && code >= 500

/** Whether wrappers use this status for errors of every kind. */
const isVague = (status: number | undefined): boolean => status === undefined || status === 400 || status >= 500

/** Whether the type is a server failure. Relays send `upstream_error` with a status below 500 for rejected requests too. */
const isServersType = (type: string | undefined, status: number | undefined): boolean =>
  status !== undefined && status < 500 && /upstream|provider/i.test(type ?? "") ? false : ErrorName.isServers(type)

const first = (
  name: string | undefined,
  others: ReadonlyArray<string>,
  classify: (name: string) => Reason | undefined,
): Reason | undefined => {
  const reason = name === undefined ? undefined : classify(name)
  if (reason !== undefined) return reason
  for (const other of others) {
    const inner = classify(other)
    if (inner !== undefined) return inner
  }
  return undefined
}

/** The reason by status. `blames`: the type blames the request, as some vendors do for bad keys and missing models too. */
const byStatus = (
  status: number | undefined,
  blames: boolean,
  { param }: WireError,
  retryAfter: Duration.Duration | undefined,
): Reason => {
  if (status === undefined) return blames ? { _tag: "InvalidRequest", param } : { _tag: "ServerError", retryAfter }
  if (blames && (status === 500 || (status < 500 && param !== undefined && param !== "model"))) {
    return HttpStatusReason.isRequests(status) || status === 500
      ? { _tag: "InvalidRequest", param }
      : HttpStatusReason.of(status, { retryAfter })
  }
  return HttpStatusReason.of(status, { param, retryAfter })
}

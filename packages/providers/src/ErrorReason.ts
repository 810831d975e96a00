/**
 * What an error means, decided in one order for every vendor: by its code, by words that tell what it is of, by its type,
 * by words of a server's trouble, and last by the status. What is wrapped in its message, another server's error, counts
 * where it says no more of itself than that it failed.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as ErrorName from "./ErrorName.ts"
import * as ErrorWords from "./ErrorWords.ts"
import * as HttpStatusReason from "./HttpStatusReason.ts"
import * as WrappedError from "./WrappedError.ts"

/** What an error said of itself. */
export interface Said {
  readonly code?: string | undefined
  readonly type?: string | undefined
  readonly message?: string | undefined
  /** The field to blame. */
  readonly param?: string | undefined
  /** The status that stands for a code. */
  readonly status?: number | undefined
}

/** A vendor's own table: codes, words and types that mean what they mean with no other. */
export interface Own {
  readonly byCode?: (code: string) => Reason | undefined
  readonly byWords?: (message: string) => Reason | undefined
  readonly byType?: (type: string) => Reason | undefined
}

/** The reason. `status` is the answer's, or the one that an error inside a stream names. */
export const of = (
  said: Said,
  status: number | undefined,
  retryAfter: Duration.Duration | undefined,
  own: Own = {},
): Reason => {
  const { code, message, param, type } = said
  const inner = WrappedError.of(message)
  const named = (name: string): Reason | undefined => ErrorName.of(name, { feature: param ?? message, retryAfter })
  const byCode = (name: string): Reason | undefined => own.byCode?.(name) ?? named(name)
  const byType = (name: string): Reason | undefined => own.byType?.(name) ?? named(name)
  const failed: Reason = { _tag: "ServerError", retryAfter }
  /** Says no more than that a server failed. */
  const isFailure = ErrorName.isServers(code)
  const known =
    (isVague(status) ? (inner.status ?? (isServersCode(said.status) ? said.status : undefined)) : undefined) ?? status
  const context = {
    isRelayed: inner.types.length > 0,
    param,
    retryAfter,
    status: known ?? (isFailure ? 500 : undefined),
  }

  return (
    first(code, inner.codes, byCode) ??
    (message === undefined ? undefined : own.byWords?.(message)) ??
    ErrorWords.of(message, context) ??
    first(type, inner.types, byType) ??
    ErrorWords.trouble(message, context) ??
    (isFailure || isServersType(type, status) ? failed : undefined) ??
    byStatus(known, !isServersCode(said.status) && [type, ...inner.types].some(ErrorName.isCallers), said, retryAfter)
  )
}

/** The code comes before the type. */
const isServersCode = (code: number | undefined): boolean => code !== undefined && code >= 500

/** A status that a wrapper gives to errors of every kind. */
const isVague = (status: number | undefined): boolean => status === undefined || status === 400 || status >= 500

/** A relay calls an upstream's refusal `upstream_error` too: its status tells. */
const isServersType = (type: string | undefined, status: number | undefined): boolean =>
  status !== undefined && status < 500 && /upstream|provider/i.test(type ?? "") ? false : ErrorName.isServers(type)

const first = (
  name: string | undefined,
  others: ReadonlyArray<string>,
  ask: (name: string) => Reason | undefined,
): Reason | undefined => {
  const reason = name === undefined ? undefined : ask(name)
  if (reason !== undefined) return reason
  for (const other of others) {
    const inner = ask(other)
    if (inner !== undefined) return inner
  }
  return undefined
}

/** `blames` whether the error's type says that the request is at fault: vendors say it of bad keys and missing models too. */
const byStatus = (
  status: number | undefined,
  blames: boolean,
  { param }: Said,
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

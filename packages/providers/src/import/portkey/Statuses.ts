/**
 * What Portkey tells by an HTTP status, as the reasons of our failure table.
 */
import type { ReasonTag } from "@understudy/core/ProviderError"

const table: Readonly<Record<number, ReadonlyArray<ReasonTag>>> = {
  400: ["InvalidRequest", "ContextWindowExceeded", "ContentPolicy", "Unsupported"],
  401: ["Authentication"],
  402: ["QuotaExhausted"],
  403: ["Permission"],
  404: ["ModelNotFound"],
  408: ["Timeout"],
  413: ["ContextWindowExceeded"],
  422: ["InvalidRequest"],
  429: ["RateLimited", "QuotaExhausted"],
  500: ["ServerError"],
  502: ["ServerError"],
  503: ["Overloaded", "ServerError"],
  504: ["Timeout", "ServerError"],
  529: ["Overloaded"],
}

/** Faults that no status tells of: Portkey goes on after these whatever statuses it was given. */
const statusless: ReadonlyArray<ReasonTag> = ["Network", "Malformed"]

/** The reasons of these statuses, and those statuses that stand for none. */
export const reasons = (
  statuses: ReadonlyArray<unknown>,
): { readonly reasons: ReadonlyArray<ReasonTag>; readonly unknown: ReadonlyArray<unknown> } => {
  const known = statuses.map((status) => ({ status, reasons: table[Number(status)] }))
  return {
    reasons: [...new Set([...known.flatMap(({ reasons }) => reasons ?? []), ...statusless])],
    unknown: known.flatMap(({ reasons, status }) => (reasons === undefined ? [status] : [])),
  }
}

/** The statuses after which the same deployment is asked again, by our failure table. */
export const retried: ReadonlyArray<number> = [429, 500, 502, 503, 504, 529]

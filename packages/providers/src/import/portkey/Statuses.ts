/**
 * The failure reasons of HTTP statuses, which Portkey uses to select failures.
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

/** Failures without a status. Portkey always falls back on these. */
const statusless: ReadonlyArray<ReasonTag> = ["Network", "Malformed"]

/** The reasons of the statuses, and the statuses that have none. */
export const reasons = (
  statuses: ReadonlyArray<unknown>,
): { readonly reasons: ReadonlyArray<ReasonTag>; readonly unknown: ReadonlyArray<unknown> } => {
  const known = statuses.map((status) => ({ status, reasons: table[Number(status)] }))
  return {
    reasons: [...new Set([...known.flatMap(({ reasons }) => reasons ?? []), ...statusless])],
    unknown: known.flatMap(({ reasons, status }) => (reasons === undefined ? [status] : [])),
  }
}

/** The statuses on which a deployment is retried. */
export const retried: ReadonlyArray<number> = [429, 500, 502, 503, 504, 529]

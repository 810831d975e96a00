/**
 * Classifies errors by HTTP status alone. Every vendor's table ends with it.
 */
import type { Reason } from "./ProviderError.ts"
import type * as Duration from "effect/Duration"

/** The invalid field of the request, and the wait before a retry. */
export interface Details {
  readonly param?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

/**
 * The reason of a status that is not 2xx. 529 is Anthropic's, 498 Groq's, 424 a failed model on Bedrock. 409, 425 and 499
 * are about the moment, not the request: a retry may succeed.
 */
export const of = (status: number, { param, retryAfter }: Details = {}): Reason => {
  switch (status) {
    case 401:
    // Sent by proxies, not by vendors.
    case 407:
      return { _tag: "Authentication" }
    case 402:
      return { _tag: "QuotaExhausted" }
    case 403:
    case 451:
      return { _tag: "Permission" }
    case 404:
    case 410:
      return { _tag: "ModelNotFound" }
    case 408:
    case 504:
      return { _tag: "Timeout", phase: "attempt" }
    case 409:
    case 421:
    case 423:
    case 424:
    case 425:
    case 499:
      return { _tag: "ServerError", retryAfter }
    case 429:
      return { _tag: "RateLimited", retryAfter }
    case 498:
    case 503:
    case 529:
      return { _tag: "Overloaded", retryAfter }
    default:
      return isRequests(status) ? { _tag: "InvalidRequest", param } : { _tag: "ServerError", retryAfter }
  }
}

const notRequests: ReadonlySet<number> = new Set([
  401, 402, 403, 404, 408, 409, 410, 421, 423, 424, 425, 429, 451, 498, 499,
])

/** Whether a status blames the request, not the key, the model or the moment. */
export const isRequests = (status: number): boolean => status >= 400 && status < 500 && !notRequests.has(status)

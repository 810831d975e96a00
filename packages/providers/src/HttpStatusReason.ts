/**
 * What a bare HTTP status means, where a provider said nothing that tells more. The last word of every vendor's table.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"

/** What else is known of the refusal: the field it blames, and when to come back. */
export interface Details {
  readonly param?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

/**
 * The reason of a status that is not 2xx. 529 is Anthropic's, 498 Groq's, 424 Bedrock's model that failed. A conflict, what
 * comes too early and what a proxy on the way gave up is not what was asked, but when: another try may pass.
 */
export const of = (status: number, { param, retryAfter }: Details = {}): Reason => {
  switch (status) {
    case 401:
    // A proxy's: no vendor sends it.
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

const others: ReadonlySet<number> = new Set([401, 402, 403, 404, 408, 409, 410, 421, 423, 424, 425, 429, 451, 498, 499])

/** Whether a status says that the request is at fault, and neither the key, the model nor the moment. */
export const isRequests = (status: number): boolean => status >= 400 && status < 500 && !others.has(status)

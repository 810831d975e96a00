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

/** The reason of a status that is not 2xx. 529 is Anthropic's, 498 Groq's, 424 Bedrock's model that failed. */
export const of = (status: number, { param, retryAfter }: Details = {}): Reason => {
  switch (status) {
    case 401:
      return { _tag: "Authentication" }
    case 402:
      return { _tag: "QuotaExhausted" }
    case 403:
      return { _tag: "Permission" }
    case 404:
      return { _tag: "ModelNotFound" }
    case 408:
    case 504:
      return { _tag: "Timeout", phase: "attempt" }
    case 424:
      return { _tag: "ServerError", retryAfter }
    case 429:
      return { _tag: "RateLimited", retryAfter }
    case 498:
    case 503:
    case 529:
      return { _tag: "Overloaded", retryAfter }
    default:
      return status >= 400 && status < 500 ? { _tag: "InvalidRequest", param } : { _tag: "ServerError", retryAfter }
  }
}

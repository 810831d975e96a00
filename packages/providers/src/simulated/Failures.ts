/**
 * How a simulated deployment fails: by a status, by being out of reach, or in the middle of a stream.
 */
import type { Reason } from "@understudy/core/ProviderError"
import { ProviderError } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"

/** An answer of that status. What a vendor would have meant by it is its reason. */
export const refused = (name: string, status: number, retryAfter: Duration.Duration | undefined): ProviderError =>
  new ProviderError({
    reason: reason(status, retryAfter),
    message: `${name} (simulated) refuses with status ${status}`,
    status,
  })

/** No connection at all. */
export const unreachable = (name: string): ProviderError =>
  new ProviderError({ reason: { _tag: "Network" }, message: `${name} (simulated) cannot be reached` })

/** A stream that breaks after `tokens` tokens. */
export const broken = (name: string, tokens: number): ProviderError =>
  new ProviderError({
    reason: { _tag: "Network" },
    message: `${name} (simulated) broke off after ${tokens} ${tokens === 1 ? "token" : "tokens"}`,
  })

const reason = (status: number, retryAfter: Duration.Duration | undefined): Reason => {
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
    case 429:
      return { _tag: "RateLimited", retryAfter }
    case 503:
    case 529:
      return { _tag: "Overloaded", retryAfter }
    default:
      return status >= 400 && status < 500 ? { _tag: "InvalidRequest" } : { _tag: "ServerError", retryAfter }
  }
}

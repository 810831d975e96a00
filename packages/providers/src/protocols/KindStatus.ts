/** The HTTP status of each kind of a call's error: OpenAI's, which clients of all SDKs handle. */
import type { Kind } from "@understudy/core/RouterError"

export const of: Readonly<Record<Kind, number>> = {
  ModelNotFound: 404,
  Forbidden: 403,
  InvalidRequest: 400,
  TooLarge: 400,
  ContentPolicy: 400,
  RateLimited: 429,
  BudgetExceeded: 429,
  Timeout: 504,
  Unavailable: 503,
  NotAccepted: 502,
  GuardrailRefused: 400,
  GuardrailFailed: 503,
  Upstream: 502,
  StreamInterrupted: 502,
  Draining: 503,
}

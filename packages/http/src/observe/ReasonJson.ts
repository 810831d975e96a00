/**
 * Skip reasons as JSON, in error bodies, the usage log and explanations: snake_case values with their details in separate
 * fields.
 */
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import type { SkipReason } from "@understudy/core/SkipReason"

/** `{ "reason": "cooling_down", "retry_after_ms": 12000 }` */
export interface SkippedJson {
  readonly reason: string
  readonly [detail: string]: unknown
}

export const skipReason = (reason: SkipReason): SkippedJson => ({ reason: snakeCase(reason._tag), ...details(reason) })

const details = (reason: SkipReason): object | undefined => {
  switch (reason._tag) {
    case "CoolingDown":
      return { retry_after_ms: reason.retryAfter }
    case "CircuitOpen":
      return { retry_after_ms: reason.retryAfter, permanent: reason.permanent }
    case "RateLimited":
      return { limit: reason.limit, retry_after_ms: reason.retryAfter, queue: reason.queue }
    case "ConcurrencyLimited":
      return { queue: reason.queue }
    case "OverBudget":
      return Number.isFinite(reason.retryAfter)
        ? { budget: reason.budget, retry_after_ms: reason.retryAfter }
        : { budget: reason.budget, permanent: true }
    case "MissingCapability":
      return { capability: reason.need }
    case "NotHolder":
      return { holder: reason.holder }
    case "MissingOperation":
      return { operation: reason.operation }
    case "ContextWindowTooSmall":
      return { tokens: reason.tokens, context_window: reason.window }
    case "BranchNotTaken":
      return { after: reason.after.map(snakeCase) }
    case "BranchTaken":
      return { after: snakeCase(reason.after) }
    case "AlreadyFailed":
    case "CircuitHalfOpen":
    case "ZeroWeight":
      return undefined
  }
}

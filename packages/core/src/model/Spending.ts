/**
 * What a call may spend: the engine asks before each attempt, and reports what the attempt has cost. Set by a layer over the
 * router, in the options of a call.
 */
import type * as Effect from "effect/Effect"
import type { Rejected } from "./SkipReason.ts"

export interface Spending {
  /** Runs before a deployment is tried, uninterruptibly. A rejection skips the deployment. Attempts may overlap in time. */
  readonly begin: (attempt: PlannedAttempt) => Effect.Effect<AttemptSpending, Rejected>
}

/** An attempt, and the most that it may cost in US dollars. */
export interface PlannedAttempt {
  readonly deployment: string
  readonly vendor: string | undefined
  readonly most: number
}

export interface AttemptSpending {
  /** Runs once, when the attempt has ended. `cost` in US dollars, 0 if the provider was not called. */
  readonly end: (cost: number) => Effect.Effect<void>
}

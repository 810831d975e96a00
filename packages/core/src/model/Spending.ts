/**
 * What a call may spend: the engine asks before each attempt, and reports what the attempt has cost. Set by a layer over the
 * router, in the options of a call.
 */
import type * as Effect from "effect/Effect"
import type * as Chat from "./Chat.ts"
import type * as Embedding from "./Embedding.ts"
import type * as Operation from "./Operation.ts"
import type { Rejected } from "./SkipReason.ts"

export interface Spending {
  /**
   * Called before a deployment is tried, uninterruptibly; its effect is run at once, if it is no exit. A rejection skips the
   * deployment. Attempts may overlap in time.
   */
  readonly begin: (attempt: PlannedAttempt) => Effect.Effect<AttemptSpending, Rejected>
  /**
   * Runs a shadow of the call with a spending of its own, which is none of the caller's. False if a budget does not cover it:
   * then it was not run.
   */
  readonly shadow: (
    request: Chat.Request | Embedding.Request | Operation.Request,
    run: (spending: Spending) => Effect.Effect<void>,
  ) => Effect.Effect<boolean>
}

export interface PlannedAttempt {
  readonly deployment: string
  readonly vendor: string | undefined
  /** The most that it may cost in US dollars. */
  readonly most: () => number
}

export interface AttemptSpending {
  /** Called once, when the attempt has ended, as is `begin`. `cost` in US dollars, 0 if the provider was not called. */
  readonly end: (cost: number) => Effect.Effect<void>
}

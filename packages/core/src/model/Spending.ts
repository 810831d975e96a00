/**
 * What a call may spend: the engine reserves it before the call is tried, asks before each attempt, reports what the attempt has
 * cost, and settles when the call has ended. Set by a layer over the router, in the options of a call.
 */
import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import type { Rejected } from "./SkipReason.ts"

/** Opens what calls may spend. */
export interface Spender {
  /** What one call may spend. Nothing of it is reserved yet. */
  readonly open: (clock: Clock.Clock) => Spending
}

/** What one call may spend. */
export interface Spending {
  /**
   * Called where `end` is sure to follow. Reserves the most that one attempt may cost. Succeeds with the name of another route,
   * if a budget has the call use that: it is then called once more, for that route. Its effect is run at once, if it is no exit,
   * as is that of `begin`.
   */
  readonly start: (call: PlannedCall) => Effect.Effect<string | undefined, Refusal>
  /**
   * Called before a deployment is tried, uninterruptibly. A rejection skips the deployment. Attempts may overlap in time.
   */
  readonly begin: (attempt: PlannedAttempt) => Effect.Effect<AttemptSpending, Rejected>
  /**
   * Called when the call has ended. Only the first time counts. It is settled when the attempts that are still under way have ended
   * too: those of a stream that failed may last as long as the scope around it.
   */
  readonly end: () => Effect.Effect<void>
}

/** A call that is about to be made. */
export interface PlannedCall {
  readonly route: string
  /** Who pays for it. Empty for a shadow call, which no caller pays for. */
  readonly payer: Payer
  /** Whether a budget may have it use another route. False for a shadow call, and for a call that already uses one. */
  readonly mayUseAnother: boolean
  /** The most that one attempt of it may cost in US dollars. */
  readonly most: () => number
}

/** Who pays for a call: see `CallOptions`. */
export interface Payer {
  readonly caller?: string | undefined
  readonly team?: string | undefined
  readonly tags?: ReadonlyArray<string> | undefined
}

/** Why a call may not be made. */
export interface Refusal {
  readonly message: string
  /** Milliseconds until another try is worthwhile; `Infinity` if it never is. */
  readonly retryAfter: number
}

/** An attempt that is about to be made. */
export interface PlannedAttempt {
  readonly deployment: string
  readonly vendor: string | undefined
  /** The most that it may cost in US dollars. */
  readonly most: () => number
}

/** What one attempt may spend. */
export interface AttemptSpending {
  /** Called once, when the attempt has ended, as is `begin`. `cost` in US dollars, 0 if the provider was not called. */
  readonly end: (cost: number) => Effect.Effect<void>
}

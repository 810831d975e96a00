/**
 * How long silence is borne: seven limits. All but `write` have a phase in the error they end in.
 *
 * A limit never outlives its call: each runs in the fibre of the attempt it guards.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ProviderError } from "../model/ProviderError.ts"
import type { TimeoutPhase } from "../model/ProviderError.ts"

/**
 * - `connect`: until a connection stands. Kept by the provider's transport.
 * - `firstToken`: until a stream's first real output. If not given: 10 seconds where another candidate comes after this
 *   one, 2 minutes where it is local (see `Provider`), of which at most 10 seconds after its first event, and until
 *   `total` where none comes after it.
 * - `thinking`: the same of a model that is given to reason, in a call that asks it to: some do so in silence. Counts
 *   where it is the longer of the two.
 * - `idle`: between a stream's events; comments and pings do not count as events.
 * - `attempt`: a plain call's whole answer. If not given: a minute, 5 minutes of a local one or of one that is thinking,
 *   and until `total` where none comes after it.
 * - `total`: the call with all its retries and fallbacks, and until its answer is read to the end.
 * - `write`: a write of an answer to its client that makes no progress. Kept by who writes it: the gateway.
 */
export interface TimeoutPolicy {
  readonly connect: Duration.Input
  readonly firstToken: Duration.Input
  readonly reasoning: Duration.Input
  readonly idle: Duration.Input
  readonly attempt: Duration.Input
  readonly total: Duration.Input
  readonly write: Duration.Input
}

export const defaults: TimeoutPolicy = {
  connect: "5 seconds",
  firstToken: "10 seconds",
  reasoning: "2 minutes",
  idle: "30 seconds",
  attempt: "60 seconds",
  total: "5 minutes",
  write: "30 seconds",
}

/** Of models that may have to be loaded first, or think first. */
const slow = { firstToken: "2 minutes", attempt: "5 minutes" } as const

/** How long an attempt may take, in milliseconds: to a stream's first real output, or to a plain call's whole answer. */
export interface Limits {
  readonly firstToken: number
  readonly attempt: number
  /** To the first words of one that goes on with a broken stream, whose reader has half an answer and waits for the rest. */
  readonly resume: number
  /** From a stream's first event to its first real output: what has begun to answer has loaded its model. */
  readonly afterFirstEvent: number
}

/** The limits of an attempt, and those of one whose model is asked to think first. */
export interface Resolved extends Limits {
  readonly reasoning: Limits
  readonly idle: number
}

/**
 * The policy as it holds at one place of a route. `local`: whether the model is served nearby, where it may have to be
 * loaded first; `last`: whether no candidate comes after it, so that giving up gains nothing.
 */
export const resolve = (
  given: Partial<TimeoutPolicy>,
  { last, local }: { readonly last: boolean; readonly local: boolean },
): Resolved => {
  const own = (limit: "firstToken" | "attempt", standard: Duration.Input): number =>
    given[limit] === undefined && last ? Number.POSITIVE_INFINITY : millis(given[limit] ?? standard)
  const standard = local ? slow : defaults
  const thinking = millis(given.reasoning ?? defaults.reasoning)
  const firstToken = own("firstToken", standard.firstToken)
  const resume = millis(given.firstToken ?? standard.firstToken)
  return {
    firstToken,
    attempt: own("attempt", standard.attempt),
    resume: resume,
    afterFirstEvent: local ? own("firstToken", defaults.firstToken) : Number.POSITIVE_INFINITY,
    reasoning: {
      firstToken: Math.max(firstToken, thinking),
      attempt: own("attempt", slow.attempt),
      resume: Math.max(resume, thinking),
      afterFirstEvent: Number.POSITIVE_INFINITY,
    },
    idle: millis(given.idle ?? defaults.idle),
  }
}

const millis = (input: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(input))

const words: Record<TimeoutPhase, string> = {
  connect: "no connection",
  "first-token": "no first token",
  idle: "silence mid-stream",
  attempt: "no whole answer",
  total: "the call's own deadline",
}

/** The error of a limit that was reached. `byCaller`: the caller set it, and no deployment is to blame. */
export const timeoutError = ({ byCaller, millis, phase }: TimeoutLimit): ProviderError =>
  new ProviderError({
    reason: byCaller ? { _tag: "Timeout", phase, byCaller } : { _tag: "Timeout", phase },
    message: `${byCaller ? "the caller's own deadline" : words[phase]} within ${format(millis)}`,
  })

const format = (millis: number): string => Duration.format(Duration.millis(Math.max(0, Math.round(millis))))

/** When a call must have ended, in milliseconds of the clock, and whether it was the caller who given so. */
export interface Deadline {
  readonly at: number
  readonly byCaller: boolean
}

/** The sooner of what the route allows (`total` milliseconds) and what the caller does. */
export const deadline = (startedAt: number, total: number, timeout: Duration.Input | undefined): Deadline => {
  const own = timeout === undefined ? total : Duration.toMillis(Duration.fromInputUnsafe(timeout))
  return own < total ? { at: startedAt + own, byCaller: true } : { at: startedAt + total, byCaller: false }
}

/** A limit as it is kept: its phase, and how many milliseconds it leaves. */
export interface TimeoutLimit {
  readonly phase: TimeoutPhase
  readonly millis: number
  readonly byCaller: boolean
}

/** Which limit strikes first, the phase's own or what the deadline leaves, and in how many milliseconds. */
export const earliest = (phase: TimeoutPhase, limitMillis: number, deadline: Deadline, now: number): TimeoutLimit => {
  const left = deadline.at - now
  return left < limitMillis
    ? { phase: "total", millis: left, byCaller: deadline.byCaller }
    : { phase, millis: limitMillis, byCaller: false }
}

/** Timers this many milliseconds late, or more, were kept by a process that stood still. */
const tolerance = 100

/**
 * How many more milliseconds are waited for after a timer that came `late` milliseconds after its time: as long as the
 * process stood still, for it could neither ask nor listen meanwhile; at most the limit once more. Nothing for one that
 * was on time.
 */
export const grace = (late: number, limit: number): number =>
  late < tolerance ? 0 : Math.max(1, Math.min(late, limit))

/** Ends `self` with a `Timeout` of that phase when it takes longer than `millis`; an infinite limit costs nothing. */
export const withTimeout = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  limit: TimeoutLimit,
): Effect.Effect<A, E | ProviderError, R> =>
  Number.isFinite(limit.millis) ? Effect.raceFirst(self, expiry(limit, limit.millis)) : self

const expiry = (limit: TimeoutLimit, millis: number): Effect.Effect<never, ProviderError> =>
  Effect.clockWith((clock) => {
    const due = clock.currentTimeMillisUnsafe() + Math.max(0, millis)
    return Effect.flatMap(Effect.sleep(Math.max(0, millis)), () => {
      const more = grace(clock.currentTimeMillisUnsafe() - due, limit.millis)
      return more > 0 ? expiry(limit, more) : Effect.fail(timeoutError(limit))
    })
  })

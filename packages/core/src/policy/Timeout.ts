/**
 * The timeouts of a call. Each but `write` has a phase in the `Timeout` error that it causes.
 *
 * A timer never outlives its call: it stops with the fibre of the attempt that it limits.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { ProviderError } from "../model/ProviderError.ts"
import type { TimeoutPhase } from "../model/ProviderError.ts"
import * as Timer from "./Timer.ts"

/**
 * - `connect`: until the connection is open. The provider's transport enforces it. Default: 5 seconds.
 * - `firstToken`: until a stream's first output. Default: 10 seconds; 2 minutes for a local model (see `Provider`), of
 *   which at most 10 seconds after its first event; `total` for the last deployment of a route.
 * - `reasoning`: `firstToken` for a reasoning model in a call that requests reasoning, if it is longer: some models send
 *   nothing while they reason. Default: 2 minutes.
 * - `idle`: between two events of a stream. Comments and pings are not events. Default: 30 seconds.
 * - `attempt`: until the complete response, if it is not streamed. Default: 1 minute; 5 minutes for a local model, or one
 *   that reasons; `total` for the last deployment of a route.
 * - `total`: the call with its retries and fallbacks, until its response is read to the end. Default: 5 minutes.
 * - `write`: without progress while a response is written to the client. The gateway enforces it. Default: 30 seconds.
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

/** Of models that may have to be loaded first, or that reason first. */
const slow = { firstToken: "2 minutes", attempt: "5 minutes" } as const

/** The timeouts of an attempt, in milliseconds. */
export interface AttemptTimeouts {
  /** Until a stream's first output. */
  readonly firstToken: number
  /** Until the complete response of a call that is not streamed. */
  readonly attempt: number
  /** `firstToken` of an attempt that resumes a broken stream: the client already has part of the response. */
  readonly resume: number
  /** From a stream's first event to its first output: a server that has sent an event has loaded its model. */
  readonly afterFirstEvent: number
}

/** The timeouts of an attempt, and those that replace them when the model reasons. All in milliseconds. */
export interface ResolvedTimeouts extends AttemptTimeouts {
  readonly reasoning: AttemptTimeouts
  readonly idle: number
}

/**
 * The timeouts of a deployment at one place of a route. `local`: the model is served nearby, and may have to be loaded
 * first. `last`: no deployment follows, so that giving up early gains nothing.
 */
export const resolve = (
  given: Partial<TimeoutPolicy>,
  { last, local }: { readonly last: boolean; readonly local: boolean },
): ResolvedTimeouts => {
  const limit = (name: "firstToken" | "attempt", byDefault: Duration.Input): number =>
    given[name] === undefined && last ? Number.POSITIVE_INFINITY : millis(given[name] ?? byDefault)
  const byDefault = local ? slow : defaults
  const reasoning = millis(given.reasoning ?? defaults.reasoning)
  const firstToken = limit("firstToken", byDefault.firstToken)
  const resume = millis(given.firstToken ?? byDefault.firstToken)
  return {
    firstToken,
    attempt: limit("attempt", byDefault.attempt),
    resume,
    afterFirstEvent: local ? limit("firstToken", defaults.firstToken) : Number.POSITIVE_INFINITY,
    reasoning: {
      firstToken: Math.max(firstToken, reasoning),
      attempt: limit("attempt", slow.attempt),
      resume: Math.max(resume, reasoning),
      afterFirstEvent: Number.POSITIVE_INFINITY,
    },
    idle: millis(given.idle ?? defaults.idle),
  }
}

const millis = (input: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(input))

const missing: Record<TimeoutPhase, string> = {
  connect: "no connection",
  "first-token": "no first token",
  idle: "no further event",
  attempt: "no complete response",
  total: "call not complete",
}

/** The error of a timeout. `byCaller`: the caller set it, so it does not count against the deployment. */
export const timeoutError = ({ byCaller, millis, phase }: TimeoutLimit): ProviderError =>
  new ProviderError({
    reason: byCaller ? { _tag: "Timeout", phase, byCaller } : { _tag: "Timeout", phase },
    message: `${missing[phase]} within ${format(millis)}${byCaller ? ", the caller's timeout" : ""}`,
  })

const format = (millis: number): string => Duration.format(Duration.millis(Math.max(0, Math.round(millis))))

/** The deadline of a call. */
export interface Deadline {
  /** Clock milliseconds. */
  readonly at: number
  /** Whether the caller's timeout sets it, rather than the route's. */
  readonly byCaller: boolean
}

/** The earlier of the route's deadline (`total` milliseconds after `startedAt`) and the caller's. */
export const deadline = (startedAt: number, total: number, timeout: Duration.Input | undefined): Deadline => {
  const callers = timeout === undefined ? total : millis(timeout)
  return callers < total ? { at: startedAt + callers, byCaller: true } : { at: startedAt + total, byCaller: false }
}

/** A timeout to enforce: its phase, and its duration in milliseconds. */
export interface TimeoutLimit {
  readonly phase: TimeoutPhase
  readonly millis: number
  readonly byCaller: boolean
}

/** The earlier of a phase's timeout and the time until the deadline. */
export const earliest = (phase: TimeoutPhase, limitMillis: number, deadline: Deadline, now: number): TimeoutLimit => {
  const left = deadline.at - now
  return left < limitMillis
    ? { phase: "total", millis: left, byCaller: deadline.byCaller }
    : { phase, millis: limitMillis, byCaller: false }
}

/** A timer that fires this many milliseconds late, or more, shows that the process was blocked. */
const tolerance = 100

/**
 * How many milliseconds a timeout is extended by when its timer fires `late` milliseconds late: the time for which the
 * process was blocked, since it could neither send nor receive; at most `limit`. 0 if the timer is on time.
 */
export const grace = (late: number, limit: number): number =>
  late < tolerance ? 0 : Math.max(1, Math.min(late, limit))

/** Fails with a `Timeout` error when `self` takes longer than the limit. An infinite limit starts no timer. */
export const withTimeout = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  limit: TimeoutLimit,
): Effect.Effect<A, E | ProviderError, R> => (Number.isFinite(limit.millis) ? limited(self, limit) : self)

/** `Effect.raceFirst` with a sleep, at a third of its cost: the timer needs no fibre of its own. */
const limited = <A, E, R>(self: Effect.Effect<A, E, R>, limit: TimeoutLimit): Effect.Effect<A, E | ProviderError, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.callback((resume) => {
      const clock = Context.get(context, Clock.Clock)
      let expired = false
      let stop = () => {}
      const running = Effect.runForkWith(context)(self)
      running.addObserver((exit) => {
        stop()
        resume(expired ? Effect.fail(timeoutError(limit)) : exit)
      })
      const startTimer = (millis: number) => {
        const due = clock.currentTimeMillisUnsafe() + Math.max(0, millis)
        stop = Timer.start(context, millis, () => {
          const more = grace(clock.currentTimeMillisUnsafe() - due, limit.millis)
          if (more > 0) return startTimer(more)
          expired = true
          running.interruptUnsafe()
        })
      }
      if (running.pollUnsafe() === undefined) startTimer(limit.millis)
      return Effect.suspend(() => {
        stop()
        return Fiber.interrupt(running)
      })
    }),
  )

/**
 * The idle timeout and the deadline of one stream, kept by one timer for all of its pulls: a timer and two fibres for
 * every token would cost more than the token (docs/performance.md).
 *
 * Only the time that a pull takes counts, not the time that the consumer takes between pulls: a slow client is no fault
 * of the provider. The deadline holds in any case, although no pull is under way.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { ProviderError } from "../model/ProviderError.ts"
import * as Timeout from "../policy/Timeout.ts"
import * as Timer from "../policy/Timer.ts"

/** Guards one pull after the other, never two at once. */
export interface Watchdog {
  /** The pull, ended by a `Timeout` when it takes too long. `isEvent` says whether its value ends an idle time: a ping does not. */
  readonly guard: <A, E>(
    pull: Effect.Effect<A, E>,
    isEvent: (value: A) => boolean,
  ) => Effect.Effect<A, E | ProviderError>
  readonly stop: () => void
}

/**
 * A watchdog that runs until `stop`. `idle` is the longest time in milliseconds without an event, over as many pulls as
 * bring none. After the deadline every pull fails; if none is under way then, `abandon` runs with that error, and may stop
 * the watchdog.
 */
export const make = (
  context: Context.Context<never>,
  idle: number,
  deadline: Timeout.Deadline,
  abandon: (error: ProviderError) => Effect.Effect<void> = () => Effect.void,
): Watchdog =>
  timers({
    idle,
    deadline,
    abandon,
    clock: Context.get(context, Clock.Clock),
    startTimer: (millis, due) => Timer.start(context, millis, due),
    fork: Effect.runForkWith(context),
  })

/** A watchdog without limits. */
export const none: Watchdog = {
  guard: (pull, isEvent) => Effect.tap(pull, (value) => Effect.sync(() => isEvent(value))),
  stop: () => {},
}

interface Options {
  readonly idle: number
  readonly deadline: Timeout.Deadline
  readonly abandon: (error: ProviderError) => Effect.Effect<void>
  readonly clock: Clock.Clock
  readonly startTimer: (millis: number, due: () => void) => () => void
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
}

/** A watchdog, with a timer that ends the pull that is due, or waits until one can be. */
const timers = ({ abandon, clock, deadline, fork, idle, startTimer }: Options): Watchdog => {
  // Variables of a closure: as fields of an object they cost a stream of 200 tokens 20 % more time.
  /** Milliseconds without an event before the pull that is under way. */
  let silentMillis = 0
  /** When the pull that is under way began, and when it times out, in milliseconds of the clock. */
  let startedAt = 0
  let due = 0
  /** The fibre of the pull that is under way, and what ends that pull; undefined if none is. */
  let pulling: Fiber.Fiber<unknown, unknown> | undefined
  let fail: ((error: Effect.Effect<never, ProviderError>) => void) | undefined
  /** Whether that pull was given a turn of the event loop after it was due, because the timer was late. */
  let hasLookedAgain = false
  /** When `check` is to run next. */
  let wake = Infinity
  let isStopped = false

  const limitAt = (now: number) => Timeout.earliest("idle", idle - silentMillis, deadline, now)

  /** Ends the time of the pull that is under way. */
  const end = () => {
    pulling = undefined
    fail = undefined
  }

  const guard: Watchdog["guard"] = <A, E>(pull: Effect.Effect<A, E>, isEvent: (value: A) => boolean) => {
    const settle = (exit: Exit.Exit<A, E>): Exit.Exit<A, E> => {
      const isActive = exit._tag === "Success" && isEvent(exit.value)
      silentMillis = isActive ? 0 : silentMillis + clock.currentTimeMillisUnsafe() - startedAt
      return exit
    }
    const stop = Effect.suspend(() => {
      const running = pulling
      end()
      return running === undefined ? Effect.void : Fiber.interrupt(running)
    })
    return Effect.callback<A, E | ProviderError>((resume) => {
      const now = clock.currentTimeMillisUnsafe()
      const millis = Math.min(idle - silentMillis, deadline.at - now)
      startedAt = now
      if (!(millis > 0)) return resume(Effect.fail(errorOf(limitAt(now), idle)))
      due = now + millis
      hasLookedAgain = false
      const running = fork(pull)
      const exit = running.pollUnsafe()
      if (exit !== undefined) return resume(settle(exit))
      pulling = running
      fail = resume
      running.addObserver((exit) => {
        // It was interrupted by the timer or with its caller.
        if (pulling !== running) return
        end()
        resume(settle(exit))
      })
      return stop
    })
  }

  const expire = (running: Fiber.Fiber<unknown, unknown>) => {
    const resume = fail
    end()
    resume?.(Effect.fail(errorOf(limitAt(startedAt), idle)))
    running.interruptUnsafe()
  }

  let stopTimer = () => {}
  // At least a millisecond: less than the precision of the clock's time would not move the clock on.
  const sleep = (now: number, millis: number) => {
    const wait = Math.max(1, millis)
    wake = now + wait
    stopTimer = startTimer(wait, check)
  }

  // A pull that begins during a sleep is not due before its end: the sleep is as long as a pull that begins now may take.
  const check = () => {
    const now = clock.currentTimeMillisUnsafe()
    const late = now - wake
    due += Timeout.grace(late, idle)
    // What arrived while the process stood still is read after the timers.
    if (late > 0 && !hasLookedAgain) {
      hasLookedAgain = true
      due = Math.max(due, now + 1)
    }
    if (pulling !== undefined && now < due) return sleep(now, due - now)
    if (pulling !== undefined) expire(pulling)
    if (isStopped) return
    const limit = limitAt(now)
    if (now < deadline.at) sleep(now, limit.millis)
    else fork(abandon(errorOf(limit, idle)))
  }

  const now = clock.currentTimeMillisUnsafe()
  sleep(now, limitAt(now).millis)

  return {
    guard,
    stop: () => {
      isStopped = true
      stopTimer()
    },
  }
}

const errorOf = (limit: Timeout.TimeoutLimit, idle: number): ProviderError =>
  Timeout.timeoutError(limit.phase === "idle" ? { ...limit, millis: idle } : limit)

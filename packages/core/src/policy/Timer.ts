/**
 * Timers by the clock in context, for code that waits for something else at the same time: a fibre that sleeps costs several
 * times as much as a timer.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** A clock with timers of its own, such as that of a rehearsal. `startTimer` is `start` by this clock. */
export interface TimerClock extends Clock.Clock {
  readonly startTimer: (millis: number, due: () => void) => () => void
}

const hasTimers = (clock: Clock.Clock): clock is TimerClock => "startTimer" in clock

/**
 * Runs `due` after some milliseconds; the result stops the timer. Effect's live clock sleeps by `setTimeout`, which is used
 * directly. Any other clock, such as that of a test, sleeps itself.
 */
export const start = (context: Context.Context<never>, millis: number, due: () => void): (() => void) => {
  const wait = Math.max(0, millis)
  const clock = Context.get(context, Clock.Clock)
  if (clock === live && wait <= longest) {
    const timer = setTimeout(due, wait)
    return () => clearTimeout(timer)
  }
  if (hasTimers(clock)) return clock.startTimer(wait, due)
  const sleeping = Effect.runForkWith(context)(Effect.andThen(Effect.sleep(wait), Effect.sync(due)))
  return () => sleeping.interruptUnsafe()
}

const live = Context.get(Context.empty(), Clock.Clock)

/** The longest wait of `setTimeout`, in milliseconds: it replaces a longer one by 1. */
const longest = 2 ** 31 - 1

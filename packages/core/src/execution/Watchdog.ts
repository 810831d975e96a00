/**
 * The idle timeout and the deadline of one stream, kept by one fibre for all of its pulls: a timer and two fibres for
 * every token would cost more than the token (docs/performance.md).
 *
 * Only the time that a pull takes counts, not the time that the consumer takes between pulls: a slow client is no fault
 * of the provider. The deadline holds in any case, although no pull is under way.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { ProviderError } from "../model/ProviderError.ts"
import * as Timeout from "../policy/Timeout.ts"

/** Guards one pull after the other, never two at once. */
export interface Watchdog {
  /** The pull, ended by a `Timeout` when it takes too long. `isEvent` says whether its value ends an idle time: a ping does not. */
  readonly guard: <A, E>(
    pull: Effect.Effect<A, E>,
    isEvent: (value: A) => boolean,
  ) => Effect.Effect<A, E | ProviderError>
}

/**
 * A watchdog that lives in `scope`. `idle` is the longest time in milliseconds without an event, over as many pulls as
 * bring none. After the deadline every pull fails; if none is under way then, `abandon` runs with that error, and may close
 * the scope.
 */
export const make = (
  scope: Scope.Scope,
  idle: number,
  deadline: Timeout.Deadline,
  abandon: (error: ProviderError) => Effect.Effect<void> = () => Effect.void,
): Effect.Effect<Watchdog> =>
  Effect.contextWith((context: Parameters<typeof Effect.runForkWith<never>>[0]) =>
    Effect.flatMap(Clock.Clock, (clock) => {
      const { check, guard } = timers({ idle, deadline, abandon, clock, fork: Effect.runForkWith(context) })
      return Effect.as(Effect.forkIn(Effect.forever(check), scope), { guard })
    }),
  )

interface Options {
  readonly idle: number
  readonly deadline: Timeout.Deadline
  readonly abandon: (error: ProviderError) => Effect.Effect<void>
  readonly clock: Clock.Clock
  readonly fork: ReturnType<typeof Effect.runForkWith<never>>
}

/** `guard`, and the `check` that the watchdog's fibre repeats: it ends the pull that is due, or sleeps until one can be. */
const timers = ({
  abandon,
  clock,
  deadline,
  fork,
  idle,
}: Options): Watchdog & { readonly check: Effect.Effect<void> } => {
  // Variables of a closure: as fields of an object they cost a stream of 200 tokens 20 % more time.
  /** Milliseconds without an event before the pull that is under way. */
  let silentMillis = 0
  /** When the pull that is under way times out, in milliseconds of the clock. */
  let due = 0
  /** Ends the pull that is under way; `undefined` if none is. */
  let expire: (() => void) | undefined
  /** When `check` is to run next. */
  let wake = Infinity

  const limitAt = (now: number) => Timeout.earliest("idle", idle - silentMillis, deadline, now)

  const guard: Watchdog["guard"] = (pull, isEvent) =>
    Effect.callback((resume) => {
      const startedAt = clock.currentTimeMillisUnsafe()
      const { byCaller, millis, phase } = limitAt(startedAt)
      const fail = () => resume(Effect.fail(errorOf({ byCaller, millis, phase }, idle)))
      if (millis <= 0) return fail()
      due = startedAt + millis
      const fiber = fork(pull)
      expire = () => {
        expire = undefined
        fail()
        fiber.interruptUnsafe()
      }
      fiber.addObserver((exit) => {
        expire = undefined
        const isActive = exit._tag === "Success" && isEvent(exit.value)
        silentMillis = isActive ? 0 : silentMillis + clock.currentTimeMillisUnsafe() - startedAt
        resume(exit)
      })
      return Effect.suspend(() => {
        expire = undefined
        return Fiber.interrupt(fiber)
      })
    })

  const sleep = (now: number, millis: number) => {
    wake = now + millis
    return Effect.sleep(millis)
  }

  // A pull that begins during a sleep is not due before its end: the sleep is as long as a pull that begins now may take.
  const check = Effect.suspend(() => {
    const now = clock.currentTimeMillisUnsafe()
    // If the process stood still, what arrived meanwhile has not been read yet.
    due += Timeout.grace(now - wake, idle)
    wake = Infinity
    if (expire !== undefined) return now < due ? sleep(now, due - now) : Effect.sync(expire)
    const limit = limitAt(now)
    if (now < deadline.at) return sleep(now, Math.max(1, limit.millis))
    // Detached, because closing the scope waits for this fibre.
    return Effect.andThen(Effect.forkDetach(abandon(errorOf(limit, idle))), Effect.never)
  })

  return { guard, check }
}

const errorOf = (limit: Timeout.TimeoutLimit, idle: number): ProviderError =>
  Timeout.timeoutError(limit.phase === "idle" ? { ...limit, millis: idle } : limit)

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
      const watchdog = new Watchdog(idle, deadline, abandon, clock, Effect.runForkWith(context))
      return Effect.as(Effect.forkIn(Effect.forever(watchdog.check), scope), watchdog)
    }),
  )

/** Guards one pull after the other, never two at once. */
export class Watchdog {
  readonly #idle: number
  readonly #deadline: Timeout.Deadline
  readonly #abandon: (error: ProviderError) => Effect.Effect<void>
  readonly #clock: Clock.Clock
  readonly #fork: ReturnType<typeof Effect.runForkWith<never>>
  /** Milliseconds without an event before the pull that is under way. */
  #silentMillis = 0
  /** When the pull that is under way times out, in milliseconds of the clock. */
  #due = 0
  /** Ends the pull that is under way; `undefined` if none is. */
  #expire: (() => void) | undefined = undefined
  /** When `check` is to run next. */
  #wake = Infinity

  constructor(
    idle: number,
    deadline: Timeout.Deadline,
    abandon: (error: ProviderError) => Effect.Effect<void>,
    clock: Clock.Clock,
    fork: ReturnType<typeof Effect.runForkWith<never>>,
  ) {
    this.#idle = idle
    this.#deadline = deadline
    this.#abandon = abandon
    this.#clock = clock
    this.#fork = fork
  }

  /** The pull, ended by a `Timeout` when it takes too long. `isEvent` says whether its value ends an idle time: a ping does not. */
  guard<A, E>(pull: Effect.Effect<A, E>, isEvent: (value: A) => boolean): Effect.Effect<A, E | ProviderError> {
    return Effect.callback((resume) => {
      const startedAt = this.#clock.currentTimeMillisUnsafe()
      const limit = this.#limit(startedAt)
      const fail = () => resume(Effect.fail(this.#error(limit)))
      if (limit.millis <= 0) return fail()
      this.#due = startedAt + limit.millis
      const fiber = this.#fork(pull)
      this.#expire = () => {
        this.#expire = undefined
        fail()
        fiber.interruptUnsafe()
      }
      fiber.addObserver((exit) => {
        this.#expire = undefined
        const isActive = exit._tag === "Success" && isEvent(exit.value)
        this.#silentMillis = isActive ? 0 : this.#silentMillis + this.#clock.currentTimeMillisUnsafe() - startedAt
        resume(exit)
      })
      return Effect.suspend(() => {
        this.#expire = undefined
        return Fiber.interrupt(fiber)
      })
    })
  }

  /**
   * Ends a pull that is due, or sleeps until one can be. A pull that begins during the sleep is not due before its end: the
   * sleep is as long as a pull that begins now may take.
   */
  readonly check: Effect.Effect<void> = Effect.suspend(() => {
    const now = this.#clock.currentTimeMillisUnsafe()
    // If the process stood still, what arrived meanwhile has not been read yet.
    this.#due += Timeout.grace(now - this.#wake, this.#idle)
    this.#wake = Infinity
    if (this.#expire !== undefined) {
      return now < this.#due ? this.#sleep(now, this.#due - now) : Effect.sync(this.#expire)
    }
    const limit = this.#limit(now)
    if (now < this.#deadline.at) return this.#sleep(now, Math.max(1, limit.millis))
    // Detached, because closing the scope waits for this fibre.
    return Effect.andThen(Effect.forkDetach(this.#abandon(this.#error(limit))), Effect.never)
  })

  #limit(now: number): Timeout.TimeoutLimit {
    return Timeout.earliest("idle", this.#idle - this.#silentMillis, this.#deadline, now)
  }

  #error(limit: Timeout.TimeoutLimit): ProviderError {
    return Timeout.timeoutError(limit.phase === "idle" ? { ...limit, millis: this.#idle } : limit)
  }

  #sleep(now: number, millis: number): Effect.Effect<void> {
    this.#wake = now + millis
    return Effect.sleep(millis)
  }
}

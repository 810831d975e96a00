/**
 * Hedged requests: another deployment is tried before the first has failed, because the first is slow. The first answer
 * wins, and every other attempt is interrupted.
 *
 * A deployment that fails, or waits before a retry, is not waited for: the next starts at once. Starting one while another
 * may still answer spends the hedge's budget; without budget a race is a fallback.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { RetryBudget } from "../policy/RetryBudget.ts"

/** What a racer is given by its race. */
export interface Slot {
  /** The index of the racer that is slow, or waits, but may still answer: `undefined` if none is running. */
  readonly racingWith: number | undefined
  /** Whether this one starts because the one started before it failed. */
  readonly replaces: boolean
  /** True for the first racer that calls it, and for no other. */
  readonly claim: () => boolean
  /** Starts the next racer: this one waits before a retry. */
  readonly onWait: () => void
}

/** One participant of a race. `failures` are those of other racers so far. */
export interface Racer<A, M> {
  readonly run: (failures: ReadonlyArray<M>, slot: Slot) => Effect.Effect<A, M>
  /** Milliseconds until the next racer starts, unless this one has ended. */
  readonly delay: number
}

export interface Options<M> {
  readonly budget: RetryBudget
  /** Whether a failure ends the race, because no other racer could do better. */
  readonly ends: (failure: M) => boolean
}

/**
 * The first answer, or the failures of all racers that took part, in the order they happened. When this returns, no racer
 * is left running.
 */
export const race = <A, M>(
  racers: ReadonlyArray<Racer<A, M>>,
  options: Options<M>,
): Effect.Effect<A, ReadonlyArray<M>> =>
  Effect.scopedWith((scope) =>
    Effect.clockWith((clock) =>
      Effect.flatMap(Queue.unbounded<RaceEvent<A, M>>(), (events) => {
        const race = new Race(racers, options, clock, scope, events)
        options.budget.recordCall(clock.currentTimeMillisUnsafe())
        return race.run()
      }),
    ),
  )

/** A racer has ended, or, without an exit, is slow or waits: it is time for the next. */
interface RaceEvent<A, M> {
  readonly index: number
  readonly exit: Exit.Exit<A, M> | undefined
}

class Race<A, M> {
  readonly #racers: ReadonlyArray<Racer<A, M>>
  readonly #options: Options<M>
  readonly #clock: Clock.Clock
  readonly #scope: Scope.Scope
  readonly #events: Queue.Queue<RaceEvent<A, M>>
  readonly #failures: Array<M> = []
  #running = 0
  #started = 0
  #claimed = false
  /** The `racingWith` of the racer started last. */
  #racingWith: number | undefined = undefined

  constructor(
    racers: ReadonlyArray<Racer<A, M>>,
    options: Options<M>,
    clock: Clock.Clock,
    scope: Scope.Scope,
    events: Queue.Queue<RaceEvent<A, M>>,
  ) {
    this.#racers = racers
    this.#options = options
    this.#clock = clock
    this.#scope = scope
    this.#events = events
  }

  /** Takes one event after the other until the race has ended. */
  run(): Effect.Effect<A, ReadonlyArray<M>> {
    return Effect.suspend(() => {
      if (this.#running > 0) return this.#takeEvent()
      return this.#started === this.#racers.length
        ? Effect.fail(this.#failures)
        : Effect.andThen(this.#startNext(undefined, true), this.#takeEvent())
    })
  }

  #takeEvent(): Effect.Effect<A, ReadonlyArray<M>> {
    return Effect.flatMap(Queue.take(this.#events), ({ exit, index }) => {
      if (exit === undefined) return Effect.andThen(this.#onSlow(index), this.run())
      if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
      this.#running--
      // One has claimed the race, and is about to succeed.
      if (this.#claimed && this.#running > 0) return this.run()
      const failure = Cause.findErrorOption(exit.cause)
      if (failure._tag === "None") return Effect.failCause(exit.cause as Cause.Cause<never>)
      this.#failures.push(failure.value)
      return this.#options.ends(failure.value)
        ? Effect.fail(this.#failures)
        : Effect.andThen(this.#onFailed(index), this.run())
    })
  }

  /** Starts the next racer while another is slow, if that was the last to start and the budget allows it. */
  #onSlow(index: number): Effect.Effect<void> {
    const isLatest = index === this.#started - 1 && this.#started < this.#racers.length
    return isLatest && this.#options.budget.tryAcquire(this.#clock.currentTimeMillisUnsafe())
      ? this.#startNext(index, false)
      : Effect.void
  }

  /** Starts the next racer in place of one that failed, if that was the last to start and others are running. */
  #onFailed(index: number): Effect.Effect<void> {
    const isLatest = index === this.#started - 1 && this.#started < this.#racers.length
    return isLatest && this.#running > 0 ? this.#startNext(this.#racingWith, true) : Effect.void
  }

  #startNext(racingWith: number | undefined, replaces: boolean): Effect.Effect<void> {
    const index = this.#started++
    const racer = this.#racers[index]!
    this.#racingWith = racingWith
    this.#running++
    const publish = (exit: RaceEvent<A, M>["exit"]) => void Queue.offerUnsafe(this.#events, { index, exit })
    const claim = () => !this.#claimed && (this.#claimed = true)
    const slot: Slot = { racingWith, replaces, claim, onWait: () => publish(undefined) }
    const running = racer.run([...this.#failures], slot).pipe(
      Effect.onExit((exit) => Effect.sync(() => publish(exit))),
      Effect.forkIn(this.#scope),
    )
    if (this.#started === this.#racers.length) return Effect.asVoid(running)
    // The delay is an event like the others: a `take` with a time limit could lose the answer that comes with it.
    const slow = Effect.andThen(
      Effect.sleep(racer.delay),
      Effect.sync(() => publish(undefined)),
    )
    return Effect.asVoid(Effect.andThen(running, Effect.forkIn(slow, this.#scope)))
  }
}

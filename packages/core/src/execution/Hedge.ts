/**
 * The race: another deployment is asked before the first has failed, because it is slow; the first that commits to an
 * answer wins, and everybody else is interrupted.
 *
 * Whoever fails, or waits to be asked again, is not waited for: the next starts at once. Starting one beside another that
 * may still answer spends the hedge's budget; without budget a race is a fallback.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type { RetryBudget } from "../policy/RetryBudget.ts"

/**
 * What a racer is given: how to say that it has an answer, and that it is about to wait before it asks again; and `beside`,
 * the place of the one who may still answer but was slow enough, or waits, where that is why this one starts, or why the
 * one started that it starts `instead` of.
 */
export interface Slot {
  readonly racingWith: number | undefined
  /** Whether it starts because the one started before it missed. */
  readonly instead: boolean
  /** True for the first that asks, and for nobody after it. */
  readonly claim: () => boolean
  readonly onWait: () => void
}

/** One who takes part. `failures` are those who have failed by now. */
export interface Racer<A, M, R> {
  readonly run: (failures: ReadonlyArray<M>, slot: Slot) => Effect.Effect<A, M, R>
  /** Milliseconds until the next starts beside it. */
  readonly delay: number
}

/** Something about a racer: how it ended, or, without an exit, that it is time for the next. */
type Event<A, M> = { readonly index: number; readonly exit: Exit.Exit<A, M> | undefined }

/**
 * The first answer, or the failures of all who took part, in the order they happened. `ends` tells of a miss that nobody
 * else could cure: it ends the race. When this returns, no racer is left running.
 */
export const race = <A, M, R>(
  racers: ReadonlyArray<Racer<A, M, R>>,
  { budget, ends }: { readonly budget: RetryBudget; readonly ends: (miss: M) => boolean },
): Effect.Effect<A, ReadonlyArray<M>, R> =>
  Effect.scopedWith((scope) =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const events = yield* Queue.unbounded<Event<A, M>>()
      const failures: Array<M> = []
      let running = 0
      let started = 0
      let claimed = false
      const claim = () => !claimed && (claimed = true)

      let latest: number | undefined
      const start = (racer: Racer<A, M, R>, beside: number | undefined, instead: boolean) => {
        const index = started++
        latest = beside
        running++
        const tell = (exit: Event<A, M>["exit"]) => void Queue.offerUnsafe(events, { index, exit })
        const runs = racer
          .run([...failures], { racingWith: beside, instead, claim, onWait: () => tell(undefined) })
          .pipe(
            Effect.onExit((exit) => Effect.sync(() => tell(exit))),
            Effect.forkIn(scope),
          )
        // The delay is an event like the others: a `take` with a time limit could lose the answer that comes with it.
        return started === racers.length
          ? runs
          : Effect.andThen(
              runs,
              Effect.forkIn(
                Effect.andThen(
                  Effect.sleep(racer.delay),
                  Effect.sync(() => tell(undefined)),
                ),
                scope,
              ),
            )
      }

      budget.recordCall(clock.currentTimeMillisUnsafe())
      while (true) {
        const racer = racers[started]
        if (running === 0) {
          if (racer === undefined) return yield* Effect.fail<ReadonlyArray<M>>(failures)
          yield* start(racer, undefined, true)
        }
        const { exit, index } = yield* Queue.take(events)
        if (exit === undefined) {
          const waiting = racers[started]
          if (waiting === undefined || index !== started - 1) continue
          if (budget.tryAcquire(clock.currentTimeMillisUnsafe())) yield* start(waiting, index, false)
          continue
        }
        if (Exit.isSuccess(exit)) return exit.value
        running--
        // There is an answer: whoever has it is about to say so.
        if (claimed && running > 0) continue
        const miss = Cause.findErrorOption(exit.cause)
        if (miss._tag === "None") {
          return yield* Effect.failCause(exit.cause as Cause.Cause<never>)
        }
        failures.push(miss.value)
        if (ends(miss.value)) return yield* Effect.fail<ReadonlyArray<M>>(failures)
        const replacement = racers[started]
        if (running > 0 && replacement !== undefined && index === started - 1) yield* start(replacement, latest, true)
      }
    }),
  )

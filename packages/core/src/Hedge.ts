/**
 * The race: another deployment is asked before the first has failed, because it is slow; the first that commits to an
 * answer wins, and everybody else is interrupted.
 *
 * Whoever fails, or waits to be asked again, is not waited for: the next starts at once. Starting one beside another that
 * may still answer spends the hedge's budget; without budget a race is a fallback.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type { Budget } from "./Budget.ts"
import type { Monitor } from "./Health.ts"

/** The share of a deployment's latest answers that came within the delay: the slowest twentieth is hedged by `p95`. */
export type Quantile = "p50" | "p75" | "p90" | "p95" | "p99"

export const quantiles: ReadonlyArray<Quantile> = ["p50", "p75", "p90", "p95", "p99"]

/** How long a candidate is waited for before another starts beside it: a duration, or its own latency. */
export type After = Duration.Input | Quantile

/** Answers it takes to know a quantile, and how long to wait until it is known. */
const enough = 8
const unknown = 1000

export const isQuantile = (after: unknown): after is Quantile => quantiles.some((each) => each === after)

/** The milliseconds of `after` for a candidate in this state: until a stream's first output, or a plain answer. */
export const delay = (after: After, health: Monitor, streaming: boolean): number => {
  if (!isQuantile(after)) return Duration.toMillis(Duration.fromInputUnsafe(after))
  const window = streaming ? health.firstTokens : health.latencies
  return window.size < enough ? unknown : window.quantile(Number(after.slice(1)) / 100)
}

/**
 * What a racer is given: how to say that it has an answer, and that it is about to wait before it asks again; and `beside`,
 * the place of the one who may still answer but was slow enough, or waits, where that is why this one starts, or why the
 * one started that it starts `instead` of.
 */
export interface Lane {
  readonly beside: number | undefined
  /** Whether it starts because the one started before it missed. */
  readonly instead: boolean
  /** True for the first that asks, and for nobody after it. */
  readonly claim: () => boolean
  readonly waits: () => void
}

/** One who takes part. `misses` are those who have failed by now. */
export interface Racer<A, M, R> {
  readonly run: (misses: ReadonlyArray<M>, lane: Lane) => Effect.Effect<A, M, R>
  /** Milliseconds until the next starts beside it. */
  readonly delay: number
}

/** Something about a racer: how it ended, or, without an exit, that it is time for the next. */
type Event<A, M> = { readonly index: number; readonly exit: Exit.Exit<A, M> | undefined }

/**
 * The first answer, or the misses of all who took part, in the order they happened. `ends` tells of a miss that nobody
 * else could cure: it ends the race. When this returns, no racer is left running.
 */
export const race = <A, M, R>(
  racers: ReadonlyArray<Racer<A, M, R>>,
  { budget, ends }: { readonly budget: Budget; readonly ends: (miss: M) => boolean },
): Effect.Effect<A, ReadonlyArray<M>, R> =>
  Effect.scopedWith((scope) =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const events = yield* Queue.unbounded<Event<A, M>>()
      const misses: Array<M> = []
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
        const runs = racer.run([...misses], { beside, instead, claim, waits: () => tell(undefined) }).pipe(
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

      budget.called(clock.currentTimeMillisUnsafe())
      while (true) {
        const racer = racers[started]
        if (running === 0) {
          if (racer === undefined) return yield* Effect.fail<ReadonlyArray<M>>(misses)
          yield* start(racer, undefined, true)
        }
        const { exit, index } = yield* Queue.take(events)
        if (exit === undefined) {
          const waiting = racers[started]
          if (waiting === undefined || index !== started - 1) continue
          if (budget.spend(clock.currentTimeMillisUnsafe())) yield* start(waiting, index, false)
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
        misses.push(miss.value)
        if (ends(miss.value)) return yield* Effect.fail<ReadonlyArray<M>>(misses)
        const replacement = racers[started]
        if (running > 0 && replacement !== undefined && index === started - 1) yield* start(replacement, latest, true)
      }
    }),
  )

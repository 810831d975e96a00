/**
 * Graceful shutdown in two steps. Once `announced`, `/ready` replies 503 and each response closes its connection, so that
 * load balancers stop sending calls; new calls are still accepted. Once `begun`, new calls are rejected and running calls
 * finish.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as InFlight from "./InFlight.ts"

/** How long each step takes at most. */
export interface Policy {
  /** How long new calls are accepted after the announcement. Default: 5 s. */
  readonly delay: Duration.Duration
  /** How long running calls may take to finish after that. Default: 30 s. */
  readonly timeout: Duration.Duration
}

export const defaults: Policy = { delay: Duration.seconds(5), timeout: Duration.seconds(30) }

export class Drain extends Context.Service<
  Drain,
  {
    /** Whether the shutdown is announced. */
    readonly announced: () => boolean
    readonly announce: Effect.Effect<void>
    /** Whether new calls are rejected. */
    readonly draining: () => boolean
    readonly begin: Effect.Effect<void>
    /** Waits until new calls are rejected: ends streams that have no end of their own. */
    readonly begun: Effect.Effect<void>
    /** Whether the time of running calls has ended: those that still run are ended. */
    readonly isOver: () => boolean
    /** Skips the delay after the announcement. */
    readonly hurry: Effect.Effect<void>
    /** Ends running calls with an error instead of waiting for them. */
    readonly end: Effect.Effect<void>
    readonly inFlight: InFlight.InFlight
    /**
     * Runs the shutdown, and logs each step with the number of calls in flight. Returns when no call is running; calls that
     * exceed the timeout are ended with an error of their protocol.
     */
    readonly run: (policy: Policy) => Effect.Effect<void>
  }
>()("@understudy/http/Drain") {
  static readonly layer = Layer.sync(Drain, () => {
    const announced = Deferred.makeUnsafe<void>()
    const begun = Deferred.makeUnsafe<void>()
    const skipped = Deferred.makeUnsafe<void>()
    const ended = Deferred.makeUnsafe<void>()
    const inFlight = InFlight.make()
    let isOver = false
    const done = (step: Deferred.Deferred<void>) => Effect.asVoid(Deferred.succeed(step, undefined))
    const announce = Effect.andThen(done(announced), Effect.sync(inFlight.closeConnections))
    const begin = Effect.andThen(announce, done(begun))
    const run = Effect.fnUntraced(function* ({ delay, timeout }: Policy) {
      const calls = () => `${inFlight.size()} ${inFlight.size() === 1 ? "call" : "calls"} in flight`
      yield* announce
      if (Duration.isPositive(delay) && !Deferred.isDoneUnsafe(skipped)) {
        yield* Effect.logInfo(`Draining: accepting new calls for another ${Duration.format(delay)}; ${calls()}`)
        yield* Effect.timeoutOption(Deferred.await(skipped), delay)
      }
      yield* begin
      const waiting = inFlight.size() > 0 ? `, waiting up to ${Duration.format(timeout)} for running ones` : ""
      yield* Effect.logInfo(`Draining: rejecting new calls${waiting}; ${calls()}`)
      const finished = Effect.raceFirst(inFlight.none, Deferred.await(ended))
      const isInTime = Option.isSome(yield* Effect.timeoutOption(finished, timeout))
      isOver = true
      if (inFlight.size() > 0) {
        const why = isInTime ? "a second signal" : "timeout exceeded"
        yield* Effect.logWarning(`Draining: ${why}; ending ${calls()} with an error`)
        inFlight.cut()
      }
      yield* Effect.logInfo("Drained")
    })
    return {
      announced: () => Deferred.isDoneUnsafe(announced),
      announce,
      draining: () => Deferred.isDoneUnsafe(begun),
      begin,
      begun: Deferred.await(begun),
      isOver: () => isOver,
      hurry: done(skipped),
      end: Effect.andThen(done(skipped), done(ended)),
      inFlight,
      run,
    }
  })
}

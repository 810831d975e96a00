/**
 * Going down without dropping anybody, a step after the other. Once it is `announced`, `/ready` says so and each answer
 * closes its connection, so that callers go elsewhere by themselves; calls are still taken. From `begin` on new calls are
 * refused, and running ones finish.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as InFlight from "./InFlight.ts"

/** How long it may take. */
export interface Policy {
  /** How long new calls are still taken, so that load balancers learn of it. */
  readonly delay: Duration.Duration
  /** How long running calls may take to finish after that. */
  readonly timeout: Duration.Duration
}

export const defaults: Policy = { delay: Duration.seconds(5), timeout: Duration.seconds(30) }

export class Drain extends Context.Service<
  Drain,
  {
    readonly announced: () => boolean
    readonly announce: Effect.Effect<void>
    /** Whether new calls are refused. */
    readonly draining: () => boolean
    readonly begin: Effect.Effect<void>
    /** Waits until it begins: for what would go on for ever. */
    readonly begun: Effect.Effect<void>
    /** Has no load balancer waited for. */
    readonly hurry: Effect.Effect<void>
    readonly underWay: InFlight.UnderWay
    /** Goes down: returns when no call is left, those that took too long having been ended. */
    readonly run: (policy: Policy) => Effect.Effect<void>
  }
>()("@understudy/http/Drain") {
  static readonly layer = Layer.sync(Drain, () => {
    const announced = Deferred.makeUnsafe<void>()
    const begun = Deferred.makeUnsafe<void>()
    const hurried = Deferred.makeUnsafe<void>()
    const underWay = InFlight.make()
    const done = (step: Deferred.Deferred<void>) => Effect.asVoid(Deferred.succeed(step, undefined))
    const announce = Effect.andThen(done(announced), Effect.sync(underWay.closeConnections))
    const begin = Effect.andThen(announce, done(begun))
    const run = Effect.fnUntraced(function* ({ delay, timeout }: Policy) {
      const calls = () => `${underWay.size()} ${underWay.size() === 1 ? "call" : "calls"} under way`
      yield* announce
      if (Duration.isPositive(delay) && !Deferred.isDoneUnsafe(hurried)) {
        yield* Effect.logInfo(`Draining: calls are taken for another ${Duration.format(delay)}; ${calls()}`)
        yield* Effect.timeoutOption(Deferred.await(hurried), delay)
      }
      yield* begin
      if (underWay.size() > 0) {
        yield* Effect.logInfo(`Draining: calls are refused, running ones have ${Duration.format(timeout)}; ${calls()}`)
      }
      if (Option.isNone(yield* Effect.timeoutOption(underWay.none, timeout))) {
        yield* Effect.logWarning(`Draining: the time is up; ${calls()}, which end with an error`)
        underWay.cut()
      }
      yield* Effect.logInfo("Drained")
    })
    return {
      announced: () => Deferred.isDoneUnsafe(announced),
      announce,
      draining: () => Deferred.isDoneUnsafe(begun),
      begin,
      begun: Deferred.await(begun),
      hurry: done(hurried),
      underWay,
      run,
    }
  })
}

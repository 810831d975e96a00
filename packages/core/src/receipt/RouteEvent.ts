/**
 * What happens to calls, as it happens: for callbacks, activity logs and metrics. Listening is lossy and never slows a
 * call: whoever falls behind misses the oldest events.
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { Attempt, Skipped, Receipt } from "./Receipt.ts"

/** Every event names its call by the receipt's `id` and the route the caller named. */
export type RouteEvent = { readonly call: string; readonly route: string } &
  /** `model` is the vendor's id. */
  (
    | { readonly _tag: "AttemptStarted"; readonly deployment: string; readonly model: string }
    | { readonly _tag: "AttemptEnded"; readonly attempt: Attempt }
    | ({ readonly _tag: "DeploymentSkipped" } & Skipped)
    /** An attempt failed, for this reason, and another deployment is asked instead. Neither is one that was skipped. */
    | { readonly _tag: "Failover"; readonly from: string; readonly to: string; readonly reason: ReasonTag }
    /** One deployment takes long, or waits to be asked again, and another is asked beside it: whoever answers first counts. */
    | { readonly _tag: "Hedged"; readonly from: string; readonly to: string }
    /** A stream's first real output: from here on this answer is the one, unless its route protects it from breaking. */
    | { readonly _tag: "FirstToken"; readonly deployment: string; readonly millis: number }
    /** Nobody is asked: the route kept an answer of this deployment to the same question. */
    | { readonly _tag: "CacheHit"; readonly deployment: string; readonly model: string }
    | { readonly _tag: "CallEnded"; readonly receipt: Receipt }
  )

export type Failover = Extract<RouteEvent, { readonly _tag: "Failover" }>

/** Where events are published, and heard. */
export interface EventBus {
  /** Tells every listener. Costs next to nothing while nobody listens. */
  readonly publish: (event: RouteEvent) => void
  /**
   * Has `listener` called with every event, in the fibre that publishes it, until the scope closes: for counting and
   * sorting out. It must be quick, and must not throw.
   */
  readonly subscribe: (listener: (event: RouteEvent) => void) => Effect.Effect<void, never, Scope.Scope>
  /** The events, for whoever takes longer: buffered, and lossy when the buffer is full. */
  readonly stream: Stream.Stream<RouteEvent>
}

/** How many events a slow reader may lag behind. */
const capacity = 4096

export const makeEventBus = (): EventBus => {
  const listeners = new Set<(event: RouteEvent) => void>()
  const listen: EventBus["subscribe"] = (listener) =>
    Effect.acquireRelease(
      Effect.sync(() => void listeners.add(listener)),
      () => Effect.sync(() => void listeners.delete(listener)),
    )
  return {
    publish: (event) => {
      for (const listener of listeners) listener(event)
    },
    subscribe: listen,
    stream: Stream.unwrap(
      Effect.gen(function* () {
        const events = yield* Queue.sliding<RouteEvent>(capacity)
        yield* listen((event) => Queue.offerUnsafe(events, event))
        return Stream.fromQueue(events)
      }),
    ),
  }
}

/** How long what is still to be done may take once the scope closes. */
const shutdownGrace = Duration.seconds(2)

/**
 * Runs what `choose` makes of events, one after the other, in a fibre of its own; what was chosen before the scope closes
 * is still run. Lossy like any reader, when it falls too far behind.
 */
export const runHandlers = (
  listen: EventBus["subscribe"],
  choose: (event: RouteEvent) => Effect.Effect<void> | undefined,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const chosen = yield* Queue.sliding<Effect.Effect<void>, Cause.Done>(capacity)
    const worker = yield* Stream.fromQueue(chosen).pipe(
      Stream.runForEach(Effect.catchCause((cause) => Effect.logError("A listener to calls failed", cause))),
      Effect.forkDetach({ startImmediately: true }),
    )
    const finish = Effect.andThen(Queue.end(chosen), Effect.timeoutOption(Fiber.await(worker), shutdownGrace))
    yield* Effect.addFinalizer(() => Effect.andThen(finish, Fiber.interrupt(worker)))
    yield* listen((event) => {
      const effect = choose(event)
      if (effect !== undefined) Queue.offerUnsafe(chosen, effect)
    })
  })

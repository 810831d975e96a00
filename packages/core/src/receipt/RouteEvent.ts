/**
 * Events of calls as they happen, for callbacks, activity logs and metrics. The stream of events is lossy and never slows
 * down a call: a subscriber that falls behind misses the oldest events.
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Operation, ShadowOf } from "../model/Call.ts"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { Departure } from "../queue/AdmissionQueue.ts"
import type { Attempt, Place, Receipt, Skipped } from "./Receipt.ts"

export type { Departure } from "../queue/AdmissionQueue.ts"

/**
 * An event. `call` is the receipt's `id`, and `route` the route or deployment that was called. Events of a shadow call have
 * `shadowOf`: the call that it is the shadow of.
 */
export type RouteEvent = { readonly call: string; readonly route: string; readonly shadowOf?: ShadowOf | undefined } &
  /** `model` is the vendor's model id. */
  (
    | ({ readonly _tag: "AttemptStarted"; readonly model: string } & Place)
    | { readonly _tag: "AttemptEnded"; readonly attempt: Attempt }
    | ({ readonly _tag: "DeploymentSkipped" } & Skipped)
    /** The call waits for the limits of a deployment. `LeftQueue` follows. */
    | { readonly _tag: "Queued"; readonly deployment: string }
    /** The call no longer waits. `millis`: how long it has waited; 0 for one that is rejected at once. */
    | {
        readonly _tag: "LeftQueue"
        readonly deployment: string
        readonly departure: Departure
        readonly millis: number
      }
    /** An attempt failed and the call falls back to another deployment. Skipped deployments are neither `from` nor `to`. */
    | { readonly _tag: "Failover"; readonly from: string; readonly to: string; readonly reason: ReasonTag }
    /** A hedge starts: `from` is slow or waits for a retry, and `to` is tried at the same time. The first output wins. */
    | { readonly _tag: "Hedged"; readonly from: string; readonly to: string }
    /**
     * The first output of a stream. From here on no other deployment answers, unless the route's `stream.protect` allows it.
     * `millis` is counted from the start of the call, `attemptMillis` from the admission of the attempt.
     */
    | {
        readonly _tag: "FirstToken"
        readonly operation: Operation
        readonly deployment: string
        readonly millis: number
        readonly attemptMillis: number
      }
    /** The response comes from the route's cache. `deployment` and `model` are those that answered originally. */
    | { readonly _tag: "CacheHit"; readonly deployment: string; readonly model: string }
    /** The call has no shadow call: too many are running, or a budget does not cover it. */
    | { readonly _tag: "ShadowSkipped"; readonly to: string; readonly reason: "concurrency" | "budget" }
    | { readonly _tag: "CallEnded"; readonly receipt: Receipt }
  )

export type Failover = Extract<RouteEvent, { readonly _tag: "Failover" }>

export type { ShadowOf } from "../model/Call.ts"

/** Publishes events to subscribers. */
export interface EventBus {
  /** Calls every listener. Without listeners it costs next to nothing. */
  readonly publish: (event: RouteEvent) => void
  /**
   * Calls `listener` with every event, in the fibre that publishes it, until the scope closes. `listener` must be fast and
   * must not throw: for more work, use `stream`. `needsOf` says of which calls, by their ids, the receipt has its `needs`.
   */
  readonly subscribe: (
    listener: (event: RouteEvent) => void,
    needsOf?: (call: string) => boolean,
  ) => Effect.Effect<void, never, Scope.Scope>
  /** Whether a subscriber asks for the needs of this call. */
  readonly wantsNeeds: (call: string) => boolean
  /** All events from the subscription on, buffered. When the buffer is full, the oldest are dropped. */
  readonly stream: Stream.Stream<RouteEvent>
}

/** The events that are buffered per subscriber. */
const capacity = 4096

export const makeEventBus = (): EventBus => {
  const listeners = new Set<(event: RouteEvent) => void>()
  const choices = new Set<(call: string) => boolean>()
  const subscribe: EventBus["subscribe"] = (listener, needsOf) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        listeners.add(listener)
        if (needsOf !== undefined) choices.add(needsOf)
      }),
      () =>
        Effect.sync(() => {
          listeners.delete(listener)
          if (needsOf !== undefined) choices.delete(needsOf)
        }),
    )
  return {
    wantsNeeds: (call) => {
      if (choices.size === 0) return false
      for (const wants of choices) if (wants(call)) return true
      return false
    },
    publish: (event) => {
      for (const listener of listeners) listener(event)
    },
    subscribe,
    stream: Stream.unwrap(
      Effect.gen(function* () {
        const events = yield* Queue.sliding<RouteEvent>(capacity)
        yield* subscribe((event) => Queue.offerUnsafe(events, event))
        return Stream.fromQueue(events)
      }),
    ),
  }
}

/** The time that pending handlers get after the scope closes. */
const shutdownGrace = Duration.seconds(2)

/**
 * Runs the effects that `select` returns for events, one after the other, in a fibre of their own. Effects selected before
 * the scope closes still run, within two seconds. When too many are pending, the oldest are dropped.
 */
export const runHandlers = (
  subscribe: EventBus["subscribe"],
  select: (event: RouteEvent) => Effect.Effect<void> | undefined,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pending = yield* Queue.sliding<Effect.Effect<void>, Cause.Done>(capacity)
    const worker = yield* Stream.fromQueue(pending).pipe(
      Stream.runForEach(Effect.catchCause((cause) => Effect.logError("An event handler failed", cause))),
      Effect.forkDetach({ startImmediately: true }),
    )
    const finish = Effect.andThen(Queue.end(pending), Effect.timeoutOption(Fiber.await(worker), shutdownGrace))
    yield* Effect.addFinalizer(() => Effect.andThen(finish, Fiber.interrupt(worker)))
    yield* subscribe((event) => {
      const effect = select(event)
      if (effect !== undefined) Queue.offerUnsafe(pending, effect)
    })
  })

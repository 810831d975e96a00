/**
 * The handle of a running simulated deployment. A new fault affects open calls too.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Behavior from "./Behavior.ts"
import type { Fault } from "./Fault.ts"
import { none } from "./Fault.ts"

/** A fault until the next change: its behavior, and `over`, which completes with the change. */
export interface InjectedFault {
  readonly fault: Fault
  readonly behavior: Behavior.Behavior
  readonly over: Deferred.Deferred<void>
}

/** Sets the faults of a deployment. */
export interface Control {
  readonly name: string
  /** The fault now. */
  readonly fault: Effect.Effect<Fault>
  /** Sets a fault, which replaces the one before. */
  readonly inject: (fault: Fault) => Effect.Effect<void>
  /** Removes the fault. */
  readonly reset: Effect.Effect<void>
}

/** The handle, and the current fault for calls to read. */
export const make = Effect.fnUntraced(function* (
  name: string,
  options: Behavior.Options,
): Effect.fn.Return<{ readonly control: Control; readonly injected: Ref.Ref<InjectedFault> }> {
  const startedAt = yield* Clock.currentTimeMillis
  const begin = (fault: Fault, now: number): InjectedFault => ({
    fault,
    behavior: Behavior.resolve(options, fault, startedAt, now),
    over: Deferred.makeUnsafe(),
  })
  const injected = yield* Ref.make(begin(none, startedAt))
  const set = Effect.fnUntraced(function* (fault: Fault) {
    const now = yield* Clock.currentTimeMillis
    const before = yield* Ref.getAndSet(injected, begin(fault, now))
    yield* Deferred.succeed(before.over, undefined)
  })
  return {
    control: { name, fault: Effect.map(Ref.get(injected), ({ fault }) => fault), inject: set, reset: set(none) },
    injected,
  }
})

/**
 * A running simulated deployment's handle: it can be broken and mended while calls are under way, and they notice.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Behavior from "./Behavior.ts"
import type { Fault } from "./Fault.ts"
import { none } from "./Fault.ts"

/** The time between two changes: what holds in it, and an end that calls under way can wait for. */
export interface InjectedFault {
  readonly fault: Fault
  readonly behavior: Behavior.Behavior
  readonly over: Deferred.Deferred<void>
}

export interface Control {
  readonly name: string
  /** What is wrong with it just now. */
  readonly fault: Effect.Effect<Fault>
  /** Breaks it in this way, instead of any way in which it was broken before. */
  readonly inject: (fault: Fault) => Effect.Effect<void>
  /** Makes it as it was configured. */
  readonly reset: Effect.Effect<void>
}

/** The handle for whoever breaks, and the injected for whoever plays. */
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

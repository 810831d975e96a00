/**
 * A running simulated deployment's handle: it can be broken and mended while calls are under way, and they notice.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Conditions from "./Conditions.ts"
import type { Fault } from "./Fault.ts"
import { none } from "./Fault.ts"

/** The time between two changes: what holds in it, and an end that calls under way can wait for. */
export interface Spell {
  readonly fault: Fault
  readonly conditions: Conditions.Conditions
  readonly over: Deferred.Deferred<void>
}

export interface Control {
  readonly name: string
  /** What is wrong with it just now. */
  readonly fault: Effect.Effect<Fault>
  /** Breaks it in this way, instead of any way in which it was broken before. */
  readonly break: (fault: Fault) => Effect.Effect<void>
  /** Makes it as it was configured. */
  readonly mend: Effect.Effect<void>
}

/** The handle for whoever breaks, and the spell for whoever plays. */
export const make = Effect.fnUntraced(function* (
  name: string,
  options: Conditions.Options,
): Effect.fn.Return<{ readonly control: Control; readonly spell: Ref.Ref<Spell> }> {
  const startedAt = yield* Clock.currentTimeMillis
  const begin = (fault: Fault, now: number): Spell => ({
    fault,
    conditions: Conditions.resolve(options, fault, startedAt, now),
    over: Deferred.makeUnsafe(),
  })
  const spell = yield* Ref.make(begin(none, startedAt))
  const set = Effect.fnUntraced(function* (fault: Fault) {
    const now = yield* Clock.currentTimeMillis
    const before = yield* Ref.getAndSet(spell, begin(fault, now))
    yield* Deferred.succeed(before.over, undefined)
  })
  return {
    control: { name, fault: Effect.map(Ref.get(spell), ({ fault }) => fault), break: set, mend: set(none) },
    spell,
  }
})

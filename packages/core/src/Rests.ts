/**
 * Until when each deployment rests, because it said so itself (`Retry-After`): a deadline beside its circuit; the later
 * one holds.
 *
 * What is known here is known at once; where several gateways share their rests, `look` also asks what the others met.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Deadlines are milliseconds of the clock, 0 where there is none. */
export class Rests extends Context.Service<
  Rests,
  {
    /** The deadline as far as it is known here. */
    readonly until: (name: string) => number
    /** The same after asking the others; `undefined` where there are none. */
    readonly look: ((name: string) => Effect.Effect<number>) | undefined
    /** Never shortens a rest. */
    readonly rest: (name: string, until: number) => Effect.Effect<void>
  }
>()("@understudy/core/Rests") {}

/** Rests of this process alone. */
export const makeMemory = (): Rests["Service"] => {
  const deadlines = new Map<string, number>()
  const until = (name: string): number => deadlines.get(name) ?? 0
  return {
    until,
    look: undefined,
    rest: (name, deadline) =>
      Effect.sync(() => {
        if (deadline > until(name)) deadlines.set(name, deadline)
      }),
  }
}

export const layerMemory: Layer.Layer<Rests> = Layer.sync(Rests, makeMemory)

/**
 * Until when each deployment rests, because it said so itself (`Retry-After`): a deadline beside its circuit; the later
 * one holds. Where it said longer than is believed (`Cooldown`), one call at a time asks once the believed part is over.
 *
 * What is known here is known at once; where several gateways share their rests, `look` also asks what the others met.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Deadlines are milliseconds of the clock, 0 where there is none. Keys are those of `Candidate.keys`. */
export class Cooldowns extends Context.Service<
  Cooldowns,
  {
    /** The deadline as far as it is known here. */
    readonly until: (key: string) => number
    /** The same after asking the others; `undefined` where there are none. */
    readonly read: ((key: string) => Effect.Effect<number>) | undefined
    /** Never shortens a rest. `said`: the deadline that the deployment gave, where that is later. */
    readonly start: (key: string, until: number, requestedUntil?: number) => Effect.Effect<void>
    /** The deadline that the deployment gave, as far as it is known here: after `until`, before this, one call asks. */
    readonly requestedUntil: (key: string) => number
    /** Whether the caller is the one that asks: everybody else rests until the deadline given. */
    readonly probe: (key: string, until: number) => Effect.Effect<boolean>
    /** Has the next caller ask: the last one that did found nothing out. */
    readonly release: (key: string) => Effect.Effect<void>
    /** Ends a rest. */
    readonly end: (key: string) => Effect.Effect<void>
  }
>()("@understudy/core/Cooldowns") {}

/** Rests of this process alone. */
export const makeMemory = (): Cooldowns["Service"] => {
  const rests = new Map<string, { until: number; said: number }>()
  const until = (key: string): number => rests.get(key)?.until ?? 0
  const said = (key: string): number => rests.get(key)?.said ?? 0
  return {
    until,
    requestedUntil: said,
    read: undefined,
    start: (key, deadline, promised = deadline) =>
      Effect.sync(() => {
        const known = rests.get(key)
        rests.set(key, {
          until: Math.max(deadline, known?.until ?? 0),
          said: Math.max(promised, known?.said ?? 0),
        })
      }),
    probe: (key, deadline) =>
      Effect.clockWith((clock) => {
        const now = clock.currentTimeMillisUnsafe()
        const known = rests.get(key)
        if (known === undefined || known.said <= now) return Effect.succeed(true)
        if (known.until > now) return Effect.succeed(false)
        known.until = Math.min(deadline, known.said)
        return Effect.succeed(true)
      }),
    release: (key) =>
      Effect.sync(() => {
        const known = rests.get(key)
        if (known !== undefined) known.until = 0
      }),
    end: (key) => Effect.sync(() => void rests.delete(key)),
  }
}

export const layerMemory: Layer.Layer<Cooldowns> = Layer.sync(Cooldowns, makeMemory)

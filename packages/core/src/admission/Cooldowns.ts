/**
 * Cooldowns of deployments that have sent `Retry-After`, apart from their circuits. A deployment may ask for a longer
 * cooldown than `cooldown.max` (see `Cooldown`): after that, and until the time it asked for, one call at a time is its probe.
 *
 * Cooldowns that this process started are known at once. Where gateways share them, `read` also gets those of the others.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Times are clock milliseconds, 0 for none. Keys are those of `Candidate.keys`. */
export class Cooldowns extends Context.Service<
  Cooldowns,
  {
    /** When the cooldown ends, as far as this process knows. */
    readonly until: (key: string) => number
    /** When the cooldown ends, as far as any gateway knows; `undefined` if cooldowns are not shared. */
    readonly read: ((key: string) => Effect.Effect<number>) | undefined
    /** Starts a cooldown, or extends one. `requestedUntil`: the end that the deployment asked for, if later. */
    readonly start: (key: string, until: number, requestedUntil?: number) => Effect.Effect<void>
    /** The end that the deployment asked for, as far as this process knows. Between `until` and this, one call is the probe. */
    readonly requestedUntil: (key: string) => number
    /** True if the caller is the probe: the cooldown of all other callers then lasts until the time given. */
    readonly probe: (key: string, until: number) => Effect.Effect<boolean>
    /** Makes the next caller the probe: the last one had no result. */
    readonly release: (key: string) => Effect.Effect<void>
    /** Ends a cooldown. */
    readonly end: (key: string) => Effect.Effect<void>
  }
>()("@understudy/core/Cooldowns") {}

/** Cooldowns of this process alone. */
export const makeMemory = (): Cooldowns["Service"] => {
  const cooldowns = new Map<string, { until: number; requestedUntil: number }>()
  const until = (key: string): number => cooldowns.get(key)?.until ?? 0
  const requestedUntil = (key: string): number => cooldowns.get(key)?.requestedUntil ?? 0
  return {
    until,
    requestedUntil,
    read: undefined,
    start: (key, end, requestedEnd = end) =>
      Effect.sync(() => {
        const known = cooldowns.get(key)
        cooldowns.set(key, {
          until: Math.max(end, known?.until ?? 0),
          requestedUntil: Math.max(requestedEnd, known?.requestedUntil ?? 0),
        })
      }),
    probe: (key, end) =>
      Effect.clockWith((clock) => {
        const now = clock.currentTimeMillisUnsafe()
        const known = cooldowns.get(key)
        if (known === undefined || known.requestedUntil <= now) return Effect.succeed(true)
        if (known.until > now) return Effect.succeed(false)
        known.until = Math.min(end, known.requestedUntil)
        return Effect.succeed(true)
      }),
    release: (key) =>
      Effect.sync(() => {
        const known = cooldowns.get(key)
        if (known !== undefined) known.until = 0
      }),
    end: (key) => Effect.sync(() => void cooldowns.delete(key)),
  }
}

export const layerMemory: Layer.Layer<Cooldowns> = Layer.sync(Cooldowns, makeMemory)

/**
 * Rate limits as they are counted: a count of requests or tokens that refills over its window.
 */
import type { Limits } from "./Limits.ts"

/** The kinds of limits, each over its window in milliseconds: requests per minute and per day, tokens per minute. */
const windows = { rpm: 60_000, rpd: 86_400_000, tpm: 60_000 } as const

export type LimitName = keyof typeof windows

/** The order in which limits are taken. */
const order: ReadonlyArray<LimitName> = ["rpm", "rpd", "tpm"]

/** One limit of a deployment or a key. `window`, and `refill` for one request or token, are in milliseconds. */
export interface Bucket {
  readonly limit: LimitName
  readonly key: string
  readonly max: number
  readonly window: number
  readonly refill: number
}

/** The limits of a deployment or a key, in the order in which they are taken. */
export type Buckets = ReadonlyArray<Bucket>

/** `name`: under which they are counted. */
export const make = (name: string, limits: Limits | undefined): Buckets =>
  order.flatMap((limit) => {
    const max = limits?.[limit]
    if (max === undefined) return []
    const window = windows[limit]
    return [{ limit, key: `${limit}:${name}`, max, window, refill: window / max }]
  })

import * as Duration from "effect/Duration"

/** What a balance tells conversations apart by: see `AffinityPolicy`. */
export type AffinityBy = (typeof affinityBys)[number]

export const affinityBys = ["session", "user", "prefix"] as const

/**
 * How a balance keeps a conversation on the deployment that answered it last, which has its prompt cache.
 *
 * - `by`: what a conversation is recognized by. Default: `session`.
 *   - `session`: the session of the call (`CallOptions.session`), else the user that its request names, else its prefix.
 *   - `user`: the user that the request names, else the caller. All conversations of a user are kept together.
 *   - `prefix`: the messages of the request, by their longest beginning that the balance has seen.
 * - `for`: how long a conversation is kept after its last call. Default: 1 hour.
 */
export interface AffinityPolicy {
  readonly by?: AffinityBy | undefined
  readonly for?: Duration.Input | undefined
}

/** The policy with `for` in milliseconds, as `ttl`. */
export interface ResolvedAffinityPolicy {
  readonly by: AffinityBy
  readonly ttl: number
}

export const resolve = ({ by = "session", for: ttl = "1 hour" }: AffinityPolicy): ResolvedAffinityPolicy => ({
  by,
  ttl: Duration.toMillis(Duration.fromInputUnsafe(ttl)),
})

/** `affinity by session for 1h` */
export const describe = ({ by, ttl }: ResolvedAffinityPolicy): string =>
  `affinity by ${by} for ${Duration.format(Duration.millis(ttl))}`

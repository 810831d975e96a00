/**
 * The limits of a virtual key and of its team: requests, tokens, and concurrent calls. A call over a limit is rejected, at
 * once or after a wait in the limit's queue, if it has one.
 *
 * A call takes its estimated tokens when it starts. When it ends, they are adjusted to the tokens it used.
 */
import type { Call } from "@understudy/core/Call"
import * as Bucket from "@understudy/core/internal/policy/Bucket"
import * as QueuePolicy from "@understudy/core/internal/policy/QueuePolicy"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import { AdmissionQueue } from "@understudy/core/internal/queue/AdmissionQueue"
import type { Departure, Outlook, QueuedCall, Restore } from "@understudy/core/internal/queue/AdmissionQueue"
import type { Priority } from "@understudy/core/Policies"
import type { Receipt } from "@understudy/core/Receipt"
import { total } from "@understudy/core/Receipt"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type * as Keys from "../auth/VirtualKey.ts"

/** The permit of a call. Either `release` or `cancel` must run, exactly once. */
export interface Lease {
  readonly statuses: ReadonlyArray<RateLimit.LimitStatus>
  /** Takes tokens that a call has used before its end. `release` is then given the others. */
  readonly use: (tokens: number) => Effect.Effect<void>
  /** Returns unused tokens. `used`: the tokens of the call; `undefined` if unknown, which keeps the estimate. */
  readonly release: (used: number | undefined) => Effect.Effect<void>
  /** Returns everything: there was no call. */
  readonly cancel: Effect.Effect<void>
}

/** A rejected call: whose limit it exceeds, which one, and when to try again, in milliseconds. */
export interface KeyLimitExceeded {
  readonly owner: Owner
  readonly name: Unavailable["limit"]
  readonly limit: number
  /** What the call requested of the limit. */
  readonly requested: number
  readonly retryAfter: number
  readonly statuses: ReadonlyArray<RateLimit.LimitStatus>
  /** Why the limit's queue did not help, if the call tried to wait. */
  readonly queue: "full" | "timeout" | undefined
}

/** A call that may wait. */
export interface Waiting {
  /** The key that calls, and the class of the call. */
  readonly caller: string
  readonly priority: Priority | undefined
  /** When the call must have ended, in clock milliseconds. */
  readonly deadline: number
  /** Makes waiting interruptible: see `AdmissionQueue`. */
  readonly restore: Restore
  /** Runs when the call begins to wait, and when it no longer waits, after so many milliseconds. */
  readonly onQueued: (queue: Queue) => void
  readonly onLeft: (queue: Queue, departure: Departure, millis: number) => void
}

/** Whose queue it is, and how many calls wait there now. */
export interface Queue {
  readonly owner: Owner
  readonly waiting: number
}

export interface KeyLimiter {
  /** Without `waiting`, a call over a limit is rejected at once. Must not be interrupted: what was taken would be lost. */
  readonly acquire: (call: Pick<Call, "tokens">, waiting: Waiting | undefined) => Effect.Effect<Lease, KeyLimitExceeded>
}

/** `retryAfter` of the concurrency limit, in milliseconds: when a running call ends is unknown. */
const defaultRetryAfter = 1000

/** How often a permit is tried for that another process may hold, in milliseconds: its release is not announced. */
const permitInterval = 100

/** Who a limit belongs to: a key or a team, by its name for people, and by the name under which it is counted. */
export interface Owner {
  readonly type: "key" | "team"
  readonly id: string
  readonly name: string
}

type Unavailable = RateLimit.Exceeded | RateLimit.ConcurrencyExceeded

/**
 * The limits of an owner, as they are now: a change keeps the permits that are taken, and wakes the calls that wait.
 */
export class OwnerLimits implements KeyLimiter {
  readonly #limiter: RateLimit.Limiter
  readonly #owner: Owner
  readonly #permits = Semaphore.makeUnsafe(1)
  readonly #queue = new AdmissionQueue<Unavailable>(undefined)
  #limits: Keys.KeyLimits | undefined = undefined
  #buckets: Bucket.Buckets = []
  /** The calls that hold a permit, or tokens. */
  #running = 0

  constructor(limiter: RateLimit.Limiter, owner: Owner) {
    this.#limiter = limiter
    this.#owner = owner
  }

  get waiting(): number {
    return this.#queue.waiting
  }

  /** Puts these limits in force. */
  update(limits: Keys.KeyLimits): void {
    if (limits === this.#limits) return
    this.#limits = limits
    // The store also holds the limits of deployments, by their names.
    this.#buckets = Bucket.make(this.#key, limits)
    if (limits.concurrency !== undefined) Effect.runSync(this.#permits.resize(limits.concurrency))
    this.#queue.setPolicy(QueuePolicy.resolve(limits.queue))
  }

  acquire(call: Pick<Call, "tokens">, waiting: Waiting | undefined): Effect.Effect<Lease, KeyLimitExceeded> {
    return Effect.clockWith((clock) => {
      let left: Departure | undefined
      // Without a token limit, the tokens of a call are not estimated.
      const tokens = this.#limits?.tpm === undefined ? 0 : call.tokens
      const take = () => this.#take(tokens, clock)
      const taken =
        this.#queue.policy === undefined || this.#exceeds(tokens)
          ? take()
          : waiting === undefined
            ? (this.#refusal(clock) ?? take())
            : this.#queue.acquire(
                this.#queued(take, tokens, waiting, (departure) => (left = departure)),
                waiting.restore,
              )
      return Effect.catchEager(taken, (exceeded) =>
        this.#reject(exceeded, tokens, left === "full" || left === "timeout" ? left : undefined),
      )
    })
  }

  /** Others wait: a call that may not is rejected as they were. */
  #refusal(clock: Clock.Clock): Effect.Effect<never, Unavailable> | undefined {
    const refusal = this.#queue.refusal({ restate }, clock.currentTimeMillisUnsafe())
    return refusal === undefined ? undefined : Effect.fail(refusal)
  }

  #queued(
    take: () => Effect.Effect<Lease, Unavailable>,
    tokens: number,
    { caller, deadline, onLeft, onQueued, priority }: Waiting,
    leave: (departure: Departure) => void,
  ): QueuedCall<Lease, Unavailable> {
    return {
      take,
      outlook: (exceeded) => this.#outlook(exceeded, tokens),
      restate,
      caller,
      priority,
      deadline,
      onQueued: () => onQueued({ owner: this.#owner, waiting: this.waiting }),
      onLeft: (departure, millis) => {
        leave(departure)
        onLeft({ owner: this.#owner, waiting: this.waiting }, departure, millis)
      },
    }
  }

  /** Whether a call is larger than the limit: then it never fits. */
  #exceeds(tokens: number): boolean {
    return this.#limits?.tpm !== undefined && tokens > this.#limits.tpm
  }

  #outlook(exceeded: Unavailable, tokens: number): Outlook | undefined {
    if (exceeded.limit === "concurrency") {
      return { retryAfter: this.#limiter.remote === undefined ? undefined : permitInterval, isCertain: false }
    }
    const { limit, retryAfter } = exceeded
    // The limit may have been lowered.
    if (this.#exceeds(tokens)) return undefined
    // A call that ends gives back the tokens that it did not use.
    return { retryAfter, isCertain: limit !== "tpm" || this.#running === 0 }
  }

  #reject(
    exceeded: Unavailable,
    tokens: number,
    queue: KeyLimitExceeded["queue"],
  ): Effect.Effect<never, KeyLimitExceeded> {
    return Effect.flatMap(RateLimit.statuses({ limiter: this.#limiter, buckets: this.#buckets }), (statuses) =>
      Effect.fail({
        name: exceeded.limit,
        limit: this.#limits?.[exceeded.limit] ?? 0,
        requested: exceeded.limit === "tpm" ? tokens : 1,
        retryAfter: exceeded.limit === "concurrency" ? defaultRetryAfter : exceeded.retryAfter,
        owner: this.#owner,
        statuses,
        queue,
      }),
    )
  }

  /** A permit and the rates together, or nothing, by the limits at this moment. */
  #take(tokens: number, clock: Clock.Clock): Effect.Effect<Lease, Unavailable> {
    const [buckets, limiter, concurrency] = [this.#buckets, this.#limiter, this.#limits?.concurrency]
    const { remote } = limiter
    const permit = concurrency === undefined ? undefined : { key: this.#key, max: concurrency }
    const taken =
      remote === undefined
        ? this.#takeHere(tokens, clock, concurrency !== undefined)
        : remote.acquire({ buckets, tokens, permit })
    return Effect.mapEager(taken, (statuses): Lease => {
      this.#running++
      const release = Effect.suspend(() => {
        this.#running--
        if (permit === undefined) return Effect.void
        return remote === undefined ? this.#releasePermit : Effect.sync(() => remote.release(permit))
      })
      const settled = (adjusted: Effect.Effect<void>) =>
        Effect.flatMap(release, () =>
          this.#queue.policy === undefined ? adjusted : Effect.andThen(adjusted, this.#released),
        )
      return {
        statuses,
        use: (used) => RateLimit.reconcile({ limiter, buckets, estimated: 0, used }, clock),
        release: (used = tokens) => settled(RateLimit.reconcile({ limiter, buckets, estimated: tokens, used }, clock)),
        cancel: settled(RateLimit.giveBack({ limiter, buckets, tokens }, clock)),
      }
    })
  }

  #takeHere(
    tokens: number,
    clock: Clock.Clock,
    isConcurrencyLimited: boolean,
  ): Effect.Effect<ReadonlyArray<RateLimit.LimitStatus>, Unavailable> {
    const rates = RateLimit.tryAcquire({ limiter: this.#limiter, buckets: this.#buckets, tokens }, clock)
    if (!isConcurrencyLimited) return rates
    return Effect.flatMap(
      this.#permits.takeIfAvailable(1),
      (hasPermit): Effect.Effect<ReadonlyArray<RateLimit.LimitStatus>, Unavailable> =>
        hasPermit ? Effect.tapError(rates, () => this.#releasePermit) : Effect.fail({ limit: "concurrency" }),
    )
  }

  readonly #releasePermit = Effect.suspend(() => Effect.asVoid(this.#permits.release(1)))

  readonly #released = Effect.sync(() => this.#queue.released())

  get #key(): string {
    return `${this.#owner.type}:${this.#owner.id}`
  }
}

const restate = (exceeded: Unavailable, retryAfter: number): Unavailable =>
  exceeded.limit === "concurrency" ? exceeded : { ...exceeded, retryAfter }

/**
 * The limiter of a key and its team: a call over a limit of one takes nothing of the other. A call waits for its key's own limits
 * first, so that none holds a permit of the team while it waits for its key.
 */
export const both = (own: KeyLimiter, team: KeyLimiter): KeyLimiter => ({
  acquire: (call, waiting) =>
    Effect.flatMap(own.acquire(call, waiting), (one) =>
      Effect.matchCauseEffect(team.acquire(call, waiting), {
        onSuccess: (other) =>
          Effect.succeed<Lease>({
            statuses: [...other.statuses, ...one.statuses],
            use: (tokens) => Effect.andThen(one.use(tokens), other.use(tokens)),
            release: (used) => Effect.andThen(one.release(used), other.release(used)),
            cancel: Effect.andThen(one.cancel, other.cancel),
          }),
        onFailure: (cause) => Effect.andThen(one.cancel, Effect.failCause(cause)),
      }),
    ),
})

/** The limits of token counts and explanations, which are separate from those of calls. They are not waited for. */
export const ofSideRequests = ({ cpm, rpm, rpd, concurrency }: Keys.KeyLimits): Keys.KeyLimits => ({
  rpm: cpm ?? rpm,
  rpd,
  concurrency,
})

/**
 * The tokens of a call: those that its attempts reported; 0 if no deployment answered. `undefined` for a call that was
 * interrupted, whose usage is unknown.
 */
export const used = (receipt: Receipt): number | undefined => {
  const { inputTokens, outputTokens } = total({
    attempts: receipt.attempts.filter(({ estimated }) => estimated !== true),
  })
  const reported = inputTokens + outputTokens
  if (reported > 0) return reported
  const isUnanswered = receipt.outcome === "failure" && receipt.deployment === undefined
  return receipt.attempts.length === 0 || isUnanswered ? 0 : undefined
}

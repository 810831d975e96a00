/**
 * The queue of one limit: calls over the limit wait here until it admits them. The order is that of `FairQueue`.
 *
 * One waiting call at a time has the turn. It tries the limit itself, in its own fibre and uninterrupted, so that what it
 * takes is its own; then it passes the turn on, also when it is interrupted or has waited long enough. A waiting call holds
 * nothing. The turn is given when something changes: a call ends (`released`), the limit refills, the first call in the
 * order is another one, or the policy is replaced.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Priority } from "../model/Priority.ts"
import { rank } from "../model/Priority.ts"
import type { ResolvedQueuePolicy } from "../policy/QueuePolicy.ts"
import * as Timer from "../policy/Timer.ts"
import { FairQueue } from "./FairQueue.ts"

/** When a limit that refused a call may admit it. */
export interface Outlook {
  /** Milliseconds until the limit refills; `undefined` if it only frees when a call ends. */
  readonly retryAfter: number | undefined
  /** Whether nothing can free the limit before that. */
  readonly isCertain: boolean
}

/**
 * How a call left the queue.
 *
 * - `admitted`: the limit admitted it.
 * - `full`: there was no room for it, or a call of a higher class or of a caller with fewer waiting calls took its place.
 * - `timeout`: it waited for `maxWait` or until its deadline, or would have had to.
 * - `rejected`: it had its turn, and waiting no longer helps: the deployment is cooling down, or the queue was removed.
 * - `cancelled`: it was interrupted.
 */
export type Departure = "admitted" | "full" | "timeout" | "rejected" | "cancelled"

/** A call on a limit. `E` is the limit's refusal. */
export interface QueuedCall<A, E> {
  /** Takes what the call needs, or fails and takes nothing. It is not interrupted. */
  readonly take: () => Effect.Effect<A, E>
  /** `undefined` if waiting does not help. */
  readonly outlook: (error: E) => Outlook | undefined
  /** The refusal with another `retryAfter`, in milliseconds. */
  readonly restate: (error: E, retryAfter: number) => E
  readonly caller: string
  readonly priority: Priority | undefined
  /** When the call must have ended, in clock milliseconds. */
  readonly deadline: number
  /** Runs when the call begins to wait. */
  readonly onQueued: () => void
  /** Runs when it no longer waits, or is rejected before it does. `millis`: how long it has waited. */
  readonly onLeft: (departure: Departure, millis: number) => void
}

/** The shortest time between two tries of a limit that refills, in milliseconds: a shared limit may say 0. */
const minRetry = 10

/** The last refusal of the limit, and when it may admit a call, in clock milliseconds: `Infinity` if a call must end. */
interface Blocked<E> {
  readonly error: E
  readonly until: number
  readonly isCertain: boolean
}

type Signal = "turn" | "timeout" | "full"

/** A waiting call. */
class Waiter<E> {
  readonly call: QueuedCall<unknown, E>
  readonly context: Context.Context<never>
  readonly rank: number
  readonly caller: string
  readonly since: number
  readonly deadline: number
  #resume: ((signal: Signal) => void) | undefined = undefined
  /** A signal that came while the fibre was not waiting for one. */
  #pending: Signal | undefined = undefined

  constructor(call: QueuedCall<unknown, E>, context: Context.Context<never>, since: number, deadline: number) {
    this.call = call
    this.context = context
    this.rank = rank(call.priority)
    this.caller = call.caller
    this.since = since
    this.deadline = deadline
  }

  signal(signal: Signal): void {
    if (this.#resume === undefined) this.#pending ??= signal
    else this.#resume(signal)
  }

  /** The next signal: `timeout` at the deadline, if none comes before. */
  readonly next: Effect.Effect<Signal> = Effect.callback<Signal>((resume) => {
    if (this.#pending !== undefined) {
      resume(Effect.succeed(this.#pending))
      this.#pending = undefined
      return
    }
    const { context, deadline } = this
    const now = Context.get(context, Clock.Clock).currentTimeMillisUnsafe()
    const stop = Timer.start(context, deadline - now, () => this.signal("timeout"))
    const end = () => {
      stop()
      this.#resume = undefined
    }
    this.#resume = (signal) => {
      end()
      resume(Effect.succeed(signal))
    }
    return Effect.sync(end)
  })
}

/** As `Effect.uninterruptibleMask` gives it. */
export type Restore = <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

export class AdmissionQueue<E> {
  #policy: ResolvedQueuePolicy | undefined
  readonly #line = new FairQueue<Waiter<E>>()
  #blocked: Blocked<E> | undefined = undefined
  /** The call that tries the limit now. */
  #turn: Waiter<E> | undefined = undefined
  /** The first call, if it has tried and nothing has changed since. */
  #stuck: Waiter<E> | undefined = undefined
  /** Counts the changes, so that none is missed that comes while a call tries. */
  #changes = 0
  #stopTimer: (() => void) | undefined = undefined
  #isDispatching = false
  #isChanged = false

  /** `policy`: `undefined` if no call waits. */
  constructor(policy: ResolvedQueuePolicy | undefined) {
    this.#policy = policy
  }

  /** How many calls wait. */
  get waiting(): number {
    return this.#line.size
  }

  get policy(): ResolvedQueuePolicy | undefined {
    return this.#policy
  }

  /** Replaces the policy. Without one, each waiting call tries the limit a last time. */
  setPolicy(policy: ResolvedQueuePolicy | undefined): void {
    this.#policy = policy
    this.released()
  }

  /** Something was given back to the limit, or the limit was raised. */
  released(): void {
    this.#changes++
    this.#stuck = undefined
    this.#dispatch()
  }

  /** The refusal of a call that may not wait while others do, if others do. */
  refusal(call: Pick<QueuedCall<unknown, E>, "restate">, now: number): E | undefined {
    const blocked = this.#blocked
    return this.#line.size === 0 || blocked === undefined ? undefined : restated(call, blocked, now)
  }

  /**
   * Takes what the call needs, at once or after a wait in the queue. Fails with a refusal of the limit. Must run where it is not
   * interrupted: what was taken would be lost. `restore` makes the wait interruptible.
   */
  acquire<A>(call: QueuedCall<A, E>, restore: Restore): Effect.Effect<A, E> {
    return Effect.contextWith((context: Context.Context<never>) => {
      const blocked = this.#policy === undefined || this.#line.size === 0 ? undefined : this.#blocked
      if (blocked !== undefined) return this.#enter(call, context, restore, blocked, undefined)
      const changes = this.#changes
      return Effect.catch(call.take(), (error) => {
        const outlook = call.outlook(error)
        if (outlook === undefined || this.#policy === undefined) return Effect.fail(error)
        return this.#enter(call, context, restore, blockedBy(error, outlook, nowIn(context)), changes)
      })
    })
  }

  /** Lets a call wait if it may. `tried`: the changes before which it has tried the limit in vain. */
  #enter<A>(
    call: QueuedCall<A, E>,
    context: Context.Context<never>,
    restore: Restore,
    blocked: Blocked<E>,
    tried: number | undefined,
  ): Effect.Effect<A, E> {
    const now = nowIn(context)
    const policy = this.#policy
    if (policy === undefined) return Effect.fail(blocked.error)
    const waiter = new Waiter<E>(call, context, now, Math.min(now + policy.maxWait, call.deadline))
    if (isTooLong(blocked, waiter, now)) return this.#refuse(call, blocked, "timeout", now)
    if (this.#line.size >= policy.max) {
      const replaced = this.#line.replacedBy(waiter)
      if (replaced === undefined || replaced === this.#turn) return this.#refuse(call, blocked, "full", now)
      this.#leave(replaced, "full")
      replaced.signal("full")
    }
    if (this.#line.size === 0) this.#blocked = blocked
    this.#line.add(waiter)
    call.onQueued()
    if (tried === this.#changes && this.#line.head === waiter) this.#rest(waiter, blocked)
    this.#dispatch()
    return this.#wait(call, waiter, restore)
  }

  #refuse<A>(call: QueuedCall<A, E>, blocked: Blocked<E>, departure: Departure, now: number): Effect.Effect<never, E> {
    call.onLeft(departure, 0)
    return Effect.fail(restated(call, blocked, now))
  }

  #wait<A>(call: QueuedCall<A, E>, waiter: Waiter<E>, restore: Restore): Effect.Effect<A, E> {
    const signal = Effect.onInterrupt(restore(waiter.next), () =>
      Effect.sync(() => {
        this.#leave(waiter, "cancelled")
      }),
    )
    return Effect.flatMap(signal, (signal) => {
      // A call that has its turn as its time is over would be admitted for nothing.
      const isLate = waiter.deadline <= nowIn(waiter.context)
      if (signal === "turn" && !isLate) return this.#try(call, waiter, restore)
      if (signal !== "full") this.#leave(waiter, "timeout")
      return Effect.fail(restated(call, this.#blocked!, nowIn(waiter.context)))
    })
  }

  #try<A>(call: QueuedCall<A, E>, waiter: Waiter<E>, restore: Restore): Effect.Effect<A, E> {
    const changes = this.#changes
    return Effect.matchCauseEffect(Effect.suspend(call.take), {
      onSuccess: (taken) => {
        this.#leave(waiter, "admitted")
        return Effect.succeed(taken)
      },
      onFailure: (cause): Effect.Effect<A, E> => {
        const error = Cause.findErrorOption(cause)
        const outlook = Option.isSome(error) ? call.outlook(error.value) : undefined
        if (Option.isNone(error) || outlook === undefined || this.#policy === undefined) {
          this.#leave(waiter, "rejected")
          return Effect.failCause(cause)
        }
        const now = nowIn(waiter.context)
        const blocked = (this.#blocked = blockedBy(error.value, outlook, now))
        if (isTooLong(blocked, waiter, now)) {
          this.#leave(waiter, "timeout")
          return Effect.fail(error.value)
        }
        this.#turn = undefined
        if (changes === this.#changes) this.#rest(waiter, blocked)
        this.#dispatch()
        return this.#wait(call, waiter, restore)
      },
    })
  }

  /** The first call has tried in vain: it tries again after the next change, or when the limit refills. */
  #rest(waiter: Waiter<E>, { until }: Blocked<E>): void {
    this.#stuck = waiter
    this.#stopTimer?.()
    this.#stopTimer = undefined
    if (!Number.isFinite(until)) return
    const wait = Math.max(minRetry, until - nowIn(waiter.context))
    this.#stopTimer = Timer.start(waiter.context, wait, () => {
      this.#stopTimer = undefined
      this.released()
    })
  }

  /** Takes a call out of the queue, once, and passes its turn on. */
  #leave(waiter: Waiter<E>, departure: Departure): void {
    const { call, context, since } = waiter
    if (departure === "admitted") this.#line.serve(waiter)
    else if (!this.#line.remove(waiter)) return
    if (this.#turn === waiter) this.#turn = undefined
    if (this.#stuck === waiter) this.#stuck = undefined
    if (this.#line.size === 0) {
      this.#stopTimer?.()
      this.#stopTimer = undefined
    }
    call.onLeft(departure, nowIn(context) - since)
    this.#dispatch()
  }

  /** Gives the turn to the first call, unless it has tried in vain. A loop: a call may try, and pass it on, within `signal`. */
  #dispatch(): void {
    this.#isChanged = true
    if (this.#isDispatching) return
    this.#isDispatching = true
    while (this.#isChanged) {
      this.#isChanged = false
      const { head } = this.#line
      if (this.#turn !== undefined || head === undefined || head === this.#stuck) continue
      this.#turn = head
      head.signal("turn")
    }
    this.#isDispatching = false
  }
}

const nowIn = (context: Context.Context<never>): number => Context.get(context, Clock.Clock).currentTimeMillisUnsafe()

const blockedBy = <E>(error: E, { isCertain, retryAfter }: Outlook, now: number): Blocked<E> => ({
  error,
  until: retryAfter === undefined ? Infinity : now + retryAfter,
  isCertain: isCertain && retryAfter !== undefined,
})

/** Whether a call has waited long enough, or would surely have to wait longer than it may. */
const isTooLong = (
  { isCertain, until }: Blocked<unknown>,
  { deadline }: { readonly deadline: number },
  now: number,
): boolean => deadline <= now || (isCertain && until >= deadline)

const restated = <E>({ restate }: Pick<QueuedCall<unknown, E>, "restate">, blocked: Blocked<E>, now: number): E =>
  Number.isFinite(blocked.until) ? restate(blocked.error, Math.max(1, blocked.until - now)) : blocked.error

/**
 * The admission of an attempt to a deployment with a queue: at once, after a wait, or not at all while other calls wait.
 *
 * A call waits only for limits. A deployment that is cooling down, or whose circuit is open, rejects it at once, also when
 * that begins while it waits.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Candidate } from "../deployment/Candidate.ts"
import type { Call } from "../model/Call.ts"
import type { Rejection } from "../model/SkipReason.ts"
import { Rejected } from "../model/SkipReason.ts"
import type { Limits } from "../policy/Limits.ts"
import type { Deadline } from "../policy/Timeout.ts"
import type { Limiter } from "../admission/RateLimit.ts"
import type { Departure, Outlook, QueuedCall, Restore } from "../queue/AdmissionQueue.ts"
import type { Leaf } from "../route/BoundRoute.ts"
import type { CallRecorder } from "./CallRecorder.ts"

/** The call, and where its wait is recorded. */
interface Context {
  readonly stores: { readonly limiter: Limiter }
  readonly call: Call
  readonly recorder: CallRecorder
  readonly deadline: Deadline
  readonly clock: Clock.Clock
}

/**
 * Begins an attempt once the limits of its deployment admit it. Without `wait` it is rejected if they do not, or if other
 * calls wait. `restore` makes the wait interruptible; nothing else may be interrupted.
 */
export const admitted = <A>(
  context: Context,
  leaf: Leaf,
  wait: boolean,
  restore: Restore,
  begin: (leaf: Leaf) => Effect.Effect<A, Rejected>,
): Effect.Effect<A, Rejected> =>
  Effect.suspend(() => {
    const { queue } = leaf.candidate
    // A call that is larger than a limit never fits.
    if (exceedsTokens(context.call, queue.limits)) return begin(leaf)
    if (wait) return waiting(context, leaf, restore, begin)
    const refusal = queue.refusal({ restate }, context.clock.currentTimeMillisUnsafe())
    return refusal === undefined ? begin(leaf) : Effect.fail(refusal)
  })

const exceedsTokens = (call: Call, limits: Limits | undefined): boolean =>
  limits?.tpm !== undefined && call.tokens > limits.tpm

const waiting = <A>(
  { call, deadline, recorder, stores }: Context,
  leaf: Leaf,
  restore: Restore,
  begin: (leaf: Leaf) => Effect.Effect<A, Rejected>,
): Effect.Effect<A, Rejected> => {
  const { candidate } = leaf
  const { name, queue } = candidate
  let left: Departure | undefined
  const queued: QueuedCall<A, Rejected> = {
    take: () => begin(underLimitsInForce(leaf)),
    outlook: ({ reason }) => outlook(reason, candidate, call, stores.limiter),
    restate,
    caller: call.options.caller ?? "",
    priority: call.options.priority,
    deadline: deadline.at,
    onQueued: () => recorder.queued(name),
    onLeft: (departure, millis) => {
      left = departure
      recorder.leftQueue(name, departure, millis)
    },
  }
  return Effect.mapError(queue.acquire(queued, restore), (rejected) =>
    left === "full" || left === "timeout" ? notAdmitted(rejected, left) : rejected,
  )
}

/** A reload may have changed the limits since the call began. */
const underLimitsInForce = (leaf: Leaf): Leaf => {
  const { candidate } = leaf
  const { buckets, limits } = candidate.queue
  return limits === candidate.deployment.limits
    ? leaf
    : { ...leaf, candidate: { ...candidate, buckets, deployment: { ...candidate.deployment, limits } } }
}

/** How often a permit is tried for that another process may hold, in milliseconds: its release is not announced. */
const permitInterval = 100

const outlook = (reason: Rejection, candidate: Candidate, call: Call, limiter: Limiter): Outlook | undefined => {
  switch (reason._tag) {
    case "ConcurrencyLimited":
      return { retryAfter: limiter.remote === undefined ? undefined : permitInterval, isCertain: false }
    case "RateLimited": {
      const { limit, retryAfter } = reason
      // A reload may have lowered the limit.
      if (exceedsTokens(call, candidate.queue.limits)) return undefined
      // A call that ends gives back the tokens that it did not use.
      return { retryAfter, isCertain: limit !== "tpm" || candidate.health.inFlight === 0 }
    }
    default:
      return undefined
  }
}

const restate = (rejected: Rejected, retryAfter: number): Rejected =>
  rejected.reason._tag === "RateLimited" ? new Rejected({ ...rejected.reason, retryAfter }) : rejected

const notAdmitted = (rejected: Rejected, queue: "full" | "timeout"): Rejected => {
  const { reason } = rejected
  return reason._tag === "RateLimited" || reason._tag === "ConcurrencyLimited"
    ? new Rejected({ ...reason, queue })
    : rejected
}

/**
 * Running one call over its plan: each candidate attempted in turn, retried as its policy says, and one of them a last
 * time when all were refused. What an attempt is, whole or streamed, is the caller's to say.
 */
import * as Effect from "effect/Effect"
import type * as Admission from "../admission/Admission.ts"
import * as CallEvents from "./CallEvents.ts"
import type * as Attempt from "./Attempt.ts"
import type { AnyRequest, Call } from "../model/Call.ts"
import * as Fallback from "./Fallback.ts"
import type * as BoundRoute from "../route/BoundRoute.ts"
import * as Plan from "../route/Plan.ts"
import type { Rejection } from "../model/SkipReason.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import type { ReceiptBuilder, Skipped } from "../receipt/Receipt.ts"
import * as Retry from "../policy/Retry.ts"
import type * as RouteEvent from "../receipt/RouteEvent.ts"
import type { RouterError } from "./RouterError.ts"
import * as Errors from "./RouterError.ts"
import * as Timeout from "../policy/Timeout.ts"

/** What all calls of one router share. */
export interface Shared {
  readonly stores: Admission.Stores
  readonly bus: RouteEvent.EventBus
  readonly draw: Plan.Random
}

/** One try of a step; `force` asks it though its circuit is open. `steps` is the whole plan it stands in. */
export type AttemptFn<Request extends AnyRequest, A> = (
  context: Attempt.Context<Request>,
  step: Plan.Step,
  force: boolean,
  steps: ReadonlyArray<Plan.Step>,
) => Effect.Effect<A, Attempt.Failure>

/** The answer of whoever could; or every attempt's failure, as one error. `receipt` is written on the way. */
export const execute = <Request extends AnyRequest, A>(
  { bus, draw, stores }: Shared,
  { budget, name, route, total }: BoundRoute.BoundRoute,
  call: Call<Request>,
  receipt: ReceiptBuilder,
  attempt: AttemptFn<Request, A>,
): Effect.Effect<A, RouterError> => {
  const context: Attempt.Context<Request> = {
    stores,
    bus,
    call,
    receipt,
    deadline: Timeout.deadline(call.at, total, call.options.timeout),
  }
  const steps = Plan.inOrder(route, call, draw)
  Plan.advanceRoundRobin(route, call)
  budget.recordCall(call.at)

  const retried = (step: Plan.Step, failures: ReadonlyArray<Plan.FailedStep>, slot?: Fallback.HedgeSlot) => {
    const { retry } = step.leaf.policies
    const once = attempt(
      slot === undefined && failures.length === 0
        ? context
        : { ...context, claim: slot?.claim, onAdmitted: CallEvents.once(context, step, failures, slot?.beside) },
      step,
      false,
      steps,
    )
    if (retry.times === 0) return once
    let failed: ProviderError | undefined
    const retries = Retry.schedule(retry, {
      deadline: context.deadline.at,
      hasAvailablePeer: (now) => hasAvailablePeer(stores, steps, step, call, now),
      tryAcquire: (now, failure) => {
        if (!budget.tryAcquire(now)) return false
        failed = failure
        slot?.onWait()
        return true
      },
    })
    // A retry that is refused says nothing new: what counts is why it was wanted.
    return Effect.mapError(Effect.retry(once, retries), (error) =>
      error._tag === "Refused" && failed !== undefined ? failed : error,
    )
  }
  const passOver = (step: Plan.Step, verdict: Skipped["reason"]) => CallEvents.skipped(context, step, verdict)
  return Fallback.run(steps, { attempt: retried, onSkipped: passOver }).pipe(
    Effect.catch(({ failures }) => probeOpenCircuit(failures, (step) => attempt(context, step, true, steps))),
    Effect.mapError(({ failures }) => Errors.allFailed(name, failures, receipt)),
  )
}

/** Whether another deployment of the same balance comes after this one and does not rest. */
const hasAvailablePeer = (
  stores: Admission.Stores,
  steps: ReadonlyArray<Plan.Step>,
  step: Plan.Step,
  { operation }: Call,
  now: number,
): boolean =>
  step.peers.length > 1 &&
  steps
    .slice(steps.indexOf(step) + 1)
    .some(
      ({ peers, leaf, availability }) =>
        peers === step.peers &&
        availability._tag === "Available" &&
        stores.cooldowns.until(leaf.candidate.keys[operation]) <= now,
    )

/**
 * When every candidate was refused, the one whose circuit reopens soonest is tried once, unrecorded: an outage of all is
 * more often over than the circuits know. Rests and limits are never broken.
 */
const probeOpenCircuit = <A>(
  failures: ReadonlyArray<Plan.FailedStep>,
  attempt: (step: Plan.Step) => Effect.Effect<A, Attempt.Failure>,
): Effect.Effect<A, Fallback.Exhausted> => {
  const reopening = failures.flatMap((miss) =>
    miss._tag === "Skipped" && (miss.reason._tag === "CircuitOpen" || miss.reason._tag === "CircuitHalfOpen")
      ? [{ step: miss.step, wait: untilReopened(miss.reason) }]
      : [],
  )
  const asked = failures.some(({ _tag }) => _tag === "Failed")
  const soonest = reopening.toSorted((a, b) => a.wait - b.wait)[0]
  if (asked || soonest === undefined) return Effect.fail({ _tag: "Exhausted", failures })
  return Effect.mapError(attempt(soonest.step), (error) => ({
    _tag: "Exhausted" as const,
    failures: [
      ...failures,
      error._tag === "Refused"
        ? { _tag: "Skipped" as const, step: soonest.step, reason: error.reason }
        : { _tag: "Failed" as const, step: soonest.step, error },
    ],
  }))
}

/** A circuit that a dead credential opened is the last to be asked, however soon it reopens. */
const untilReopened = (refusal: Extract<Rejection, { readonly _tag: "CircuitOpen" | "CircuitHalfOpen" }>): number => {
  if (refusal._tag === "CircuitHalfOpen") return 0
  return refusal.permanent === true ? Infinity : refusal.retryAfter
}

/**
 * Running one call over its plan: each candidate attempted in turn, retried as its policy says, and one of them a last
 * time when all were refused. What an attempt is, whole or streamed, is the caller's to say.
 */
import * as Effect from "effect/Effect"
import type * as Admission from "./Admission.ts"
import * as Announce from "./Announce.ts"
import type * as Attempt from "./Attempt.ts"
import type { Asked, Call } from "./Call.ts"
import * as Fallback from "./Fallback.ts"
import type * as Compiled from "./Compiled.ts"
import * as Plan from "./Plan.ts"
import type { ProviderError } from "./ProviderError.ts"
import type { Ledger, PassedOver } from "./Receipt.ts"
import * as Retry from "./Retry.ts"
import type * as RouteEvent from "./RouteEvent.ts"
import type { RouterError } from "./RouterError.ts"
import * as Errors from "./RouterError.ts"
import * as Timeout from "./Timeout.ts"

/** What all calls of one router share. */
export interface Shared {
  readonly stores: Admission.Stores
  readonly bus: RouteEvent.Bus
  readonly draw: Plan.Draw
}

/** One try of a step; `force` asks it though its circuit is open. `steps` is the whole plan it stands in. */
export type Try<Request extends Asked, A> = (
  context: Attempt.Context<Request>,
  step: Plan.Step,
  force: boolean,
  steps: ReadonlyArray<Plan.Step>,
) => Effect.Effect<A, Attempt.Failure>

/** The answer of whoever could; or every attempt's failure, as one error. `ledger` is written on the way. */
export const run = <Request extends Asked, A>(
  { bus, draw, stores }: Shared,
  { budget, name, route, total }: Compiled.Compiled,
  call: Call<Request>,
  ledger: Ledger,
  attempt: Try<Request, A>,
): Effect.Effect<A, RouterError> => {
  const context: Attempt.Context<Request> = {
    stores,
    bus,
    call,
    ledger,
    deadline: Timeout.deadline(call.at, total, call.options.timeout),
  }
  const steps = Plan.inOrder(route, call, draw)
  Plan.advance(route, call)
  budget.called(call.at)

  const retried = (step: Plan.Step, misses: ReadonlyArray<Fallback.Miss>, lane?: Fallback.Lane) => {
    const { retry } = step.leaf.patience
    const once = attempt(
      lane === undefined && misses.length === 0
        ? context
        : { ...context, claim: lane?.claim, onAdmitted: Announce.once(context, step, misses, lane?.beside) },
      step,
      false,
      steps,
    )
    if (retry.times === 0) return once
    let failed: ProviderError | undefined
    const retries = Retry.schedule(retry, {
      deadline: context.deadline.at,
      equalReady: (now) => equalReady(stores, steps, step, call, now),
      affords: (now, failure) => {
        if (!budget.spend(now)) return false
        failed = failure
        lane?.waits()
        return true
      },
    })
    // A retry that is refused says nothing new: what counts is why it was wanted.
    return Effect.mapError(Effect.retry(once, retries), (error) =>
      error._tag === "Refused" && failed !== undefined ? failed : error,
    )
  }
  const passOver = (step: Plan.Step, verdict: PassedOver["verdict"]) => Announce.passedOver(context, step, verdict)
  return Fallback.run(steps, { attempt: retried, onPassedOver: passOver }).pipe(
    Effect.catch(({ misses }) => lastResort(misses, (step) => attempt(context, step, true, steps))),
    Effect.mapError(({ misses }) => Errors.exhausted(name, misses, ledger)),
  )
}

/** Whether another deployment of the same balance comes after this one and does not rest. */
const equalReady = (
  stores: Admission.Stores,
  steps: ReadonlyArray<Plan.Step>,
  step: Plan.Step,
  { operation }: Call,
  now: number,
): boolean =>
  step.equals.length > 1 &&
  steps
    .slice(steps.indexOf(step) + 1)
    .some(
      ({ equals, leaf, verdict }) =>
        equals === step.equals && verdict._tag === "Ready" && stores.rests.until(leaf.candidate.keys[operation]) <= now,
    )

/**
 * When every candidate was refused, the one whose circuit reopens soonest is tried once, unrecorded: an outage of all is
 * more often over than the circuits know. Rests and limits are never broken.
 */
const lastResort = <A>(
  misses: ReadonlyArray<Fallback.Miss>,
  attempt: (step: Plan.Step) => Effect.Effect<A, Attempt.Failure>,
): Effect.Effect<A, Fallback.Exhausted> => {
  const reopening = misses.flatMap((miss) =>
    miss._tag === "PassedOver" && (miss.verdict._tag === "CircuitOpen" || miss.verdict._tag === "Probing")
      ? [{ step: miss.step, wait: untilReopened(miss.verdict) }]
      : [],
  )
  const asked = misses.some(({ _tag }) => _tag === "Failed")
  const soonest = reopening.toSorted((a, b) => a.wait - b.wait)[0]
  if (asked || soonest === undefined) return Effect.fail({ _tag: "Exhausted", misses })
  return Effect.mapError(attempt(soonest.step), (error) => ({
    _tag: "Exhausted" as const,
    misses: [
      ...misses,
      error._tag === "Refused"
        ? { _tag: "PassedOver" as const, step: soonest.step, verdict: error.refusal }
        : { _tag: "Failed" as const, step: soonest.step, error },
    ],
  }))
}

/** A circuit that a dead credential opened is the last to be asked, however soon it reopens. */
const untilReopened = (refusal: Extract<Admission.Refusal, { readonly _tag: "CircuitOpen" | "Probing" }>): number => {
  if (refusal._tag === "Probing") return 0
  return refusal.permanent === true ? Infinity : refusal.retryAfter
}

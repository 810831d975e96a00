/**
 * One call over its plan: each deployment attempted in turn, retried as its policy says, and one of them a last time when
 * all were refused.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Admission from "../admission/Admission.ts"
import type { AffinityStore } from "../affinity/AffinityStore.ts"
import * as CallAffinity from "../affinity/CallAffinity.ts"
import * as Candidate from "../deployment/Candidate.ts"
import type { ActiveFaults } from "../faults/FaultInjection.ts"
import type { AnyRequest, Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import type * as Embedding from "../model/Embedding.ts"
import * as Operation from "../model/Operation.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import type { Rejection } from "../model/SkipReason.ts"
import * as Retry from "../policy/Retry.ts"
import * as Timeout from "../policy/Timeout.ts"
import type * as BoundRoute from "../route/BoundRoute.ts"
import * as ErrorBranch from "../route/ErrorBranch.ts"
import * as Plan from "../route/Plan.ts"
import * as AccountRotation from "./AccountRotation.ts"
import * as Attempt from "./Attempt.ts"
import type { CallRecorder } from "./CallRecorder.ts"
import * as Fallback from "./Fallback.ts"
import * as OperationAttempt from "./OperationAttempt.ts"
import type { RouterError } from "./RouterError.ts"
import * as Errors from "./RouterError.ts"
import * as StreamAttempt from "./StreamAttempt.ts"
import type { Started } from "./StreamingAttempt.ts"

/** What all calls of one router share. */
export interface Engine {
  readonly stores: Admission.Stores
  readonly random: Plan.Random
  readonly affinity: AffinityStore["Service"]
  readonly faults: ActiveFaults
}

/** A call, the route that it is on, its record, and when it must have ended. */
export interface Execution<Request extends AnyRequest = AnyRequest> {
  readonly route: BoundRoute.BoundRoute
  readonly call: Call<Request>
  readonly recorder: CallRecorder
  readonly deadline: Timeout.Deadline
  readonly clock: Clock.Clock
}

export const begin = <Request extends AnyRequest>(
  route: BoundRoute.BoundRoute,
  call: Call<Request>,
  recorder: CallRecorder,
  clock: Clock.Clock,
): Execution<Request> => ({
  route,
  call,
  recorder,
  clock,
  deadline: Timeout.deadline(call.at, route.total, call.options.timeout),
})

/** A response of the first deployment that gives one. */
export const chat = (engine: Engine, execution: Execution<Chat.Request>): Effect.Effect<Chat.Response, RouterError> =>
  execute(engine, execution, chatAttempt)

/** The vectors of the first deployment that gives them. */
export const embed = (
  engine: Engine,
  execution: Execution<Embedding.Request>,
): Effect.Effect<Embedding.Response, RouterError> => execute(engine, execution, embedAttempt)

/** The response of the first deployment that has output. It lives in `scope`. */
export const operate = (
  engine: Engine,
  execution: Execution<Operation.Request>,
  scope: Scope.Scope,
): Effect.Effect<Started<Operation.Frame>, RouterError> =>
  execute(engine, execution, (planned, step, options) =>
    OperationAttempt.start(planned.context, step.leaf, scope, options),
  )

/** A stream that has started, and its place in the plan of its call: where recovery goes on if it breaks. */
export interface PlacedStream {
  readonly stream: StreamAttempt.StartedStream
  readonly step: Plan.Step
  readonly planned: PlannedCall<Chat.Request>
  readonly scope: Scope.Scope
}

/** The stream of the first deployment that brings first output, as `protect` gives it. It lives in `scope`. */
export const stream = (
  engine: Engine,
  execution: Execution<Chat.Request>,
  scope: Scope.Scope,
  protect: (placed: PlacedStream) => StreamAttempt.StartedStream,
): Effect.Effect<StreamAttempt.StartedStream, RouterError> =>
  execute(engine, execution, (planned, step, options) =>
    Effect.map(StreamAttempt.start(planned.context, step.leaf, scope, options), (stream) =>
      protect({ stream, step, planned, scope }),
    ),
  )

/** A call with its route. */
export interface PlannedCall<Request extends AnyRequest = AnyRequest> {
  readonly context: Attempt.Context<Request>
  readonly route: BoundRoute.BoundRoute
  /** Where its conversation is kept, on a route that keeps conversations. */
  readonly affinity: CallAffinity.CallAffinity | undefined
}

/** One attempt of a step of a plan. */
type StepAttempt<Request extends AnyRequest, A> = (
  planned: PlannedCall<Request>,
  step: Plan.Step,
  options: Attempt.Options,
) => Effect.Effect<A, Attempt.Failure>

const chatAttempt: StepAttempt<Chat.Request, Chat.Response> = ({ context }, { leaf }, options) =>
  Attempt.complete(context, leaf, Attempt.chat, options)

const embedAttempt: StepAttempt<Embedding.Request, Embedding.Response> = ({ context }, { leaf }, options) =>
  Attempt.complete(context, leaf, Attempt.embed, options)

const execute = <Request extends AnyRequest, A>(
  engine: Engine,
  execution: Execution<Request>,
  attempt: StepAttempt<Request, A>,
): Effect.Effect<A, RouterError> => {
  const { call, recorder, route } = execution
  if (!CallAffinity.isKept(route, call)) return run(engine, execution, attempt, undefined)
  return Effect.flatMapEager(CallAffinity.find(engine.affinity, route, call), (affinity) => {
    if (affinity === undefined) return run(engine, execution, attempt, undefined)
    const kept: StepAttempt<Request, A> = (planned, step, options) =>
      Effect.tap(attempt(planned, step, options), () => keep(affinity, step, recorder))
    return run(engine, execution, kept, affinity)
  })
}

/** Keeps the call's conversation on the deployment of the step that answers it. */
export const keep = (
  affinity: CallAffinity.CallAffinity,
  step: Plan.Step,
  recorder: CallRecorder,
): Effect.Effect<void> =>
  Effect.mapEager(affinity.answered(step, recorder.receipt), (became) => {
    if (became !== undefined) recorder.affinity(became)
  })

const run = <Request extends AnyRequest, A>(
  { faults, random, stores }: Engine,
  { call, clock, deadline, recorder, route }: Execution<Request>,
  attempt: StepAttempt<Request, A>,
  affinity: CallAffinity.CallAffinity | undefined,
): Effect.Effect<A, RouterError> => {
  const first = Plan.first(route.route, call, random, affinity?.kept)
  route.budget.recordCall(call.at)
  const planned: PlannedCall<Request> = {
    context: { stores, faults, call, recorder, deadline, clock },
    route,
    affinity,
  }
  const tryStep = (
    step: Plan.Step,
    options: Attempt.Options & Fallback.StepOptions,
  ): Effect.Effect<A, Plan.FailedStep> => {
    const accounts = accountsFor(call, step.leaf.candidate)
    if (accounts !== undefined) {
      const rotation = AccountRotation.begin(accounts, step, (each) => attempt(planned, each, options), recorder)
      return Effect.mapError(retrying(planned, step, rotation.attempt, options.onWait), (error) =>
        rotation.failedStep(error),
      )
    }
    return Effect.mapError(retrying(planned, step, attempt(planned, step, options), options.onWait), (error) =>
      Fallback.failedStep(recorder, step, error),
    )
  }
  /** Steps that were skipped at their limits, and in whose queues the call has not waited. */
  let waitable: ReadonlyArray<Plan.Step> = none
  const chain: Fallback.Chain<A> = {
    rules: Fallback.rules,
    recorder,
    attempt: (step, options) => {
      // A shadow call takes no turn of the calls of callers.
      if (step.leaf.candidate.queue.policy === undefined || call.shadowOf !== undefined) return tryStep(step, options)
      if (waitsInPlace(step, options, waitable)) return tryStep(step, { ...options, wait: true })
      return Effect.tapError(tryStep(step, options), (failure) =>
        Effect.sync(() => {
          if (isAtLimit(failure)) waitable = [...waitable, step]
        }),
      )
    },
  }
  const answered = Effect.catch(Fallback.next(chain, Fallback.begin(first)), (exhausted) =>
    waitable.length === 0
      ? Effect.fail(exhausted)
      : waiting(
          { ...chain, attempt: (step, options) => tryStep(step, { ...options, wait: true }) },
          first,
          waitable,
          exhausted,
        ),
  )
  return Effect.catch(answered, ({ failures }) =>
    Effect.mapError(
      probeOpenCircuit(failures, (step) => attempt(planned, step, { bypassCircuit: true })),
      ({ failures }) => Errors.allFailed(route.name, failures, recorder.receipt),
    ),
  )
}

/** The accounts of a deployment that has several: all, or the one that holds what the call is about. */
const accountsFor = ({ request }: Call, { accounts }: Candidate.Candidate): Candidate.Accounts | undefined => {
  const account = "operation" in request ? request.holder?.account : undefined
  return accounts === undefined || account === undefined
    ? accounts
    : { all: accounts.all.filter(({ provider }) => provider.account === account), turn: 0 }
}

const none: ReadonlyArray<Plan.Step> = []

// ---------------------------------------------------------------------------------------------------------------------
// Waiting for limits
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Whether a call waits in the queue of a step when it comes to it: if the deployment's queue comes before its fallbacks, or
 * no other step may answer. In a race no call waits: another deployment starts instead.
 */
const waitsInPlace = (
  { leaf, next, peers }: Plan.Step,
  { claim }: Fallback.StepOptions,
  waitable: ReadonlyArray<Plan.Step>,
): boolean => {
  if (claim !== undefined) return false
  if (leaf.candidate.queue.limits?.queue?.fallback === "last") return peers.length < 2 || next?.peers !== peers
  return next === undefined && waitable.length === 0
}

const isAtLimit = (failure: Plan.FailedStep): boolean =>
  failure._tag === "Skipped" && (failure.reason._tag === "ConcurrencyLimited" || failure.reason._tag === "RateLimited")

/**
 * When no deployment has answered, goes through those again that were skipped at their limits, in the order of the plan, and
 * waits in their queues, as the attempts of `chain` do. A failure leads to error branches as ever; what has failed is not tried again.
 */
const waiting = <A>(
  chain: Fallback.Chain<A>,
  first: Plan.Step | undefined,
  waitable: ReadonlyArray<Plan.Step>,
  exhausted: Fallback.Exhausted,
): Effect.Effect<A, Fallback.Exhausted> => {
  const { failures } = exhausted
  const last = failures.at(-1)
  if (last?._tag === "Failed" && chain.rules.nextFor(last, ErrorBranch.noBranch) === "end")
    return Effect.fail(exhausted)
  const isWaitable = (failure: Plan.FailedStep) => waitable.some((step) => isOf(failure, step))
  const ended = failures.filter((failure, index) => !isWaitable(failure) && !isReachable(failures, index, isWaitable))
  const isDone = (step: Plan.Step) => ended.some((failure) => isOf(failure, step))
  const taken = waitable.flatMap(({ branch }) => (branch === undefined ? [] : [branch]))
  return Effect.mapError(
    Fallback.next(chain, {
      step: remaining(first, isDone),
      failures: ended,
      branches: { ...ErrorBranch.noBranch, taken },
    }),
    ({ failures }): Fallback.Exhausted => ({ _tag: "Exhausted", failures }),
  )
}

/** Whether a failure is of this step, or of an account of its deployment at this place of the plan. */
const isOf = (failure: Plan.FailedStep, step: Plan.Step): boolean =>
  failure.step === step ||
  (failure.step.leaf.candidate.pool?.() === step.leaf.candidate && failure.step.next === step.next)

/**
 * Whether a step was skipped because of error branches, and waiting may lead to it: it is in a branch that was not taken, or
 * before a branch that was taken because of a limit.
 */
const isReachable = (
  failures: ReadonlyArray<Plan.FailedStep>,
  index: number,
  isWaitable: (failure: Plan.FailedStep) => boolean,
): boolean => {
  const failure = failures[index]
  if (failure?._tag !== "Skipped") return false
  if (failure.reason._tag === "BranchNotTaken") return true
  if (failure.reason._tag !== "BranchTaken") return false
  const cause = failures
    .slice(0, index)
    .findLast((each) => each._tag === "Failed" || each.reason._tag !== "BranchTaken")
  return cause !== undefined && isWaitable(cause)
}

/** The steps of a plan from this one on, without those that are done. Those of a hedge are tried one after the other. */
const remaining = (from: Plan.Step | undefined, isDone: (step: Plan.Step) => boolean): Plan.Step | undefined => {
  let step = from
  while (step !== undefined && isDone(step)) step = step.next
  if (step === undefined) return undefined
  const left = step
  return new Plan.Step({ ...left, hedge: undefined }, () => remaining(left.next, isDone))
}

/** Retries an attempt as its policy, the deadline and the route's budget allow. `onWait` runs before each wait. */
const retrying = <A>(
  planned: PlannedCall,
  step: Plan.Step,
  attempt: Effect.Effect<A, Attempt.Failure>,
  onWait: (() => void) | undefined,
): Effect.Effect<A, Attempt.Failure> => {
  const { retry } = step.leaf.policies
  if (Retry.mostTimes(retry) === 0) return attempt
  return Effect.catch(attempt, (first) => {
    const { request } = planned.context.call
    // It may have been made although its response is lost: another would be charged for too.
    if ("operation" in request && Operation.isOpenEnded(request)) return Effect.fail(first)
    let failed: ProviderError | undefined
    const retries = Retry.schedule(retry, {
      deadline: planned.context.deadline.at,
      hasAvailablePeer: (now) => hasAvailablePeer(planned, step, now),
      tryAcquire: (now, failure) => {
        if (!planned.route.budget.tryAcquire(now)) return false
        failed = failure
        onWait?.()
        return true
      },
    })
    // The schedule starts with the failure that is there; each attempt after it is a retry.
    const attempts = Effect.suspend(() => (failed === undefined ? Effect.fail(first) : attempt))
    // When a retry is refused, the failure that it followed is the one to report.
    return Effect.mapError(Effect.retry(attempts, retries), (error) =>
      error._tag === "Refused" && failed !== undefined ? failed : error,
    )
  })
}

/** Whether a later deployment of the step's `balance` is available, and is not cooling down. */
const hasAvailablePeer = ({ context }: PlannedCall, step: Plan.Step, now: number): boolean => {
  if (step.peers.length < 2) return false
  for (let peer = step.next; peer?.peers === step.peers; peer = peer.next) {
    if (peer.availability._tag !== "Available") continue
    const isReady = ({ keys }: Candidate.Candidate) =>
      context.stores.cooldowns.until(keys[context.call.operation]) <= now
    if (Candidate.accountsOf(peer.leaf.candidate).some(isReady)) return true
  }
  return false
}

/**
 * When no deployment was called, tries the one whose circuit reopens soonest, once and unrecorded: an outage of all is
 * more often over than the circuits know. Cooldowns and limits are always kept.
 */
const probeOpenCircuit = <A>(
  failures: ReadonlyArray<Plan.FailedStep>,
  attempt: (step: Plan.Step) => Effect.Effect<A, Attempt.Failure>,
): Effect.Effect<A, Fallback.Exhausted> => {
  const reopening = failures.flatMap((failure) =>
    failure._tag === "Skipped" && (failure.reason._tag === "CircuitOpen" || failure.reason._tag === "CircuitHalfOpen")
      ? [{ step: failure.step, wait: untilReopened(failure.reason) }]
      : [],
  )
  const soonest = reopening.toSorted((a, b) => a.wait - b.wait)[0]
  if (soonest === undefined || failures.some(({ _tag }) => _tag === "Failed")) {
    return Effect.fail({ _tag: "Exhausted", failures })
  }
  const { step } = soonest
  return Effect.mapError(attempt(step), (error): Fallback.Exhausted => ({
    _tag: "Exhausted",
    failures: [
      ...failures,
      error._tag === "Refused" ? { _tag: "Skipped", step, reason: error.reason } : { _tag: "Failed", step, error },
    ],
  }))
}

/** Milliseconds. A circuit that an authentication error opened comes last, however soon it reopens. */
const untilReopened = (reason: Extract<Rejection, { readonly _tag: "CircuitOpen" | "CircuitHalfOpen" }>): number => {
  if (reason._tag === "CircuitHalfOpen") return 0
  return reason.permanent === true ? Infinity : reason.retryAfter
}

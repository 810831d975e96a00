/**
 * Fallback: the steps of a plan, tried in order until one answers. Each step is an effect that catches the failure of the
 * step before it, and decides by the typed reason whether the next one is tried.
 *
 * One function, `next`, takes a call from one step to the next: before a stream's first output, and after it where the
 * route recovers broken streams. What differs are the `Rules`.
 */
import * as Effect from "effect/Effect"
import type { ProviderError } from "../model/ProviderError.ts"
import { actionFor } from "../model/ProviderError.ts"
import type { Rejected, SkipReason } from "../model/SkipReason.ts"
import type { RetryBudget } from "../policy/RetryBudget.ts"
import * as ErrorBranch from "../route/ErrorBranch.ts"
import type { FailedStep, Step } from "../route/Plan.ts"
import type { CallRecorder } from "./CallRecorder.ts"
import * as Hedge from "./Hedge.ts"

/** Every step that did not answer, in order: the error of a chain that has come to its end. */
export interface Exhausted {
  readonly _tag: "Exhausted"
  readonly failures: ReadonlyArray<FailedStep>
}

/** How the steps of a call are tried. */
export interface Chain<A> {
  readonly rules: Rules
  readonly recorder: CallRecorder
  /** Attempts a step, and fails with what it came to: see `failedStep`. */
  readonly attempt: (step: Step, options: StepOptions) => Effect.Effect<A, FailedStep>
}

/** What a step came to whose attempt failed or was not admitted. Records that it was skipped. */
export const failedStep = (recorder: CallRecorder, step: Step, error: ProviderError | Rejected): FailedStep =>
  error._tag === "Refused" ? skip(recorder, step, error.reason) : { _tag: "Failed", step, error }

const skip = (recorder: CallRecorder, step: Step, reason: SkipReason): FailedStep => {
  recorder.skipped(step.leaf.candidate, reason)
  return { _tag: "Skipped", step, reason }
}

/** Which steps are skipped, and where a failure leads. */
export interface Rules {
  readonly skipReason: (
    step: Step,
    failures: ReadonlyArray<FailedStep>,
    branches: ErrorBranch.BranchState,
  ) => SkipReason | undefined
  readonly nextFor: (failure: FailedStep, branches: ErrorBranch.BranchState) => ErrorBranch.BranchState | "end"
}

/** What an attempt of a step is given by its place in the chain. */
export interface StepOptions {
  /** In a race: see `Hedge.Slot`. */
  readonly claim?: (() => boolean) | undefined
  readonly onWait?: (() => void) | undefined
  /** To be run when an attempt of the step is admitted. */
  readonly onAdmitted?: (() => void) | undefined
}

const noOptions: StepOptions = {}

/** Where a call stands in its plan: the step to try, if one is left, what failed before it, and the branches taken. */
export interface Position {
  readonly step: Step | undefined
  readonly failures: ReadonlyArray<FailedStep>
  readonly branches: ErrorBranch.BranchState
}

/** The beginning of a plan, by its first step. */
export const begin = (step: Step | undefined): Position => ({ step, failures: [], branches: ErrorBranch.noBranch })

/** The answer of the first step, from `position` on, that gives one. */
export const next = <A>(chain: Chain<A>, position: Position): Effect.Effect<A, Exhausted> => {
  const { branches, failures, step } = position
  if (step === undefined) return exhausted(failures)
  if (step.hedge !== undefined) return nextRace(chain, position, step, step.hedge.budget)
  return Effect.catch(tryStep(chain, step, position), (failure) => {
    const failed = [...failures, failure]
    const onward = chain.rules.nextFor(failure, branches)
    return onward === "end" ? exhausted(failed) : next(chain, { step: step.next, failures: failed, branches: onward })
  })
}

const exhausted = (failures: ReadonlyArray<FailedStep>): Effect.Effect<never, Exhausted> =>
  Effect.fail({ _tag: "Exhausted", failures })

/** One step, with its failure in the error channel. */
const tryStep = <A>(
  { attempt, recorder, rules }: Chain<A>,
  step: Step,
  { branches, failures }: Pick<Position, "failures" | "branches">,
  race?: RaceOptions,
): Effect.Effect<A, FailedStep> => {
  if (step.arm !== undefined) recorder.takesArm(step.arm)
  const reason = rules.skipReason(step, failures, branches)
  if (reason !== undefined) return Effect.fail(skip(recorder, step, reason))
  const options =
    race === undefined && failures.length === 0
      ? noOptions
      : {
          claim: race?.claim,
          onWait: race?.onWait,
          onAdmitted: recordTransition(recorder, step, failures, race?.hedges),
        }
  return attempt(step, options)
}

/** Records why a step is tried when its first attempt is admitted, not when it is retried: a hedge, or a failover. */
const recordTransition = (
  recorder: CallRecorder,
  step: Step,
  failures: ReadonlyArray<FailedStep>,
  hedges: Step | undefined,
): (() => void) => {
  let recorded = false
  return () => {
    if (recorded) return
    recorded = true
    if (hedges === undefined) recorder.failover(step, failures)
    else recorder.hedged(hedges, step)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Races
// ---------------------------------------------------------------------------------------------------------------------

/** A step's part in a race. `hedges` is the step that may still answer but is slow; `undefined` after a failure. */
interface RaceOptions extends Pick<Hedge.Slot, "claim" | "onWait"> {
  readonly hedges: Step | undefined
}

/** The steps that race together are one link of the chain. They share their budget, and stand side by side. */
const nextRace = <A>(
  chain: Chain<A>,
  { branches, failures }: Position,
  first: Step,
  budget: RetryBudget,
): Effect.Effect<A, Exhausted> => {
  const { recorder, rules } = chain
  const group: Array<Step> = []
  let after: Step | undefined = first
  for (; after?.hedge?.budget === budget; after = after.next) group.push(after)
  const notStarted = new Set(group)
  const racers = group.map((step): Hedge.Racer<A, FailedStep> => ({
    delay: step.hedge?.delay ?? 0,
    run: (lost, { claim, onWait, racingWith, replaces }) =>
      Effect.suspend(() => {
        notStarted.delete(step)
        // A step that replaces a skipped one starts for the reason that the skipped one did.
        const afterFailure = replaces && lost.at(-1)?._tag === "Failed"
        const hedges = racingWith === undefined || afterFailure ? undefined : group[racingWith]
        return tryStep(chain, step, { branches, failures: [...failures, ...lost] }, { claim, onWait, hedges })
      }),
  }))
  const ends = (failure: FailedStep): boolean => {
    const onward = rules.nextFor(failure, branches)
    return onward === "end" || (onward.to !== undefined && onward.to !== branches.to)
  }
  return Effect.catch(Hedge.race(racers, { budget, ends }), (lost) => {
    const failed = [...failures, ...lost]
    const failure = lost.at(-1)
    const onward = failure === undefined ? branches : rules.nextFor(failure, branches)
    if (onward === "end") return exhausted(failed)
    if (onward.to !== undefined) {
      const reason: SkipReason = { _tag: "BranchTaken", after: onward.to.after }
      for (const step of notStarted) recorder.skipped(step.leaf.candidate, reason)
    }
    return next(chain, { step: after, failures: failed, branches: onward })
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Rules
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Before a call has an answer: a step is skipped when its plan says so, when the call's error branches lead past it, or
 * when its context window is no larger than one that was exceeded. A failure leads to its error branch, to the next step,
 * or, where no other deployment could do better, to the end.
 */
export const rules: Rules = {
  skipReason: (step, failures, branches) =>
    ErrorBranch.skipReason(step, failures, branches) ??
    (step.availability._tag === "Available" ? exceededWindow(step, failures) : step.availability),
  nextFor: (failure, branches) => ErrorBranch.nextFor(failure, ErrorBranch.arrive(failure.step, branches)),
}

/** After a context window was exceeded, only a larger window is worth trying, or one of unknown size. */
const exceededWindow = (step: Step, failures: ReadonlyArray<FailedStep>): SkipReason | undefined => {
  const window = step.leaf.candidate.deployment.capabilities?.contextWindow
  if (window === undefined) return undefined
  for (const failure of failures) {
    if (failure._tag !== "Failed" || actionFor(failure.error.reason).fallback !== "larger-window") continue
    const exceeded = failure.step.leaf.candidate.deployment.capabilities?.contextWindow
    if (exceeded !== undefined && window <= exceeded)
      return { _tag: "ContextWindowTooSmall", tokens: exceeded + 1, window }
  }
  return undefined
}

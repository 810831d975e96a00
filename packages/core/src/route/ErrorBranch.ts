/**
 * The error branches of a route (`Route.onError`): the steps that are tried after failures for certain reasons, such as a
 * larger model after `ContextWindowExceeded`.
 *
 * A call moves forward through its plan. A branch comes after the route that it belongs to, and taking it skips the steps
 * between. The functions here are pure.
 */
import type { ErrorBranch, FailedStep, Step } from "./Plan.ts"
import { actionFor } from "../model/ProviderError.ts"
import type { Reason, ReasonTag } from "../model/ProviderError.ts"
import type { BranchSkip } from "../model/SkipReason.ts"
import { meaning } from "../model/SkipReason.ts"

/** The branches that a call has taken, and the one that it is skipping ahead to. */
export interface BranchState {
  readonly taken: ReadonlyArray<ErrorBranch>
  readonly to: { readonly branch: ErrorBranch; readonly after: ReasonTag } | undefined
}

/** The state of a call that has taken no branch. */
export const noBranch: BranchState = { taken: [], to: undefined }

/** Why the step is skipped because of branches; `undefined` if it is not. */
export const skipReason = (
  step: Step,
  failures: ReadonlyArray<FailedStep>,
  state: BranchState,
): BranchSkip | undefined => {
  if (state.to !== undefined && step.branch !== state.to.branch) return { _tag: "BranchTaken", after: state.to.after }
  if (step.branch !== undefined && !state.taken.includes(step.branch)) {
    return { _tag: "BranchNotTaken", after: step.branch.after }
  }
  // A fallback may name a deployment twice on purpose. With branches, several paths may lead to it by accident.
  const tried =
    state.taken.length > 0 &&
    failures.some(
      (failure) => failure._tag === "Failed" && failure.step.leaf.candidate.name === step.leaf.candidate.name,
    )
  return tried ? { _tag: "AlreadyFailed" } : undefined
}

/** The state at a step: skipping ahead ends at the first step of the branch. */
export const arrive = (step: Step, state: BranchState): BranchState =>
  state.to === undefined || state.to.branch !== step.branch ? state : { taken: state.taken, to: undefined }

/** The state after a failed or skipped step: it takes a branch, continues with the next step, or ends the call. */
export const nextFor = (failure: FailedStep, state: BranchState): BranchState | "end" => {
  const { leaf, errorBranches } = failure.step
  if (errorBranches.length > 0) {
    const reasons = failure._tag === "Failed" ? reasonsOf(failure.error.reason) : meaning(failure.reason).standsFor
    for (const branch of errorBranches) {
      const reason = branch.after.find((each) => reasons.includes(each))
      if (reason !== undefined) return { taken: [...state.taken, branch], to: { branch, after: reason } }
    }
  }
  if (failure._tag === "Skipped") return state
  const { fallback } = actionFor(failure.error.reason)
  if (fallback === "next" || fallback === "larger-window") return state
  return leaf.fallbackOn === "any" && !deadlineExceeded(failure.error.reason) ? state : "end"
}

const reasonsOf = (reason: Reason): ReadonlyArray<ReasonTag> => (deadlineExceeded(reason) ? none : [reason._tag])

/** Whether the deadline of the call has passed: no further step is tried, whatever the route. */
export const deadlineExceeded = (reason: Reason): boolean => reason._tag === "Timeout" && reason.phase === "total"

const none: ReadonlyArray<ReasonTag> = []

/**
 * The branches of a route: where a failure leads that the route has an answer of its own for, such as a larger model for
 * what is too long.
 *
 * A call's way through its plan is forward only: a branch stands after the route it rescues, and taking it passes over
 * what lies between. Everything here is a pure function of the step and of the way so far.
 */
import type { ErrorBranch, FailedStep, Step } from "./Plan.ts"
import { actionFor } from "../model/ProviderError.ts"
import type { Reason, ReasonTag } from "../model/ProviderError.ts"
import type { BranchSkip } from "../model/SkipReason.ts"
import { meaning } from "../model/SkipReason.ts"

/** A call's way so far: the branches it has taken, and the one it is on the way to. */
export interface BranchState {
  readonly taken: ReadonlyArray<ErrorBranch>
  readonly to: { readonly branch: ErrorBranch; readonly after: ReasonTag } | undefined
}

/** The way of a call that has taken no branch. */
export const noBranch: BranchState = { taken: [], to: undefined }

/** Why the way leads past this step, if it does. */
export const skipReason = (
  step: Step,
  failures: ReadonlyArray<FailedStep>,
  way: BranchState,
): BranchSkip | undefined => {
  if (way.to !== undefined && step.branch !== way.to.branch) return { _tag: "BranchTaken", after: way.to.after }
  if (step.branch !== undefined && !way.taken.includes(step.branch)) {
    return { _tag: "BranchNotTaken", after: step.branch.after }
  }
  // A fallback may name a deployment twice on purpose; with branches, several ways lead to one by accident.
  const tried =
    way.taken.length > 0 &&
    failures.some((miss) => miss._tag === "Failed" && miss.step.leaf.candidate === step.leaf.candidate)
  return tried ? { _tag: "AlreadyFailed" } : undefined
}

/** The way once a step has been reached: whoever was on the way to its branch has arrived. */
export const arrive = (step: Step, way: BranchState): BranchState =>
  way.to === undefined || way.to.branch !== step.branch ? way : { taken: way.taken, to: undefined }

/** Where a miss leads: to a branch, on to the next step, or nowhere. */
export const nextFor = (miss: FailedStep, way: BranchState): BranchState | "end" => {
  const { leaf, errorBranches } = miss.step
  if (errorBranches.length > 0) {
    const reasons = miss._tag === "Failed" ? reasonsOf(miss.error.reason) : meaning(miss.reason).standsFor
    for (const branch of errorBranches) {
      const reason = branch.after.find((each) => reasons.includes(each))
      if (reason !== undefined) return { taken: [...way.taken, branch], to: { branch, after: reason } }
    }
  }
  if (miss._tag === "Skipped") return way
  const { fallback } = actionFor(miss.error.reason)
  if (fallback === "next" || fallback === "larger-window") return way
  return leaf.fallbackOn === "any" && !deadlineExceeded(miss.error.reason) ? way : "end"
}

const reasonsOf = (reason: Reason): ReadonlyArray<ReasonTag> => (deadlineExceeded(reason) ? none : [reason._tag])

/** Whether the call's own time is up: nobody is asked any more, whatever the route says. */
const deadlineExceeded = (reason: Reason): boolean => reason._tag === "Timeout" && reason.phase === "total"

const none: ReadonlyArray<ReasonTag> = []

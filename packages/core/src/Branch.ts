/**
 * The branches of a route: where a failure leads that the route has an answer of its own for, such as a larger model for
 * what is too long.
 *
 * A call's way through its plan is forward only: a branch stands after the route it rescues, and taking it passes over
 * what lies between. Everything here is a pure function of the step and of the way so far.
 */
import type { Refusal } from "./Admission.ts"
import type { Miss } from "./Fallback.ts"
import type { Step, Verdict } from "./Plan.ts"
import { judge, opening } from "./ProviderError.ts"
import type { Reason, ReasonTag } from "./ProviderError.ts"

/** A branch of one call's plan, the same object in every step that leads to it or stands in it. */
export interface Branch {
  readonly after: ReadonlyArray<ReasonTag>
}

/** Why the way led past a candidate that could have been asked. */
export type Unreached =
  /** It stands in a branch, and nothing failed for a reason of that branch. */
  | { readonly _tag: "Awaits"; readonly after: ReadonlyArray<ReasonTag> }
  /** A failure for this reason led to a branch further on. */
  | { readonly _tag: "Diverted"; readonly after: ReasonTag }
  /** The call has taken a branch, and this deployment had already failed in it. */
  | { readonly _tag: "Tried" }

/** A call's way so far: the branches it has taken, and the one it is on the way to. */
export interface Way {
  readonly taken: ReadonlyArray<Branch>
  readonly to: { readonly branch: Branch; readonly after: ReasonTag } | undefined
}

/** The way of a call that has taken no branch. */
export const straight: Way = { taken: [], to: undefined }

/** Why the way leads past this step, if it does. */
export const past = (step: Step, misses: ReadonlyArray<Miss>, way: Way): Unreached | undefined => {
  if (way.to !== undefined && step.within !== way.to.branch) return { _tag: "Diverted", after: way.to.after }
  if (step.within !== undefined && !way.taken.includes(step.within)) {
    return { _tag: "Awaits", after: step.within.after }
  }
  // A fallback may name a deployment twice on purpose; with branches, several ways lead to one by accident.
  const tried =
    way.taken.length > 0 &&
    misses.some((miss) => miss._tag === "Failed" && miss.step.leaf.candidate === step.leaf.candidate)
  return tried ? { _tag: "Tried" } : undefined
}

/** The way once a step has been reached: whoever was on the way to its branch has arrived. */
export const reached = (step: Step, way: Way): Way =>
  way.to === undefined || way.to.branch !== step.within ? way : { taken: way.taken, to: undefined }

/** Where a miss leads: to a branch, on to the next step, or nowhere. */
export const after = (miss: Miss, way: Way): Way | "end" => {
  const { leaf, rescues } = miss.step
  if (rescues.length > 0) {
    const reasons = miss._tag === "Failed" ? because(miss.error.reason) : foreseen(miss.verdict)
    for (const branch of rescues) {
      const reason = branch.after.find((each) => reasons.includes(each))
      if (reason !== undefined) return { taken: [...way.taken, branch], to: { branch, after: reason } }
    }
  }
  if (miss._tag === "PassedOver") return way
  const { next } = judge(miss.error.reason)
  if (next === "next" || next === "larger-window") return way
  return leaf.moveOn === "any" && !isOver(miss.error.reason) ? way : "end"
}

const because = (reason: Reason): ReadonlyArray<ReasonTag> => (isOver(reason) ? none : [reason._tag])

/** Whether the call's own time is up: nobody is asked any more, whatever the route says. */
const isOver = (reason: Reason): boolean => reason._tag === "Timeout" && reason.phase === "total"

/**
 * The reasons that a candidate would have failed for, had it been asked: too long for its window, resting or at a limit,
 * a circuit opened by failures of which any may have been the last.
 */
export const foreseen = (
  verdict: Exclude<Verdict, { readonly _tag: "Ready" }> | Refusal | Unreached,
): ReadonlyArray<ReasonTag> => {
  switch (verdict._tag) {
    case "TooLarge":
      return ["ContextWindowExceeded"]
    case "Cannot":
      return ["Unsupported"]
    case "Resting":
    case "Limited":
    case "Busy":
      return ["RateLimited"]
    case "CircuitOpen":
    case "Probing":
      return opening
    case "Never":
    case "Awaits":
    case "Diverted":
    case "Tried":
      return none
  }
}

const none: ReadonlyArray<ReasonTag> = []

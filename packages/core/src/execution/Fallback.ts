/**
 * The chain: candidates folded right to left over `Effect.catch`, each link deciding from the typed reason whether the
 * next one is asked.
 */
import * as Effect from "effect/Effect"
import type { Rejected } from "../model/SkipReason.ts"
import * as ErrorBranch from "../route/ErrorBranch.ts"
import type { RetryBudget } from "../policy/RetryBudget.ts"
import * as Hedge from "./Hedge.ts"
import type { Step, Availability, FailedStep } from "../route/Plan.ts"
import { actionFor } from "../model/ProviderError.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import type { Skipped } from "../receipt/Receipt.ts"

/** Every candidate that did not answer, in order: the error of a chain that came to its end. */
export interface Exhausted {
  readonly _tag: "Exhausted"
  readonly failures: ReadonlyArray<FailedStep>
}

/** A place in a race; `beside` is who is raced against, where this one starts before anybody has failed. */
export interface HedgeSlot extends Pick<Hedge.Slot, "claim" | "onWait"> {
  readonly beside: Step | undefined
}

/** What a chain asks of whoever runs it: to try a step, and to hear which steps are passed over. */
export interface StepRunner<A, R> {
  /** `slot` is given to those who race others. */
  readonly attempt: (
    step: Step,
    failures: ReadonlyArray<FailedStep>,
    slot?: HedgeSlot,
  ) => Effect.Effect<A, ProviderError | Rejected, R>
  readonly onSkipped: (step: Step, verdict: Skipped["reason"]) => void
}

/**
 * Asks each step in turn until one answers. A step is passed over when its plan says so, when the way leads past it, or
 * when an earlier failure says that it would fail alike; the chain ends at a failure that no other candidate could cure.
 */
export const run = <A, R>(steps: ReadonlyArray<Step>, running: StepRunner<A, R>): Effect.Effect<A, Exhausted, R> => {
  type Link = (failures: ReadonlyArray<FailedStep>, way: ErrorBranch.BranchState) => Effect.Effect<A, Exhausted, R>
  const end: Link = (failures) => Effect.fail({ _tag: "Exhausted", failures })
  const raced =
    (group: ReadonlyArray<Step>, budget: RetryBudget, next: Link): Link =>
    (failures, way) => {
      const left = new Set(group)
      const racers = group.map((step) => ({
        delay: step.hedge?.delay ?? 0,
        run: (lost: ReadonlyArray<FailedStep>, { racingWith, instead, ...slot }: Hedge.Slot) =>
          Effect.suspend(() => {
            left.delete(step)
            // Whoever follows one that was skipped starts for the reason that the skipped one did.
            const follows = instead && lost.at(-1)?._tag === "Failed"
            const slow = racingWith === undefined || follows ? undefined : group[racingWith]
            return ask(step, [...failures, ...lost], way, running, { ...slot, beside: slow })
          }),
      }))
      const onward = (miss: FailedStep) => ErrorBranch.nextFor(miss, ErrorBranch.arrive(miss.step, way))
      const ends = (miss: FailedStep): boolean => {
        const whereTo = onward(miss)
        return whereTo === "end" || (whereTo.to !== undefined && whereTo.to !== way.to)
      }
      return Effect.catch(Hedge.race(racers, { budget, ends }), (lost) => {
        const missed = [...failures, ...lost]
        const last = lost.at(-1)
        const whereTo = last === undefined ? way : onward(last)
        if (whereTo === "end") return end(missed, way)
        if (whereTo.to !== undefined) {
          for (const step of left) running.onSkipped(step, { _tag: "BranchTaken", after: whereTo.to.after })
        }
        return next(missed, whereTo)
      })
    }
  const chain = steps.reduceRight<Link>((next, step, index) => {
    if (step.hedge !== undefined) {
      // Those who race together are one link, at the place of the first.
      const { budget } = step.hedge
      if (steps[index - 1]?.hedge?.budget === budget) return next
      return raced(
        steps.slice(index).filter(({ hedge }) => hedge?.budget === budget),
        budget,
        next,
      )
    }
    return (failures, way) =>
      Effect.catch(ask(step, failures, way, running), (miss) => {
        const missed = [...failures, miss]
        const onward = ErrorBranch.nextFor(miss, ErrorBranch.arrive(step, way))
        return onward === "end" ? end(missed, way) : next(missed, onward)
      })
  }, end)
  return chain([], ErrorBranch.noBranch)
}

/** One step, with its miss in the error channel. */
const ask = <A, R>(
  step: Step,
  failures: ReadonlyArray<FailedStep>,
  way: ErrorBranch.BranchState,
  { attempt, onSkipped }: StepRunner<A, R>,
  slot?: HedgeSlot,
): Effect.Effect<A, FailedStep, R> => {
  const passOver = (verdict: Skipped["reason"]): FailedStep => {
    onSkipped(step, verdict)
    return { _tag: "Skipped", step, reason: verdict }
  }
  const unreached = ErrorBranch.skipReason(step, failures, way)
  if (unreached !== undefined) return Effect.fail(passOver(unreached))
  const verdict = step.availability._tag === "Available" ? wouldAlsoExceedWindow(step, failures) : step.availability
  if (verdict !== undefined && verdict._tag !== "Available") return Effect.fail(passOver(verdict))
  return Effect.mapError(attempt(step, failures, slot), (error) =>
    error._tag === "Refused" ? passOver(error.reason) : { _tag: "Failed", step, error },
  )
}

/** After a window was exceeded, only a larger one is worth asking, or one of unknown size. */
const wouldAlsoExceedWindow = (step: Step, failures: ReadonlyArray<FailedStep>): Availability | undefined => {
  const window = step.leaf.candidate.deployment.capabilities?.contextWindow
  if (window === undefined) return undefined
  for (const miss of failures) {
    if (miss._tag !== "Failed" || actionFor(miss.error.reason).fallback !== "larger-window") continue
    const exceeded = miss.step.leaf.candidate.deployment.capabilities?.contextWindow
    if (exceeded !== undefined && window <= exceeded)
      return { _tag: "ContextWindowTooSmall", tokens: exceeded + 1, window }
  }
  return undefined
}

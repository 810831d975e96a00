/**
 * The chain: candidates folded right to left over `Effect.catch`, each link deciding from the typed reason whether the
 * next one is asked.
 */
import * as Effect from "effect/Effect"
import type { Refused } from "./Admission.ts"
import * as Branch from "./Branch.ts"
import type { Budget } from "./Budget.ts"
import * as Hedge from "./Hedge.ts"
import type { Step, Verdict } from "./Plan.ts"
import { judge } from "./ProviderError.ts"
import type { ProviderError } from "./ProviderError.ts"
import type { PassedOver } from "./Receipt.ts"

/** A candidate that did not answer: it failed, or was passed over. */
export type Miss = { readonly step: Step } & (
  | { readonly _tag: "Failed"; readonly error: ProviderError }
  | { readonly _tag: "PassedOver"; readonly verdict: PassedOver["verdict"] }
)

/** Every candidate that did not answer, in order: the error of a chain that came to its end. */
export interface Exhausted {
  readonly _tag: "Exhausted"
  readonly misses: ReadonlyArray<Miss>
}

/** A place in a race; `beside` is who is raced against, where this one starts before anybody has failed. */
export interface Lane extends Pick<Hedge.Lane, "claim" | "waits"> {
  readonly beside: Step | undefined
}

/** What a chain asks of whoever runs it: to try a step, and to hear which steps are passed over. */
export interface Running<A, R> {
  /** `lane` is given to those who race others. */
  readonly attempt: (
    step: Step,
    misses: ReadonlyArray<Miss>,
    lane?: Lane,
  ) => Effect.Effect<A, ProviderError | Refused, R>
  readonly onPassedOver: (step: Step, verdict: PassedOver["verdict"]) => void
}

/**
 * Asks each step in turn until one answers. A step is passed over when its plan says so, when the way leads past it, or
 * when an earlier failure says that it would fail alike; the chain ends at a failure that no other candidate could cure.
 */
export const run = <A, R>(steps: ReadonlyArray<Step>, running: Running<A, R>): Effect.Effect<A, Exhausted, R> => {
  type Link = (misses: ReadonlyArray<Miss>, way: Branch.Way) => Effect.Effect<A, Exhausted, R>
  const end: Link = (misses) => Effect.fail({ _tag: "Exhausted", misses })
  const raced =
    (group: ReadonlyArray<Step>, budget: Budget, next: Link): Link =>
    (misses, way) => {
      const left = new Set(group)
      const racers = group.map((step) => ({
        delay: step.hedge?.delay ?? 0,
        run: (lost: ReadonlyArray<Miss>, { beside, instead, ...lane }: Hedge.Lane) =>
          Effect.suspend(() => {
            left.delete(step)
            // Whoever follows one that was skipped starts for the reason that the skipped one did.
            const follows = instead && lost.at(-1)?._tag === "Failed"
            const slow = beside === undefined || follows ? undefined : group[beside]
            return ask(step, [...misses, ...lost], way, running, { ...lane, beside: slow })
          }),
      }))
      const onward = (miss: Miss) => Branch.after(miss, Branch.reached(miss.step, way))
      const ends = (miss: Miss): boolean => {
        const whereTo = onward(miss)
        return whereTo === "end" || (whereTo.to !== undefined && whereTo.to !== way.to)
      }
      return Effect.catch(Hedge.race(racers, { budget, ends }), (lost) => {
        const missed = [...misses, ...lost]
        const last = lost.at(-1)
        const whereTo = last === undefined ? way : onward(last)
        if (whereTo === "end") return end(missed, way)
        if (whereTo.to !== undefined) {
          for (const step of left) running.onPassedOver(step, { _tag: "Diverted", after: whereTo.to.after })
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
    return (misses, way) =>
      Effect.catch(ask(step, misses, way, running), (miss) => {
        const missed = [...misses, miss]
        const onward = Branch.after(miss, Branch.reached(step, way))
        return onward === "end" ? end(missed, way) : next(missed, onward)
      })
  }, end)
  return chain([], Branch.straight)
}

/** One step, with its miss in the error channel. */
const ask = <A, R>(
  step: Step,
  misses: ReadonlyArray<Miss>,
  way: Branch.Way,
  { attempt, onPassedOver }: Running<A, R>,
  lane?: Lane,
): Effect.Effect<A, Miss, R> => {
  const passOver = (verdict: PassedOver["verdict"]): Miss => {
    onPassedOver(step, verdict)
    return { _tag: "PassedOver", step, verdict }
  }
  const unreached = Branch.past(step, misses, way)
  if (unreached !== undefined) return Effect.fail(passOver(unreached))
  const verdict = step.verdict._tag === "Ready" ? wouldFailAlike(step, misses) : step.verdict
  if (verdict !== undefined && verdict._tag !== "Ready") return Effect.fail(passOver(verdict))
  return Effect.mapError(attempt(step, misses, lane), (error) =>
    error._tag === "Refused" ? passOver(error.refusal) : { _tag: "Failed", step, error },
  )
}

/** After a window was exceeded, only a larger one is worth asking, or one of unknown size. */
const wouldFailAlike = (step: Step, misses: ReadonlyArray<Miss>): Verdict | undefined => {
  const window = step.leaf.candidate.deployment.capabilities?.contextWindow
  if (window === undefined) return undefined
  for (const miss of misses) {
    if (miss._tag !== "Failed" || judge(miss.error.reason).next !== "larger-window") continue
    const exceeded = miss.step.leaf.candidate.deployment.capabilities?.contextWindow
    if (exceeded !== undefined && window <= exceeded) return { _tag: "TooLarge", tokens: exceeded + 1, window }
  }
  return undefined
}

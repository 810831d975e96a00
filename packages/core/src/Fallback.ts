/**
 * The chain: candidates folded right to left over `Effect.catch`, each link deciding from the typed reason whether the
 * next one is asked.
 */
import * as Effect from "effect/Effect"
import type { Refused } from "./Admission.ts"
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

/**
 * Asks each step in turn until one answers. A step is passed over when its plan says so, or when an earlier failure says
 * that it would fail alike; the chain stops at a failure that no other candidate could cure.
 */
export const run = <A, R>(
  steps: ReadonlyArray<Step>,
  attempt: (step: Step, misses: ReadonlyArray<Miss>) => Effect.Effect<A, ProviderError | Refused, R>,
  onPassedOver: (step: Step, verdict: PassedOver["verdict"]) => void,
): Effect.Effect<A, Exhausted, R> => {
  type Link = (misses: ReadonlyArray<Miss>) => Effect.Effect<A, Exhausted, R>
  const end: Link = (misses) => Effect.fail({ _tag: "Exhausted", misses })
  const chain = steps.reduceRight<Link>(
    (next, step) => (misses) => {
      const passOver = (verdict: PassedOver["verdict"]) => {
        onPassedOver(step, verdict)
        return next([...misses, { _tag: "PassedOver", step, verdict }])
      }
      const verdict = step.verdict._tag === "Ready" ? wouldFailAlike(step, misses) : step.verdict
      if (verdict !== undefined && verdict._tag !== "Ready") return passOver(verdict)
      return Effect.catch(attempt(step, misses), (error) => {
        if (error._tag === "Refused") return passOver(error.refusal)
        const missed: ReadonlyArray<Miss> = [...misses, { _tag: "Failed", step, error }]
        const { next: whereTo } = judge(error.reason)
        return whereTo === "next" || whereTo === "larger-window" ? next(missed) : end(missed)
      })
    },
    end,
  )
  return chain([])
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

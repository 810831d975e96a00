/** The whole scorecard: every fault, every pair and the recovery, for every vendor. */
import * as Effect from "effect/Effect"
import type { Score } from "./Document.ts"
import * as Faults from "./Faults.ts"
import * as Pairs from "./Pairs.ts"
import * as Recovery from "./Recovery.ts"
import type { Outcome } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import { vendors } from "./Vendor.ts"

/** Plays it all. Complaints are a line each. */
export const play = Effect.gen(function* () {
  const complaints: Array<string> = []
  const hear = (outcomes: ReadonlyArray<Outcome>, against: (outcome: Outcome) => ReadonlyArray<string>) => {
    for (const outcome of outcomes) {
      const { backup, mode, primary, setting, vendor } = outcome.trial
      for (const complaint of against(outcome)) {
        complaints.push(`${vendor}, ${mode}, ${setting}: ${primary} with ${backup} behind it: ${complaint}`)
      }
    }
    return outcomes
  }
  const faults: Partial<Record<(typeof vendors)[number], ReadonlyArray<Outcome>>> = {}
  const pairs: Array<Outcome> = []
  for (const vendor of vendors) {
    faults[vendor] = hear(yield* Trial.playAll(Faults.trials(vendor)), Faults.complaints)
    pairs.push(...hear(yield* Trial.playAll(Pairs.trials(vendor)), Pairs.complaints))
    for (const complaint of Recovery.complaints(yield* Recovery.play(vendor))) {
      complaints.push(`${vendor}, recovery: ${complaint}`)
    }
  }
  return { faults: faults as Score["faults"], pairs, complaints }
})

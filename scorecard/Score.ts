/** The scorecard: every fault, every pair, every break and the recovery, for every dialect and every vendor. */
import * as Effect from "effect/Effect"
import * as Breaks from "./Breaks.ts"
import * as Dialect from "./Dialect.ts"
import type { Score } from "./Document.ts"
import * as Faults from "./Faults.ts"
import * as Handover from "./Handover.ts"
import * as Leaving from "./Leaving.ts"
import * as Pairs from "./Pairs.ts"
import * as Recovery from "./Recovery.ts"
import type { Outcome } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"
import { vendors } from "./Vendor.ts"

/** What a trial's complaint begins with. */
const title = ({ backup, behind, dialect, mode, primary, setting, vendor }: Trial.Trial): string =>
  `${dialect}, ${mode}, ${setting}: ${primary} at ${vendor} with ${backup} at ${behind} behind it`

interface Kind {
  readonly trials: typeof Faults.trials
  readonly complaints: (outcome: Outcome) => ReadonlyArray<string>
}

type Who = ReadonlyArray<readonly [Dialect.Name, Vendor]>

/** Every dialect with every vendor. */
const everybody: Who = Dialect.names.flatMap((dialect) => vendors.map((vendor) => [dialect, vendor] as const))

/** For what is the same in every dialect: every vendor in the first, one in the others. */
const few: Who = everybody.filter(([dialect, vendor]) => dialect === Dialect.first || vendor === vendors[0])

/** The number of concurrent stages. */
const played = (who: Who, { complaints, trials }: Kind) =>
  Effect.map(
    Effect.forEach(who, ([dialect, vendor]) => Trial.playAll(trials(dialect, vendor)), { concurrency: 4 }),
    (all) => {
      const outcomes = all.flat()
      return {
        outcomes,
        complaints: outcomes.flatMap((outcome) =>
          complaints(outcome).map((complaint) => `${title(outcome.trial)}: ${complaint}`),
        ),
      }
    },
  )

/** Plays it all. Complaints are a line each. */
export const play = Effect.gen(function* () {
  // Trials with a time limit are played first and alone, because concurrent calls would delay them.
  const leaving = (yield* Effect.forEach(few, ([dialect, vendor]) => Leaving.playAll(dialect, vendor))).flat()
  const recovery = yield* Effect.forEach(
    vendors,
    (vendor) =>
      Effect.map(Recovery.play(vendor), (seen) =>
        Recovery.complaints(seen).map((complaint) => `${vendor}, recovery: ${complaint}`),
      ),
    { concurrency: "unbounded" },
  )
  const { breaks, faults, handovers, pairs } = yield* Effect.all(
    {
      faults: played(everybody, Faults),
      handovers: played(everybody, Handover),
      pairs: played(few, Pairs),
      breaks: played(everybody, Breaks),
    },
    { concurrency: "unbounded" },
  )
  const score: Score = {
    faults: faults.outcomes,
    handovers: handovers.outcomes,
    pairs: pairs.outcomes,
    breaks: breaks.outcomes,
    leaving,
  }
  return {
    ...score,
    complaints: [
      ...[faults, handovers, pairs, breaks].flatMap(({ complaints }) => complaints),
      ...leaving.flatMap(Leaving.complaint),
      ...recovery.flat(),
    ],
  }
})

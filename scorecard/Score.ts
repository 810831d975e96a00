/** The scorecard: every fault, every pair, every break and the recovery, for every dialect and every vendor; and the other operations. */
import * as Effect from "effect/Effect"
import * as Breaks from "./Breaks.ts"
import * as Dialect from "./Dialect.ts"
import type { Score } from "./Document.ts"
import * as Faults from "./Faults.ts"
import * as Handover from "./Handover.ts"
import * as Leaving from "./Leaving.ts"
import * as Operations from "./Operations.ts"
import * as Pairs from "./Pairs.ts"
import * as Recovery from "./Recovery.ts"
import type { Outcome } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"
import { vendors } from "./Vendor.ts"

/** What a trial's complaint begins with. */
const title = ({ backup, behind, dialect, mode, primary, setting, vendor }: Trial.Trial): string =>
  `${dialect}, ${mode}, ${setting}: ${primary} at ${vendor} with ${backup} at ${behind} behind it`

type Who = ReadonlyArray<readonly [Dialect.Name, Vendor]>

/** Every dialect with every vendor. */
const everybody: Who = Dialect.names.flatMap((dialect) => vendors.map((vendor) => [dialect, vendor] as const))

/** For what is the same in every dialect: every vendor in the first, one in the others. */
const few: Who = everybody.filter(([dialect, vendor]) => dialect === Dialect.first || vendor === vendors[0])

const stages = (who: Who, { trials }: { readonly trials: typeof Faults.trials }) =>
  who.map(([dialect, vendor]) => trials(dialect, vendor))

/** Plays these, each on a stage of its own, four stages at a time. */
const played = (
  stages: ReadonlyArray<ReadonlyArray<Trial.Trial>>,
  complaints: (outcome: Outcome) => ReadonlyArray<string>,
) =>
  Effect.map(Effect.forEach(stages, Trial.playAll, { concurrency: 4 }), (all) => {
    const outcomes = all.flat()
    return {
      outcomes,
      complaints: outcomes.flatMap((outcome) =>
        complaints(outcome).map((complaint) => `${title(outcome.trial)}: ${complaint}`),
      ),
    }
  })

/** Plays it all. Complaints are a line each. */
export const play = Effect.gen(function* () {
  // Trials with a time limit are played first and alone, because concurrent calls would delay them.
  const leaving = [
    ...(yield* Effect.forEach(few, ([dialect, vendor]) => Leaving.playAll(dialect, vendor))),
    ...(yield* Effect.forEach(Operations.operations, Operations.leaving)),
  ].flat()
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
      faults: played(stages(everybody, Faults), Faults.complaints),
      handovers: played(stages(everybody, Handover), Handover.complaints),
      pairs: played(stages(few, Pairs), Pairs.complaints),
      breaks: played(stages(everybody, Breaks), Breaks.complaints),
    },
    { concurrency: "unbounded" },
  )
  // Not beside the others: more concurrent calls would delay what has a time limit.
  const operations = yield* Effect.all(
    {
      faults: played(Operations.operations.map(Operations.trials), Operations.complaints),
      pairs: played(Operations.pairs, Pairs.complaints),
    },
    { concurrency: "unbounded" },
  )
  const score: Score = {
    faults: faults.outcomes,
    handovers: handovers.outcomes,
    pairs: [...pairs.outcomes, ...operations.pairs.outcomes],
    breaks: breaks.outcomes,
    operations: operations.faults.outcomes,
    leaving,
  }
  return {
    ...score,
    complaints: [
      ...[faults, handovers, pairs, breaks, operations.faults, operations.pairs].flatMap(
        ({ complaints }) => complaints,
      ),
      ...leaving.flatMap(Leaving.complaint),
      ...recovery.flat(),
    ],
  }
})

/** The whole scorecard: every fault, every pair, every break and the recovery, for every dialect and every vendor. */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Breaks from "./Breaks.ts"
import * as Dialect from "./Dialect.ts"
import type { Score } from "./Document.ts"
import * as Faults from "./Faults.ts"
import * as Leaving from "./Leaving.ts"
import * as Pairs from "./Pairs.ts"
import * as Recovery from "./Recovery.ts"
import type { Outcome } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import { vendors } from "./Vendor.ts"

/** Faults that are waited for take a second or more, and no work: it is they that this takes its time for. */
const pool: Trial.Pool = { working: Semaphore.makeUnsafe(4), waiting: Semaphore.makeUnsafe(40) }

/** What a trial's complaint begins with. */
const title = ({ backup, dialect, mode, primary, setting, vendor }: Trial.Trial): string =>
  `${dialect}, ${vendor}, ${mode}, ${setting}: ${primary} with ${backup} behind it`

interface Kind {
  readonly trials: typeof Faults.trials
  readonly complaints: (outcome: Outcome) => ReadonlyArray<string>
}

/** Every dialect with every vendor. */
const everybody = Dialect.names.flatMap((dialect) => vendors.map((vendor) => [dialect, vendor] as const))

const played = ({ complaints, trials }: Kind) =>
  Effect.map(
    Effect.forEach(everybody, ([dialect, vendor]) => Trial.playAll(pool, trials(dialect, vendor)), {
      concurrency: "unbounded",
    }),
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
  // What has to come in time is played first, and alone: a second is long, but not beside a thousand other calls.
  const leaving = (yield* Effect.forEach(everybody, ([dialect, vendor]) => Leaving.playAll(dialect, vendor))).flat()
  const recovery = yield* Effect.forEach(vendors, (vendor) =>
    Effect.map(Recovery.play(vendor), (seen) =>
      Recovery.complaints(seen).map((complaint) => `${vendor}, recovery: ${complaint}`),
    ),
  )
  const [faults, pairs, breaks] = yield* Effect.all([played(Faults), played(Pairs), played(Breaks)], {
    concurrency: "unbounded",
  })
  const score: Score = { faults: faults.outcomes, pairs: pairs.outcomes, breaks: breaks.outcomes, leaving }
  return {
    ...score,
    complaints: [
      ...faults.complaints,
      ...pairs.complaints,
      ...breaks.complaints,
      ...leaving.flatMap(Leaving.complaint),
      ...recovery.flat(),
    ],
  }
})

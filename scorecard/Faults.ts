/** Every fault of the fault server at the primary, with a sound backup: plain and streamed, for each vendor and setting. */
import type { Protect } from "@understudy/core/Protection"
import { protects } from "@understudy/core/Protection"
import { names } from "@understudy/providers/testing/Name"
import type * as Dialect from "./Dialect.ts"
import type { Mode } from "./Expected.ts"
import * as Expected from "./Expected.ts"
import type { Outcome } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"

/** How a caller asks, and under which setting: a plain answer is whole or not there, so that `protect` says nothing of it. */
export interface Column {
  readonly mode: Mode
  readonly setting: Protect
}

export const columns: ReadonlyArray<Column> = [
  { mode: "plain", setting: "preamble" },
  ...protects.map((setting): Column => ({ mode: "stream", setting })),
]

export const trials = (dialect: Dialect.Name, vendor: Vendor): ReadonlyArray<Trial.Trial> =>
  names.flatMap((primary) =>
    columns.map(({ mode, setting }) => ({
      dialect,
      vendor,
      setting,
      mode,
      primary,
      backup: "ok",
      retries: true,
      oneText: setting === "continue",
    })),
  )

/** What an outcome has against it; none if it is as expected. */
export const complaints = (outcome: Outcome): ReadonlyArray<string> => {
  const { backup, complaints, primary, trial } = outcome
  const expected = Expected.of(trial.primary, trial.mode, trial.setting)
  if (expected === undefined) return ["nobody has said what is expected of it"]
  const [answer, first, second] = expected
  const seen = Trial.answer(outcome)
  return [
    ...complaints,
    ...(seen === answer ? [] : [`${seen}, not ${answer}`]),
    ...(primary.length === first && backup.length === second
      ? []
      : [`${primary.length} + ${backup.length} attempts, not ${first} + ${second}`]),
  ]
}

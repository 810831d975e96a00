/** Every fault of the fault server at the primary, with a sound backup: plain and streamed, for each vendor and setting. */
import { names } from "@understudy/providers/testing/Name"
import type { Mode } from "./Expected.ts"
import * as Expected from "./Expected.ts"
import type { Outcome, Setting } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"

/** How a caller asks, and under which setting: a plain answer is whole or not there, so that `protect` says nothing of it. */
export interface Column {
  readonly mode: Mode
  readonly setting: Setting
}

export const columns: ReadonlyArray<Column> = [
  { mode: "plain", setting: "preamble" },
  ...(Object.keys(Trial.settings) as Array<Setting>).map((setting): Column => ({ mode: "stream", setting })),
]

export const trials = (vendor: Vendor): ReadonlyArray<Trial.Trial> =>
  names.flatMap((primary) =>
    columns.map(({ mode, setting }) => ({ vendor, setting, mode, primary, backup: "ok", retries: true })),
  )

/** What an outcome has against it; none if it is as expected. */
export const complaints = ({ backup, complaints, primary, trial, verdict }: Outcome): ReadonlyArray<string> => {
  const expected = Expected.of(trial.primary, trial.mode)
  if (expected === undefined) return ["nobody has said what is expected of it"]
  const [answer, first, second] = expected
  const seen = Trial.answer(verdict)
  return [
    ...complaints,
    ...(seen === answer ? [] : [`${seen}, not ${answer}`]),
    ...(primary.length === first && backup.length === second
      ? []
      : [`${primary.length} + ${backup.length} attempts, not ${first} + ${second}`]),
  ]
}

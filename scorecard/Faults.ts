/** Every fault at the primary, with a working backup: complete and streamed, for each vendor and `protect`. */
import type { Protect } from "@understudy/core/Policies"
import { protects } from "@understudy/core/Policies"
import { names } from "@understudy/providers/internal/testing/FaultName"
import * as Dialect from "./Dialect.ts"
import type { Mode } from "./Expected.ts"
import * as Expected from "./Expected.ts"
import type { Outcome } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"

/** The mode of a call and its `protect`, which has no effect on complete responses. */
export interface Column {
  readonly mode: Mode
  readonly setting: Protect
}

export const columns: ReadonlyArray<Column> = [
  { mode: "plain", setting: "preamble" },
  ...protects.map((setting): Column => ({ mode: "stream", setting })),
]

/** In any dialect but the first, a setting is tried where it has a say. */
const isTried = (dialect: Dialect.Name, fault: string, { setting }: Column): boolean =>
  dialect === Dialect.first || setting === "preamble" || Expected.isPastCommit(fault)

export const trials = (dialect: Dialect.Name, vendor: Vendor): ReadonlyArray<Trial.Trial> =>
  names.flatMap((primary) =>
    columns
      .filter((column) => isTried(dialect, primary, column))
      .map(({ mode, setting }) => ({
        dialect,
        vendor,
        behind: vendor,
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
  const { mode, primary, setting } = outcome.trial
  const expected = Expected.of(primary, mode, setting)
  return expected === undefined ? ["nobody has said what is expected of it"] : Trial.against(outcome, expected)
}

/**
 * Faults at a primary of one vendor with a working backup of another, for every pair of vendors: a stream that began with
 * events passed through from the primary may continue, or end, with events written by the gateway.
 */
import type * as Dialect from "./Dialect.ts"
import type { Column } from "./Faults.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"
import { vendors } from "./Vendor.ts"

interface Fault extends Column {
  readonly primary: string
}

/** Faults before any event, after the preamble, and after the first output. */
export const faults: ReadonlyArray<Fault> = [
  { primary: "503", mode: "plain", setting: "preamble" },
  { primary: "error-event-after-0", mode: "stream", setting: "preamble" },
  { primary: "cut-3", mode: "stream", setting: "full" },
  { primary: "cut-3", mode: "stream", setting: "continue" },
  { primary: "eof-no-finish", mode: "stream", setting: "continue" },
  { primary: "error-event-after-2", mode: "stream", setting: "continue" },
]

export const trials = (dialect: Dialect.Name, vendor: Vendor): ReadonlyArray<Trial.Trial> =>
  vendors
    .filter((behind) => behind !== vendor)
    .flatMap((behind) =>
      faults.map((fault) => ({
        ...fault,
        dialect,
        vendor,
        behind,
        backup: "ok",
        retries: false,
        oneText: fault.setting === "continue",
      })),
    )

/** What an outcome has against it; none if it is as expected. */
export const complaints = (outcome: Trial.Outcome): ReadonlyArray<string> =>
  Trial.against(outcome, [outcome.trial.setting === "continue" ? "continued" : "backup", 1, 1])

/**
 * Streams that cannot be recovered although the route has recovery: the primary breaks after its first output, and the backup
 * fails too, or does not continue the text. The caller gets at most the beginning of one response, then the protocol's error:
 * never parts of two responses, and never a clean end.
 */
import type { Protect } from "@understudy/core/Policies"
import * as Dialect from "./Dialect.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"
import { after } from "./Vendor.ts"

/** The ways in which the primary breaks. */
const primaries = ["cut-3", "stall-3-pings", "eof-no-finish", "error-event-after-2"] as const

/** The backup's faults: those of the primary, and faults before any output. */
export const backups = [...primaries, "503", "invalid-request", "silent"] as const

/** Two faults, after the first output and before, for all dialects but the first. */
const examples: ReadonlyArray<string> = ["cut-3", "503"]

/** A backup without a fault whose text does not continue the primary's. */
export const other = "ok"

export const settings: ReadonlyArray<Protect> = ["continue", "full"]

/** The backup is another vendor's. */
export const trials = (dialect: Dialect.Name, vendor: Vendor): ReadonlyArray<Trial.Trial> =>
  primaries.flatMap((primary) => {
    const trial = { dialect, vendor, behind: after(vendor), mode: "stream", primary, retries: true } as const
    const failing = dialect === Dialect.first ? backups : examples
    return [
      ...settings.flatMap((setting) => failing.map((backup) => ({ ...trial, setting, backup, oneText: true }))),
      { ...trial, setting: "continue", backup: other, oneText: false },
    ]
  })

/** What is wrong with an outcome; none if it is as expected. The backup must be called once. */
export const complaints = (outcome: Trial.Outcome): ReadonlyArray<string> => Trial.against(outcome, ["broken", 1, 1])

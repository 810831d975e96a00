/**
 * Streams that nobody could rescue, where the route says that somebody should: the primary breaks after its first words,
 * and the backup fails too, or says something else than to go on. The caller gets the beginning of one answer at most,
 * then the protocol's error: never two halves of two answers, and never a clean end.
 */
import type { Protect } from "@understudy/core/Policies"
import * as Dialect from "./Dialect.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"
import { after } from "./Vendor.ts"

/** The ways in which the primary breaks. */
const primaries = ["cut-3", "stall-3-pings", "eof-no-finish", "error-event-after-2"] as const

/** The ways in which the backup does: the same, and before it has said anything. */
export const backups = [...primaries, "503", "invalid-request", "silent"] as const

/** Enough for any dialect but the first: after its first words and before. */
const examples: ReadonlyArray<string> = ["cut-3", "503"]

/** The backup that is well, but says something else than to go on: its words are another's. */
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

/** What an outcome has against it; none if it is as expected. Whoever takes over is asked once. */
export const complaints = (outcome: Trial.Outcome): ReadonlyArray<string> => Trial.against(outcome, ["broken", 1, 1])

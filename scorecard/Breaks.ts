/**
 * Streams that nobody could rescue, where the route says that somebody should: the primary breaks after its first words,
 * and the backup fails too, or says something else than to go on. The caller gets the beginning of one answer at most,
 * then the protocol's error: never two halves of two answers, and never a clean end.
 */
import type { Protect } from "@understudy/core/Protection"
import type * as Dialect from "./Dialect.ts"
import type { Outcome } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"

/** The ways in which the primary breaks. */
const primaries = ["cut-3", "stall-3-pings", "eof-no-finish", "error-event-after-2"] as const

/** The ways in which the backup does: the same, and before it has said anything. */
export const backups = [...primaries, "503", "invalid-request", "silent"] as const

/** The backup that is well, but says something else than to go on: its words are another's. */
export const other = "ok"

export const settings: ReadonlyArray<Protect> = ["continue", "full"]

export const trials = (dialect: Dialect.Name, vendor: Vendor): ReadonlyArray<Trial.Trial> =>
  primaries.flatMap((primary) => {
    const trial = { dialect, vendor, mode: "stream", primary, retries: true } as const
    return [
      ...settings.flatMap((setting) => backups.map((backup) => ({ ...trial, setting, backup, oneText: true }))),
      { ...trial, setting: "continue", backup: other, oneText: false },
    ]
  })

/** What an outcome has against it; none if it is as expected. Whoever takes over is asked once. */
export const complaints = (outcome: Outcome): ReadonlyArray<string> => {
  const { backup, complaints, primary } = outcome
  const seen = Trial.answer(outcome)
  return [
    ...complaints,
    ...(seen === "broken" ? [] : [`${seen}, not broken`]),
    ...(primary.length === 1 && backup.length === 1
      ? []
      : [`${primary.length} + ${backup.length} attempts, not 1 + 1`]),
  ]
}

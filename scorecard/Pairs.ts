/**
 * Pairs of faults: primary and backup both fail. The caller must get one status for both failures, never a 200 with an error
 * inside, and never a provider's own 401, 403 or 404.
 */
import * as Dialect from "./Dialect.ts"
import type { Mode } from "./Expected.ts"
import type { Outcome } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"
import { after } from "./Vendor.ts"

/** The kind of a fault, for the status of both failures. */
export type Kind = "rate limited" | "overloaded" | "timed out" | "failed" | "unsupported" | "client error"

/** Faults of every kind that end an attempt before its answer is committed. */
const faults: Readonly<Record<Mode, Readonly<Record<string, Kind>>>> = {
  plain: {
    "429-retry-after-1": "rate limited",
    "503": "overloaded",
    silent: "timed out",
    "server-error": "failed",
    reset: "failed",
    "cut-3": "failed",
    "html-502": "failed",
    "empty-200": "failed",
    "half-json": "failed",
    "bad-key": "failed",
    "unknown-model": "failed",
    "unsupported-parameter": "unsupported",
    "context-length": "client error",
    "content-policy": "client error",
    "invalid-request": "client error",
  },
  stream: {
    "429-retry-after-1": "rate limited",
    "error-event-first-rate-limit": "rate limited",
    "503": "overloaded",
    "error-event-first": "overloaded",
    "stall-0-pings": "timed out",
    reset: "failed",
    "cut-0": "failed",
    "error-event-first-server-error": "failed",
    "empty-200": "failed",
    "bad-key": "failed",
    "unsupported-parameter": "unsupported",
    "context-length": "client error",
    "content-policy": "client error",
  },
}

export const kinds: ReadonlyArray<Kind> = [
  "rate limited",
  "overloaded",
  "timed out",
  "failed",
  "unsupported",
  "client error",
]

export const kindOf = ({ mode }: Trial.Trial, fault: string): Kind => faults[mode][fault] ?? "failed"

/** One fault of every kind. */
const examples = (mode: Mode): ReadonlyArray<string> =>
  kinds.flatMap((kind) => Object.keys(faults[mode]).find((fault) => faults[mode][fault] === kind) ?? [])

/**
 * Every fault of every kind at the primary, one of every kind at the backup, which is another vendor's. All dialects but the
 * first use one of each at both: the status is decided before it is written in a dialect. Retries are off: the status does
 * not depend on the number of attempts.
 */
export const trials = (
  dialect: Trial.Trial["dialect"],
  vendor: Vendor,
  modes: ReadonlyArray<Mode> = ["plain", "stream"],
): ReadonlyArray<Trial.Trial> =>
  modes.flatMap((mode) =>
    (dialect === Dialect.first ? Object.keys(faults[mode]) : examples(mode)).flatMap((primary) =>
      examples(mode).map((backup): Trial.Trial => ({
        dialect,
        vendor,
        behind: after(vendor),
        setting: "preamble",
        mode,
        primary,
        backup,
        retries: false,
        oneText: false,
      })),
    ),
  )

/** The status that two kinds come to, by the design's rule. */
export const status = (primary: Kind, backup: Kind): number => {
  const told = [primary, backup].filter((kind) => kind !== "unsupported")
  const only = (kind: Kind): boolean => told.every((each) => each === kind)
  if (told.includes("client error") || told.length === 0) return 400
  if (only("rate limited")) return 429
  if (only("timed out")) return 504
  if (only("overloaded")) return 503
  return 502
}

/** Errors of the caller end the call, except those that a larger context window may cure. */
const stops: ReadonlySet<string> = new Set(["content-policy", "invalid-request"])

/** What an outcome has against it; none if it is as expected. */
export const complaints = (outcome: Outcome): ReadonlyArray<string> => {
  const { received, trial } = outcome
  const expected = status(kindOf(trial, trial.primary), kindOf(trial, trial.backup))
  return [
    ...Trial.against(outcome, [expected, 1, stops.has(trial.primary) ? 0 : 1]),
    ...(expected === 429 &&
    trial.primary === trial.backup &&
    trial.primary === "429-retry-after-1" &&
    received.headers["retry-after"] !== "1"
      ? [`Retry-After: ${received.headers["retry-after"]}, not 1`]
      : []),
  ]
}

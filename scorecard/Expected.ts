/**
 * The expected outcome of each fault with a working backup, by the failure table and the rules of streaming, for every
 * vendor. Every name of the fault server is here once.
 */
import type { Protect } from "@understudy/core/Policies"
import type { Operation } from "./Dialect.ts"

/** How a caller asks. */
export type Mode = "plain" | "stream"

/**
 * The deployment with the complete response (`continued`: begun by the primary, ended by the backup), an error status, or an
 * error in an open stream; and the number of requests to the primary and the backup.
 */
export type Expected = readonly [answer: Answer, primary: number, backup: number]

export type Answer = "primary" | "backup" | "continued" | "broken" | number

const whole: Expected = ["primary", 1, 0]
const retried: Expected = ["primary", 2, 0]
/** Two retries, then the backup. */
const usedUp: Expected = ["backup", 3, 1]
/** The backup at once: asking the primary again is worth nothing. */
const movedOn: Expected = ["backup", 1, 1]
const callers: Expected = [400, 1, 0]
/** Past the commit point: what becomes of it is the setting's to say. */
const broken = "past the commit point"

const past: Readonly<Record<Protect, Expected>> = {
  preamble: ["broken", 1, 0],
  continue: ["continued", 1, 1],
  full: movedOn,
}

const both = (expected: Expected) => ({ plain: expected, stream: expected })

const table: Readonly<Record<string, Readonly<Record<Mode, Expected | typeof broken>>>> = {
  ok: both(whole),
  "empty-text": both(whole),
  length: both(whole),
  "content-filter": both(whole),
  "tool-done": both(whole),
  "slow-first-token": both(whole),
  "429-once": both(retried),
  "429-forever": both(usedUp),
  "429-retry-after-1-once": both(movedOn),
  "429-retry-after-1": both(movedOn),
  "429-retry-after-date-1": both(movedOn),
  "429-retry-after-ms-50": both(usedUp),
  "429-retry-after-reset-50": both(usedUp),
  "500-once": both(retried),
  "503": both(usedUp),
  "rate-limit": both(usedUp),
  quota: both(movedOn),
  "bad-key": both(movedOn),
  forbidden: both(movedOn),
  "unknown-model": both(movedOn),
  "context-length": both(movedOn),
  "content-policy": both(callers),
  "invalid-request": both(callers),
  "unsupported-parameter": both(movedOn),
  timeout: both(movedOn),
  "server-error": both(usedUp),
  overloaded: both(usedUp),
  reset: both(usedUp),
  silent: both(movedOn),
  "cut-3": { plain: usedUp, stream: broken },
  "cut-3-reset": { plain: usedUp, stream: broken },
  "stall-3": { plain: movedOn, stream: broken },
  "stall-3-pings": { plain: movedOn, stream: broken },
  "malformed-event": both(whole),
  "no-done": both(whole),
  "eof-no-finish": { plain: whole, stream: broken },
  "error-event-first": { plain: whole, stream: usedUp },
  "error-event-after-2": { plain: whole, stream: broken },
  "html-502": both(usedUp),
  "empty-200": both(usedUp),
  "half-json": { plain: usedUp, stream: broken },
  // Two server errors, then an answer.
  "flapping-2": both(["primary", 3, 0]),
}

/** Whether the fault breaks a stream after its first output, so that `protect` matters. */
export const isPastCommit = (fault: string): boolean => table[fault]?.stream === broken

/** Faults of chat: finish reasons and tools. */
const ofChat: ReadonlySet<string> = new Set(["length", "content-filter", "tool-done"])

/** Faults of text and of events, which bytes do not have. */
const ofEvents: ReadonlySet<string> = new Set([
  "empty-text",
  "stall-3-pings",
  "malformed-event",
  "no-done",
  "eof-no-finish",
  "error-event-first",
  "error-event-after-2",
  "half-json",
])

/**
 * That of an operation besides chat, whatever `protect` says: no other deployment takes over after the first bytes. `undefined` for
 * a fault that it does not have.
 */
export const ofOperation = (fault: string, operation: Operation, mode: Mode): Expected | undefined => {
  if (ofChat.has(fault) || (operation === "speech" && ofEvents.has(fault))) return undefined
  // `[DONE]` alone tells that completions have ended; the others do not have it.
  if (fault === "no-done" && mode === "stream") return operation === "completions" ? past.preamble : undefined
  return of(fault, mode, "preamble")
}

/** `undefined` for a name without an expectation. */
export const of = (fault: string, mode: Mode, setting: Protect): Expected | undefined => {
  const expected = table[fault]?.[mode]
  return expected === broken ? past[setting] : expected
}

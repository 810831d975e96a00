/**
 * How long a whole call must be allowed to take so that its longest attempt has the time it was given.
 */
import * as Timeout from "@understudy/core/internal/policy/Timeout"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { parseDuration, printDuration } from "../config/DurationText.ts"

/** `defaults.timeout.total` for whatever has a `timeout` among these; `undefined` where the usual one will do. */
export const total = (places: ReadonlyArray<unknown>): string | undefined => {
  const longest = Duration.millis(Math.max(...places.map(attempt), 0))
  const usual = Duration.fromInputUnsafe(Timeout.defaults.total)
  return Duration.isGreaterThan(longest, usual) ? printDuration(longest) : undefined
}

const attempt = (place: unknown): number => {
  const timeout = Predicate.isObject(place) && "timeout" in place ? place.timeout : undefined
  const text = Predicate.isObject(timeout) && "attempt" in timeout ? timeout.attempt : undefined
  const said = Predicate.isString(text) ? parseDuration(text) : undefined
  return said === undefined ? 0 : Duration.toMillis(said)
}

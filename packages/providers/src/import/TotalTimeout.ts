/**
 * The total timeout that the longest attempt timeout of an import needs.
 */
import * as Timeout from "@understudy/core/internal/policy/Timeout"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { parseDuration, printDuration } from "../config/DurationText.ts"

/** `defaults.timeout.total`: the longest `timeout.attempt` of `places`; `undefined` if the default total is longer. */
export const total = (places: ReadonlyArray<unknown>): string | undefined => {
  const longest = Duration.millis(Math.max(...places.map(attempt), 0))
  const fallback = Duration.fromInputUnsafe(Timeout.defaults.total)
  return Duration.isGreaterThan(longest, fallback) ? printDuration(longest) : undefined
}

const attempt = (place: unknown): number => {
  const timeout = Predicate.isObject(place) && "timeout" in place ? place.timeout : undefined
  const text = Predicate.isObject(timeout) && "attempt" in timeout ? timeout.attempt : undefined
  const duration = Predicate.isString(text) ? parseDuration(text) : undefined
  return duration === undefined ? 0 : Duration.toMillis(duration)
}

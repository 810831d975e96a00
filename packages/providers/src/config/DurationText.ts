/**
 * Durations in a configuration: `500ms`, `2s`, `5m`, `1h`, `90d`; decimals are allowed.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { positiveDuration } from "@understudy/core/internal/route/Rules"
import { source } from "./Fields.ts"

/** Milliseconds in each unit that is printed, the largest first. */
const units: ReadonlyArray<readonly [unit: string, millis: number]> = [
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
]

const day = 24 * 3_600_000

/** The duration in a text; `undefined` if it has none. */
export const parseDuration = (text: string): Duration.Duration | undefined => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(text.trim()) ?? []
  const millis = unit === "d" ? day : units.find(([name]) => name === unit)?.[1]
  return millis === undefined ? undefined : Duration.millis(Number(amount) * millis)
}

/** The text of a duration. */
export const printDuration = (duration: Duration.Duration): string => {
  const millis = Duration.toMillis(duration)
  const [unit, size] = units.find(([, size]) => millis > 0 && millis % size === 0) ?? ["ms", 1]
  return `${millis / size}${unit}`
}

/** A duration, 0 included. */
export const DurationText: Schema.Codec<Duration.Duration, string> = source({
  from: Schema.String,
  to: Schema.Duration,
  expected: "a duration, such as 500ms, 2s, 5m or 1h",
  parse: parseDuration,
  print: printDuration,
})

/** A duration above 0. */
export const PositiveDuration: Schema.Codec<Duration.Duration, string> = source({
  from: Schema.String,
  to: Schema.Duration,
  expected: "a duration above 0, such as 500ms, 2s, 5m or 1h",
  parse: (text) => {
    const duration = parseDuration(text)
    return positiveDuration.fits(duration) ? duration : undefined
  },
  print: printDuration,
})

/** A duration above 0, decoded to milliseconds. */
export const PositiveMillis: Schema.Codec<number, string> = source({
  from: Schema.String,
  to: Schema.Finite,
  expected: "a duration above 0, such as 500ms, 2s, 5m or 1h",
  parse: (text) => {
    const duration = parseDuration(text)
    return duration !== undefined && positiveDuration.fits(duration) ? Duration.toMillis(duration) : undefined
  },
  print: (millis) => printDuration(Duration.millis(millis)),
})

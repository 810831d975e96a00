/**
 * A moment as configurations and the API write it (ISO 8601, RFC 3339): a date, which begins at midnight UTC, or a date with
 * time and offset. It is decoded to clock milliseconds.
 */
import { source } from "@understudy/providers/internal/config/Fields"
import * as Schema from "effect/Schema"

const shape = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/

export const Timestamp: Schema.Codec<number, string> = source({
  from: Schema.String,
  to: Schema.Finite,
  expected: "a date such as 2027-01-31, or with a time: 2027-01-31T18:00:00Z",
  parse: (text) => {
    const written = text.trim()
    const at = shape.test(written) && isDay(written.slice(0, 10)) ? Date.parse(written) : Number.NaN
    return Number.isNaN(at) ? undefined : at
  },
  print: (at) => print(at),
})

/** Whether the calendar has this day: JavaScript takes `2027-02-30` for the 2nd of March. */
const isDay = (date: string): boolean => {
  const at = new Date(date)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(date)
}

/** Clock milliseconds as text. */
export const print = (at: number): string => new Date(at).toISOString()

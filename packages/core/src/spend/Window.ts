/**
 * The windows of budgets: pure functions from a window and a time to a period. All times are clock milliseconds.
 */
import * as DateTime from "effect/DateTime"

/**
 * The time that a budget's amount is for.
 *
 * - `unit`: a calendar hour, day, week or month in a time zone of the IANA database. Default: `UTC`. Weeks start on Monday.
 * - `days`: the last so many days. Spending counts by the hour (UTC): it leaves when the last minute of its hour has left.
 * - `total`: all time.
 */
export type Window =
  | { readonly unit: Unit; readonly timeZone?: string | undefined }
  | { readonly days: number }
  | "total"

export type Unit = "hour" | "day" | "week" | "month"

export const units: ReadonlyArray<Unit> = ["hour", "day", "week", "month"]

/** From `start` up to, not including, `end`. */
export interface Period {
  readonly start: number
  readonly end: number
}

const hour = 3_600_000
const day = 24 * hour

/**
 * The period of a window at a time: what was spent since `start` counts, and from `end` on something else does. The periods
 * of a calendar window follow each other without a gap. That of `total` is from 0 to `Infinity`.
 */
export const period = (window: Window, now: number): Period => {
  if (window === "total") return always
  if ("days" in window) {
    const current = hourOf(now)
    return { start: current.start - window.days * day, end: current.end }
  }
  return calendar(window.unit, window.timeZone ?? "UTC", now)
}

/**
 * The part of a window that spending at a time is kept under: the period of a calendar window, the hour of a rolling one.
 * Parts never overlap.
 */
export const part = (window: Window, now: number): Period =>
  window !== "total" && "days" in window ? hourOf(now) : period(window, now)

/** When spending that is kept under a part counts no more, in clock milliseconds; `Infinity` for `total`. */
export const leaves = (window: Window, part: Period): number =>
  window !== "total" && "days" in window ? part.end + window.days * day : part.end

/** For messages, such as `a day` or `in any 30 days`. */
export const describe = (window: Window): string => {
  if (window === "total") return "in total"
  if ("unit" in window) return `a ${window.unit}`
  return window.days === 1 ? "in any 24 hours" : `in any ${window.days} days`
}

/** What is wrong with a window from outside, if anything is. */
export const problem = (window: Window): string | undefined => {
  if (window === "total") return undefined
  if ("days" in window) {
    return Number.isInteger(window.days) && window.days > 0 && window.days <= maxDays
      ? undefined
      : `days must be a whole number from 1 to ${maxDays}`
  }
  if (!units.includes(window.unit)) return `unit must be one of ${units.join(", ")}`
  const { timeZone = "UTC" } = window
  return DateTime.zoneMakeNamed(timeZone)._tag === "Some"
    ? undefined
    : `there is no time zone "${timeZone}": use a name such as "Europe/Berlin"`
}

/** A rolling window keeps up to 24 sums for each of its days. */
const maxDays = 366

const always: Period = { start: 0, end: Number.POSITIVE_INFINITY }

const hourOf = (now: number): Period => {
  const start = Math.floor(now / hour) * hour
  return { start, end: start + hour }
}

const calendar = (unit: Unit, timeZone: string, now: number): Period => {
  const at = DateTime.makeZonedUnsafe(now, { timeZone })
  const start = boundary(at, unit, 0)
  const end = boundary(at, unit, 1)
  // Where clocks skip a boundary, it is as late as if they had not; where they are set back over one, only the first counts.
  if (now < start) return { start: boundary(at, unit, -1), end: start }
  return now < end ? { start, end } : { start: end, end: boundary(at, unit, 2) }
}

/** The beginning of the unit that the clocks of the zone show at a time, or of the one that is `later` units later. */
const boundary = (at: DateTime.Zoned, unit: Unit, later: number): number =>
  DateTime.toEpochMillis(
    DateTime.mutate(at, (shown) => {
      switch (unit) {
        case "hour":
          shown.setUTCHours(shown.getUTCHours() + later, 0, 0, 0)
          return
        case "day":
          shown.setUTCHours(24 * later, 0, 0, 0)
          return
        case "week":
          shown.setUTCHours(24 * (7 * later - ((shown.getUTCDay() + 6) % 7)), 0, 0, 0)
          return
        case "month":
          shown.setUTCMonth(shown.getUTCMonth() + later, 1)
          shown.setUTCHours(0, 0, 0, 0)
          return
      }
    }),
  )

/**
 * The minutes of reports, merged into a bounded number of intervals of equal length, the same for all reports.
 */
import type { Minute, Percentiles, Report } from "@understudy/core/Rehearsal"

/** What came of the calls that began in an interval. Milliseconds and US dollars. */
export interface Interval {
  readonly calls: number
  readonly failed: number
  /** On average of its minutes: the last interval may have fewer. */
  readonly costPerMinute: number
  /** Percentiles of an interval of several minutes are the mean of theirs, weighted by answered calls. */
  readonly p50: number | undefined
  readonly p95: number | undefined
  readonly firstToken: number | undefined
  /** Answers by deployment. */
  readonly answered: ReadonlyMap<string, number>
  /** Deployments whose circuit was open at the end of one of its minutes. */
  readonly open: ReadonlySet<string>
}

export interface Intervals {
  /** The start of each interval, in clock milliseconds. */
  readonly starts: ReadonlyArray<number>
  /** Minutes of an interval. */
  readonly minutes: number
  /** For each report its intervals; `undefined` after its last minute and before its first. */
  readonly of: ReadonlyArray<ReadonlyArray<Interval | undefined>>
}

const minute = 60_000

/** Lengths in minutes that divide an hour or a day. */
const lengths = [1, 2, 3, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 720]

/** Merges the minutes of reports. */
export const make = (reports: ReadonlyArray<Report>, most: number): Intervals => {
  const ofMinutes = reports.map(({ minutes }) => minutes).filter((minutes) => minutes.length > 0)
  const first = Math.min(...ofMinutes.map((minutes) => minutes[0]!.at))
  const last = Math.max(...ofMinutes.map((minutes) => minutes.at(-1)!.at))
  if (ofMinutes.length === 0) return { starts: [], minutes: 1, of: reports.map(() => []) }
  const total = Math.round((last - first) / minute) + 1
  const needed = total / most
  const length = lengths.find((each) => each >= needed) ?? Math.ceil(needed / 1440) * 1440
  const count = Math.ceil(total / length)
  return {
    starts: Array.from({ length: count }, (_, index) => first + index * length * minute),
    minutes: length,
    of: reports.map(({ minutes }) => {
      const groups: Array<Array<Minute>> = Array.from({ length: count }, () => [])
      for (const each of minutes) groups[Math.floor((each.at - first) / (length * minute))]?.push(each)
      return groups.map((group) => (group.length === 0 ? undefined : merged(group)))
    }),
  }
}

const merged = (minutes: ReadonlyArray<Minute>): Interval => {
  const answered = new Map<string, number>()
  for (const each of minutes) {
    for (const [deployment, calls] of Object.entries(each.answered)) {
      answered.set(deployment, (answered.get(deployment) ?? 0) + calls)
    }
  }
  const sum = (of: (minute: Minute) => number) => minutes.reduce((total, each) => total + of(each), 0)
  return {
    calls: sum(({ calls }) => calls),
    failed: sum(({ failed }) => failed),
    costPerMinute: sum(({ cost }) => cost) / minutes.length,
    p50: weighted(minutes, ({ latency }) => latency, "p50"),
    p95: weighted(minutes, ({ latency }) => latency, "p95"),
    firstToken: weighted(minutes, ({ firstToken }) => firstToken, "p95"),
    answered,
    open: new Set(minutes.flatMap(({ open }) => open)),
  }
}

const weighted = (
  minutes: ReadonlyArray<Minute>,
  of: (minute: Minute) => Percentiles,
  percentile: keyof Percentiles,
): number | undefined => {
  let total = 0
  let weight = 0
  for (const each of minutes) {
    const value = of(each)[percentile]
    if (value === undefined) continue
    const answered = Math.max(1, each.calls - each.failed)
    total += value * answered
    weight += answered
  }
  return weight === 0 ? undefined : total / weight
}

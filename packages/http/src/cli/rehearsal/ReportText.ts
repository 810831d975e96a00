/**
 * Reports of rehearsals as tables for people. Several configurations stand side by side.
 */
import type { Minute, Percentiles, Report } from "@understudy/core/Rehearsal"
import * as Format from "../Format.ts"
import * as Table from "../Table.ts"

/** The report of a configuration, with the name that its column has. */
export interface Named {
  readonly name: string
  readonly report: Report
}

/** A table of a report. Columns of `right`, from 0, are numbers. */
export interface Section {
  readonly title: string
  readonly header: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
  readonly right: ReadonlyArray<number>
}

/** The tables: what came of the calls, and for each configuration its deployments, who was rescued, and the worst minutes. */
export const lines = (reports: ReadonlyArray<Named>): ReadonlyArray<string> => [
  ...Table.lines(
    [["", ...reports.map(({ name }) => name)], ...summary(reports)],
    reports.map((_, index) => index + 1),
  ),
  ...reports.flatMap(({ name, report }) => [
    "",
    ...sections(report).flatMap(({ header, right, rows, title }) =>
      Table.section(
        `${title}${reports.length > 1 ? ` of ${name}` : ""}`,
        header.every((cell) => cell === "") ? rows : [header, ...rows],
        right,
      ),
    ),
  ]),
]

/** What came of the calls: a title, then a value for each report. A title that begins with spaces is part of the row above. */
export const summary = (reports: ReadonlyArray<Named>): ReadonlyArray<ReadonlyArray<string>> => {
  const row = (title: string, value: (report: Report) => string) => [
    title,
    ...reports.map(({ report }) => value(report)),
  ]
  const kinds = [...new Set(reports.flatMap(({ report }) => Object.keys(report.errors)))].toSorted()
  return [
    row("calls", ({ calls }) => number(calls)),
    row("availability", ({ availability }) => percent(availability, 3)),
    ...kinds.map((kind) => row(`  ${kind}`, ({ errors }) => number(errors[kind as keyof typeof errors] ?? 0))),
    row("rescued", ({ calls, rescued }) => (calls === 0 ? "–" : `${number(rescued)} (${percent(rescued / calls, 1)})`)),
    row("attempts a call", ({ attemptsPerCall }) => attemptsPerCall.toFixed(3)),
    row("latency p50, p95, p99", ({ latency }) => percentiles(latency)),
    row("first token p50, p95, p99", ({ firstToken }) => percentiles(firstToken)),
    row("cost", ({ cost }) => dollars(cost)),
    row("cache hits", ({ cacheHits }) => number(cacheHits)),
  ]
}

/** The tables of a report that have rows. */
export const sections = ({ assumed, deployments, failovers, worstMinutes }: Report): ReadonlyArray<Section> =>
  [
    {
      title: "deployments",
      header: ["", "share", "attempts", "cost", "failures", "skipped"],
      rows: deployments.map(({ attempts, cost, deployment, failures, share, skipped }) => [
        deployment,
        percent(share, 1),
        number(attempts),
        dollars(cost),
        counts(failures),
        counts(skipped),
      ]),
      right: [1, 2, 3],
    },
    {
      title: "failovers",
      header: ["", "", "", ""],
      rows: failovers.slice(0, maxFailovers).map(({ calls, from, to }) => [from, "to", to, number(calls)]),
      right: [3],
    },
    {
      title: "not on the tape",
      header: ["", ""],
      rows: assumed.map(({ deployment, distant, prior }) => [
        deployment,
        [
          ...(distant > 0 ? [`${number(distant)} attempts are drawn from other times`] : []),
          ...(prior > 0 ? [`${number(prior)} attempts are assumed to go as usual`] : []),
        ].join(", "),
      ]),
      right: [],
    },
    {
      title: "worst minutes",
      header: ["UTC", "failed", "calls", "attempts", "p95", "open circuits"],
      rows: worstMinutes.map(minute),
      right: [1, 2, 3, 4],
    },
  ].filter(({ rows }) => rows.length > 0)

const maxFailovers = 10

const minute = ({ at, attempts, calls, failed, latency, open }: Minute): ReadonlyArray<string> => [
  new Date(at).toISOString().slice(0, 16).replace("T", " "),
  number(failed),
  number(calls),
  number(attempts),
  duration(latency.p95),
  open.join(", "),
]

const counts = (of: Readonly<Partial<Record<string, number>>>): string =>
  Object.entries(of)
    .toSorted(([, one = 0], [, other = 0]) => other - one)
    .map(([name, count = 0]) => `${name} ${number(count)}`)
    .join(", ")

const percentiles = ({ p50, p95, p99 }: Percentiles): string => [p50, p95, p99].map(duration).join(", ")

/** Milliseconds as a text. */
export const duration = (millis: number | undefined): string => {
  if (millis === undefined) return "–"
  return millis < 1000 ? `${Math.round(millis)} ms` : `${(millis / 1000).toFixed(1)} s`
}

export const number = (value: number): string => Format.number(value)

export const percent = (share: number, digits: number): string => `${(share * 100).toFixed(digits)} %`

export const dollars = (value: number): string => `$${Format.number(value, 2)}`

/**
 * Reports of rehearsals as one HTML document, with plots over time. It loads nothing and runs no script.
 */
import { scrolling, table } from "./HtmlTable.ts"
import * as Intervals from "./Intervals.ts"
import { element, escape } from "./Markup.ts"
import * as Plot from "./Plot.ts"
import { style } from "./ReportStyle.ts"
import * as ReportText from "./ReportText.ts"
import type { Named } from "./ReportText.ts"

/** At most so many intervals in a plot: one has two or more pixels. */
const maxIntervals = 240

/** The document. `headline`: what was rehearsed; its first line is the heading. The same reports give the same bytes. */
export const html = (reports: ReadonlyArray<Named>, [heading = "", ...headline]: ReadonlyArray<string>): string => {
  const intervals = Intervals.make(
    reports.map(({ report }) => report),
    maxIntervals,
  )
  const head = element(
    "head",
    {},
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    element("title", {}, escape(`Rehearsal: ${heading}`)),
    `<style>${style}</style>`,
  )
  const main = element(
    "main",
    {},
    element("h1", {}, escape(heading)),
    ...headline.map((line) => element("p", {}, escape(line))),
    element("h2", {}, "Summary"),
    element("section", { class: "card" }, scrolling("Summary", summary(reports))),
    ...(intervals.starts.length === 0 ? [] : overTime(reports, intervals)),
    ...reports.flatMap(({ name, report }) => [
      element("h2", {}, escape(`Tables of ${name}`)),
      element(
        "section",
        { class: "card" },
        ...ReportText.sections(report).map((section) => scrolling(`${section.title} of ${name}`, table(section))),
      ),
    ]),
  )
  return `<!doctype html>\n${element("html", { lang: "en" }, head, element("body", {}, main))}\n`
}

const overTime = (reports: ReadonlyArray<Named>, intervals: Intervals.Intervals): ReadonlyArray<string> => [
  element("h2", {}, "Over time"),
  element(
    "p",
    {},
    escape(`UTC, in intervals of ${intervals.minutes === 1 ? "a minute" : minutes(intervals.minutes)}.`),
  ),
  Plot.patterns(),
  element(
    "div",
    { class: "plots" },
    ...plots(reports, intervals).map(({ drawn, title }) =>
      element("section", {}, element("h3", {}, escape(title)), drawn),
    ),
  ),
  ...reports.map(({ name }, index) => {
    const title = `Values of each interval${reports.length > 1 ? ` of ${name}` : ""}`
    return element(
      "details",
      {},
      element("summary", {}, escape(title)),
      scrolling(title, values(title, intervals, intervals.of[index]!)),
    )
  }),
]

const minutes = (count: number): string => (count % 60 === 0 ? `${count / 60} h` : `${count} minutes`)

interface Drawn {
  readonly title: string
  readonly drawn: string
}

const plots = (reports: ReadonlyArray<Named>, intervals: Intervals.Intervals): ReadonlyArray<Drawn> => {
  const axis = { starts: intervals.starts, length: intervals.minutes * 60_000 }
  const plot = (
    id: string,
    title: string,
    format: (value: number) => string,
    value: (interval: Intervals.Interval) => number | undefined,
  ): Plot.Plot => ({
    id,
    title,
    axis,
    format,
    series: reports.map(({ name }, index) => ({
      label: name,
      values: intervals.of[index]!.map((interval) => (interval === undefined ? undefined : value(interval))),
    })),
  })
  const line = (made: Plot.Plot): Drawn => ({ title: made.title, drawn: Plot.lines(made) })
  const available = plot("availability", "Availability", share, availability)
  const deployments = byAnswers(reports)
  return [
    { title: available.title, drawn: Plot.lines(available, { floor: floorOf(available.series), ceiling: 1 }) },
    line(plot("cost", "Cost a minute", dollars, ({ costPerMinute }) => costPerMinute)),
    line(plot("p50", "Latency p50", ReportText.duration, ({ p50 }) => p50)),
    line(plot("p95", "Latency p95", ReportText.duration, ({ p95 }) => p95)),
    line(plot("first-token", "First token p95", ReportText.duration, ({ firstToken }) => firstToken)),
    {
      title: "Open circuits",
      drawn: Plot.bands(
        {
          id: "circuits",
          title: "Open circuits",
          axis,
          format: (value) => (value === 0 ? "closed" : "open"),
          series: reports.flatMap(({ name }, index) => circuits(name, intervals.of[index]!, reports.length > 1)),
        },
        "no circuit was open at the end of a minute.",
      ),
    },
    ...reports.map(({ name }, index) => {
      const title = `Share of answers by deployment${reports.length > 1 ? `: ${name}` : ""}`
      const series = answers(deployments, intervals.of[index]!)
      return { title, drawn: Plot.shares({ id: `share-${index}`, title, axis, format: share, series }) }
    }),
  ]
}

const availability = ({ calls, failed }: Intervals.Interval): number | undefined =>
  calls === 0 ? undefined : (calls - failed) / calls

/** Where the axis of availability begins: small dips are to be seen, and an outage too. */
const floorOf = (series: ReadonlyArray<Plot.Series>): number => {
  const lowest = series
    .flatMap(({ values }) => values.filter((value) => value !== undefined))
    .reduce((one, other) => Math.min(one, other), 1)
  return [0.99, 0.9, 0.5].find((floor) => lowest >= floor) ?? 0
}

/** The deployments of all reports, by their answers: a deployment has the same pattern in each. */
const byAnswers = (reports: ReadonlyArray<Named>): ReadonlyArray<string> => {
  const answered = new Map<string, number>()
  for (const each of reports.flatMap(({ report }) => report.deployments)) {
    answered.set(each.deployment, (answered.get(each.deployment) ?? 0) + each.answered)
  }
  return [...answered].toSorted(([, one], [, other]) => other - one).map(([deployment]) => deployment)
}

const answers = (
  deployments: ReadonlyArray<string>,
  intervals: ReadonlyArray<Intervals.Interval | undefined>,
): ReadonlyArray<Plot.Series> => {
  const shown = deployments.length > Plot.maxSeries ? Plot.maxSeries - 1 : deployments.length
  const series = (label: string, of: ReadonlyArray<string>): Plot.Series => ({
    label,
    values: intervals.map((interval) => of.reduce((sum, each) => sum + (interval?.answered.get(each) ?? 0), 0)),
  })
  const rest = deployments.slice(shown)
  return [
    ...deployments.slice(0, shown).map((deployment) => series(deployment, [deployment])),
    ...(rest.length === 0 ? [] : [series(`${rest.length} others`, rest)]),
  ]
}

const circuits = (
  name: string,
  intervals: ReadonlyArray<Intervals.Interval | undefined>,
  named: boolean,
): ReadonlyArray<Plot.Series> => {
  const open = new Set(intervals.flatMap((interval) => [...(interval?.open ?? [])]))
  return [...open].toSorted().map((deployment) => ({
    label: named ? `${deployment} in ${name}` : deployment,
    values: intervals.map((interval) => (interval === undefined ? undefined : interval.open.has(deployment) ? 1 : 0)),
  }))
}

const share = (value: number): string =>
  ReportText.percent(value, Number.isInteger(Math.round(value * 1e5) / 1e3) ? 0 : 2)

/** US dollars with two digits that say something. */
const dollars = (value: number): string =>
  `$${value === 0 ? "0" : value >= 0.1 ? value.toFixed(2) : String(Number(value.toPrecision(2)))}`

const summary = (reports: ReadonlyArray<Named>): string =>
  table({
    title: "What came of the calls",
    header: ["", ...reports.map(({ name }) => name)],
    rows: ReportText.summary(reports),
    right: reports.map((_, index) => index + 1),
  })

/** The text alternative of the plots. */
const values = (
  title: string,
  { starts }: Intervals.Intervals,
  intervals: ReadonlyArray<Intervals.Interval | undefined>,
): string =>
  table({
    title,
    header: [
      "UTC",
      "calls",
      "availability",
      "p50",
      "p95",
      "first token p95",
      "cost a minute",
      "answers",
      "open circuits",
    ],
    rows: intervals.flatMap((interval, at) => {
      if (interval === undefined) return []
      const available = availability(interval)
      return [
        [
          Plot.time(starts[at]!),
          ReportText.number(interval.calls),
          available === undefined ? "–" : share(available),
          ReportText.duration(interval.p50),
          ReportText.duration(interval.p95),
          ReportText.duration(interval.firstToken),
          dollars(interval.costPerMinute),
          [...interval.answered].map(([deployment, calls]) => `${deployment} ${ReportText.number(calls)}`).join(", "),
          [...interval.open].join(", "),
        ],
      ]
    }),
    right: [1, 2, 3, 4, 5, 6],
  })

/** Samples to a Markdown table: medians, ratios, and the bars the project holds itself to. */
import type { Sample } from "./measure.ts"
import { type Name, names, titles } from "./targets.ts"

/** What was seen of one target over all rounds. */
export interface Result {
  readonly idle: number
  readonly samples: ReadonlyArray<Sample>
}

export interface Results {
  /** The load generator straight at the upstream: what every delay is added to. */
  readonly direct: ReadonlyArray<Sample>
  readonly targets: Partial<Readonly<Record<Name, Result>>>
}

export const median = (values: ReadonlyArray<number>) => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

type Values = Partial<Readonly<Record<Name, number>>>

interface Row {
  readonly title: string
  readonly digits: number
  readonly of: (result: Result, direct: ReadonlyArray<Sample>) => number
}

const field = (samples: ReadonlyArray<Sample>, name: keyof Sample) => median(samples.map((sample) => sample[name]))
const seen = (title: string, name: keyof Sample, digits: number): Row => ({
  title,
  digits,
  of: (result) => field(result.samples, name),
})
const added = (title: string, name: keyof Sample): Row => ({
  title,
  digits: 3,
  of: (result, direct) => field(result.samples, name) - field(direct, name),
})

const throughput = seen("requests a second, 32 connections", "throughput", 0)
const addedLatency = added("added by it, p50, ms", "p50")
const cpu = seen("CPU a request, µs", "cpu", 0)
const cpuEvent = seen("CPU a streamed event, µs", "cpuEvent", 1)
const events = seen("streamed events a second, 16 connections", "events", 0)

const rows: ReadonlyArray<Row> = [
  throughput,
  cpu,
  seen("p99 under that load, ms", "loadedP99", 2),
  seen("latency, 1 connection, p50, ms", "p50", 3),
  seen("latency, 1 connection, p99, ms", "p99", 3),
  addedLatency,
  events,
  cpuEvent,
  added("first token delayed by, p50, ms", "firstToken"),
  { title: "memory idle, MB", digits: 0, of: (result) => result.idle },
  { title: "memory after load, MB", digits: 0, of: (result) => result.samples.at(-1)!.memory },
]

const bars: ReadonlyArray<{
  readonly title: string
  readonly row: Row
  /** Default: the gateway. */
  readonly of?: Name
  readonly against: Name
  readonly atLeast?: number
  readonly below?: number
}> = [
  { title: "throughput of the bare proxy", row: throughput, against: "proxy", atLeast: 0.3 },
  { title: "throughput of Portkey", row: throughput, against: "portkey", atLeast: 3 },
  { title: "added latency of Portkey", row: addedLatency, against: "portkey", below: 0.6 },
  { title: "streamed events of the bare proxy", row: events, against: "proxy", atLeast: 0.5 },
  { title: "CPU of translating, of passing through", row: cpu, of: "translating", against: "gateway", below: 2 },
  { title: "the same, a streamed event", row: cpuEvent, of: "translating", against: "gateway", below: 2 },
]

const values = (row: Row, results: Results): Values =>
  Object.fromEntries(
    names.flatMap((name) => {
      const result = results.targets[name]
      return result === undefined ? [] : [[name, row.of(result, results.direct)] as const]
    }),
  )

const ratio = (of: Values, name: Name, against: Name) =>
  of[name] === undefined || of[against] === undefined ? undefined : of[name] / of[against]

const ratios: ReadonlyArray<{ readonly title: string; readonly name: Name; readonly against: Name }> = [
  { title: "Understudy ÷ proxy", name: "gateway", against: "proxy" },
  { title: "Understudy ÷ Portkey", name: "gateway", against: "portkey" },
  { title: "translating ÷ Understudy", name: "translating", against: "gateway" },
]

export const number = (value: number | undefined, digits: number) =>
  value === undefined
    ? "–"
    : value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits })

export const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

export const render = (results: Results): string => {
  const head = ["", ...names.map((name) => titles[name]), ...ratios.map(({ title }) => title)]
  const body = rows.map((row) => {
    const of = values(row, results)
    return line([
      row.title,
      ...names.map((name) => number(of[name], row.digits)),
      ...ratios.map(({ against, name }) => number(ratio(of, name, against), 2)),
    ])
  })
  const judged = bars.flatMap((bar) => {
    const share = ratio(values(bar.row, results), bar.of ?? "gateway", bar.against)
    if (share === undefined) return []
    const passed = bar.atLeast === undefined ? share < bar.below! : share >= bar.atLeast
    const wanted = bar.atLeast === undefined ? `under ${bar.below}` : `at least ${bar.atLeast}`
    return [line([bar.title, wanted, number(share, 2), passed ? "pass" : "**FAIL**"])]
  })
  const table = [line(head), line(["---", ...head.slice(1).map(() => "---:")]), ...body]
  if (judged.length === 0) return table.join("\n")
  return [...table, "", line(["bar", "wanted", "is", ""]), line(["---", "---:", "---:", "---"]), ...judged].join("\n")
}

/**
 * The metrics of several processes as those of one: the text of each, in Prometheus' format, and their sum.
 *
 * Counters and histograms are added, those of processes that have ended included: a counter that went back would look like a
 * restart of the gateway. Gauges are added where each process counts its own, such as calls in flight. Of the others, which
 * are of what the processes share, the worst value is taken.
 */

/** A metric: its lines for Prometheus, and the values of its series, by name and labels. */
interface Family {
  readonly header: ReadonlyArray<string>
  readonly type: string
  readonly series: Map<string, number>
}

/** The metrics of a text, by name. */
export type Families = ReadonlyMap<string, Family>

/** How the values of a gauge become one. */
type Combine = (one: number, other: number) => number

const add: Combine = (one, other) => one + other

/** The gauges of which each process counts its own. */
const added = new Set([
  "process_resident_memory_bytes",
  "understudy_attempts_in_flight",
  "understudy_http_requests_in_flight",
  "understudy_ledger_pending_rows",
  "understudy_overload_waiting_calls",
  "understudy_queue_waiting_calls",
])

/** The gauges whose worst value is the least. */
const least = new Set([
  "process_start_time_seconds",
  "understudy_config_last_reload_success_timestamp_seconds",
  "understudy_config_last_reload_successful",
  "understudy_database_up",
])

const combineOf = (name: string, type: string): Combine =>
  type !== "gauge" || added.has(name) ? add : least.has(name) ? Math.min : Math.max

/** A text of metrics, read. Lines that are none of its are left out. */
export const parse = (text: string): Families => {
  const families = new Map<string, { header: Array<string>; type: string; series: Map<string, number> }>()
  const family = (name: string) => {
    let found = families.get(name)
    if (found === undefined) families.set(name, (found = { header: [], type: "untyped", series: new Map() }))
    return found
  }
  let current = ""
  for (const line of text.split("\n")) {
    const [, keyword = "", name = "", rest = ""] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? []
    if (keyword !== "") {
      current = name
      family(name).header.push(line)
      if (keyword === "TYPE") family(name).type = rest
      continue
    }
    const end = line.lastIndexOf(" ")
    if (line.startsWith("#") || end < 0) continue
    family(current).series.set(line.slice(0, end), number(line.slice(end + 1)))
  }
  return families
}

const number = (text: string): number => (text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text))

/** The metrics of all processes together. */
export const merge = (all: Iterable<Families>): Families => {
  const merged = new Map<string, Family>()
  for (const families of all) {
    for (const [name, { header, series, type }] of families) {
      let known = merged.get(name)
      if (known === undefined) merged.set(name, (known = { header, type, series: new Map() }))
      const combine = combineOf(name, type)
      for (const [key, value] of series) {
        const before = known.series.get(key)
        known.series.set(key, before === undefined ? value : combine(before, value))
      }
    }
  }
  return merged
}

/** What remains of a process that has ended: the counters and histograms. */
export const ended = (families: Families): Families => new Map([...families].filter(([, { type }]) => type !== "gauge"))

/** The text of metrics, for Prometheus. */
export const print = (families: Families): string =>
  [...families.values()]
    .flatMap(({ header, series }) => [
      ...header,
      ...Array.from(series, ([key, value]) => `${key} ${printNumber(value)}`),
    ])
    .join("\n")
    .concat("\n")

const printNumber = (value: number): string =>
  value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value)

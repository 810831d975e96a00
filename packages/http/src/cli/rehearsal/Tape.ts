/**
 * `understudy tape FILE…`: what is on a tape. It reads the files and nothing else.
 */
import * as Tape from "@understudy/core/Tape"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import type { Group, Quantiles } from "../../record/TapeSummary.ts"
import { TapeSummary } from "../../record/TapeSummary.ts"
import * as Format from "../Format.ts"
import * as Table from "../Table.ts"

/** A file cannot be read, or is no tape. */
export class UnreadableTape extends Data.TaggedError("UnreadableTape")<{ readonly message: string }> {}

interface Input {
  readonly files: ReadonlyArray<string>
  readonly json: boolean
}

export const tape = Effect.fnUntraced(function* ({ files, json }: Input) {
  const summary = new TapeSummary()
  for (const file of files) yield* add(summary, file)
  yield* Console.log(json ? JSON.stringify(asJson(summary), undefined, 2) : text(summary).join("\n"))
})

const add = (summary: TapeSummary, file: string) => forEachItem(file, (item) => summary.add(item, file))

/** Reads a tape, or a file of one, item by item. */
export const forEachItem = Effect.fnUntraced(function* (
  file: string,
  use: (item: Tape.Item) => void,
): Effect.fn.Return<void, UnreadableTape, FileSystem.FileSystem> {
  const files = yield* FileSystem.FileSystem
  yield* Tape.read(files.stream(file)).pipe(
    Stream.runForEachArray((items) => Effect.sync(() => items.forEach(use))),
    Effect.mapError((error) => {
      if (error._tag === "InvalidTape") {
        const at = error.offset === 0 ? "" : ` (at byte ${error.offset})`
        return new UnreadableTape({ message: `${file} ${error.message}${at}` })
      }
      const message = error.reason._tag === "NotFound" ? "does not exist" : `cannot be read: ${error.reason.message}`
      return new UnreadableTape({ message: `${file} ${message}` })
    }),
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Text
// ---------------------------------------------------------------------------------------------------------------------

/** Gaps, keys and reasons that are printed. */
const shown = 5

const text = (summary: TapeSummary): ReadonlyArray<string> => [
  ...Table.lines(overview(summary)),
  ...groups("routes", "calls", summary.routes),
  ...groups("deployments", "attempts", summary.deployments),
  ...Table.section(
    "gaps (no call for a minute or more)",
    summary.gaps
      .slice(0, shown)
      .map(({ from, isRestart, to }) => [
        time(from),
        `${Math.round((to - from) / 60_000)} min`,
        isRestart ? "a gateway was started" : "",
      ]),
    [1],
  ),
  ...Table.section(
    "lost (calls that could not be written, until)",
    summary.losses
      .toSorted((a, b) => b.calls - a.calls)
      .slice(0, shown)
      .map(({ at, calls }) => [time(at), `${Format.number(calls)} calls`]),
    [1],
  ),
  ...Table.section(
    "damage",
    summary.damages.map(({ bytes, cause, file, offset }) => [
      file,
      `${bytes} bytes from byte ${offset} on are ${cause === "corrupt" ? "corrupt" : "a record without its end"}`,
    ]),
  ),
]

const overview = (summary: TapeSummary): ReadonlyArray<ReadonlyArray<string>> => {
  const { busiest, calls } = summary
  if (calls === 0) return [["calls", "none"]]
  const { attempts, cost, from, injected, instances, keys, lost, samples, shadows, skipped, streaming, to } = summary
  const seconds = Math.max(1, (to - from) / 1000)
  return [
    ["span", `${time(from)} to ${time(to)}`],
    ["calls", `${Format.number(calls)}, ${(attempts / calls).toFixed(2)} attempts each`],
    [
      "rate",
      `${perSecond(calls / seconds)}, ${perSecond((busiest?.calls ?? 0) / 60)} from ${time(busiest?.at ?? from)}`,
    ],
    ["streaming", Format.percent(streaming, calls)],
    ...(shadows === 0 ? [] : [["shadow calls", Format.number(shadows)]]),
    ["cost", Format.dollars(cost)],
    ["sample", [...samples].map((share) => Format.percent(share, 1)).join(", ")],
    ["recorded by", processes(instances)],
    ...(lost === 0 ? [] : [["lost", `${Format.number(lost)} calls could not be written`]]),
    ...(keys.sorted.length === 0 ? [] : [["keys", mix(keys.sorted, calls)]]),
    ...(injected.sorted.length === 0
      ? []
      : [
          [
            "injected faults",
            `${Format.number(total(injected.sorted))} attempts: ${mix(injected.sorted, total(injected.sorted))}`,
          ],
        ]),
    ...(skipped.sorted.length === 0 ? [] : [["skipped", mix(skipped.sorted.map(snake), total(skipped.sorted))]]),
  ]
}

const processes = (instances: TapeSummary["instances"]): string => {
  const versions = [...new Set([...instances.values()].map(({ version }) => version))].join(", ")
  return `${instances.size === 1 ? "1 process" : `${instances.size} processes`} of version ${versions}`
}

const groups = (title: string, unit: string, found: ReadonlyMap<string, Group>): ReadonlyArray<string> => {
  const sorted = [...found].toSorted(([, a], [, b]) => b.count - a.count)
  const header = ["", unit, "success", "p50", "p95", "p99", "first token", "tokens in", "out", "cost", "failures"]
  const digits = Format.decimals(sorted.map(([, { cost }]) => cost))
  return Table.section(
    title,
    sorted.length === 0
      ? []
      : [
          header,
          ...sorted.map(([name, group]) => [
            name,
            Format.number(group.count),
            Format.percent(group.succeeded, group.count),
            ...cells(group.durations.quantiles),
            millis(group.firstTokens.quantiles?.p50),
            Format.number(group.inputTokens),
            Format.number(group.outputTokens),
            Format.dollars(group.cost, digits),
            mix(group.failures.sorted.map(snake), group.count),
          ]),
        ],
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
}

const cells = (quantiles: Quantiles | undefined): ReadonlyArray<string> => [
  millis(quantiles?.p50),
  millis(quantiles?.p95),
  millis(quantiles?.p99),
]

const millis = (value: number | undefined): string => (value === undefined ? "-" : `${Format.number(value)} ms`)

const perSecond = (rate: number): string => `${rate < 10 ? rate.toFixed(2) : Format.number(rate)}/s`

const time = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`

type Counted = ReadonlyArray<readonly [name: string, count: number]>

const mix = (counts: Counted, whole: number): string => {
  const parts = counts.slice(0, shown).map(([name, count]) => `${name} ${Format.percent(count, whole)}`)
  return [...parts, ...(counts.length > shown ? [`${counts.length - shown} more`] : [])].join(", ")
}

const total = (counts: Counted): number => counts.reduce((sum, [, count]) => sum + count, 0)

const snake = ([name, count]: Counted[number]): Counted[number] => [snakeCase(name), count]

// ---------------------------------------------------------------------------------------------------------------------
// JSON
// ---------------------------------------------------------------------------------------------------------------------

const asJson = (summary: TapeSummary): object => {
  const { attempts, busiest, calls, cost, damages, from, gaps, instances, keys, lost, samples, shadows } = summary
  const iso = (at: number) => new Date(at).toISOString()
  return {
    calls,
    attempts,
    ...(calls === 0 ? undefined : { from: iso(from), to: iso(to(summary)) }),
    calls_per_second: calls === 0 ? 0 : calls / Math.max(1, (to(summary) - from) / 1000),
    busiest_minute: busiest && { at: iso(busiest.at), calls: busiest.calls },
    streaming: summary.streaming,
    shadow_calls: shadows,
    cost_usd: rounded(cost),
    samples: [...samples],
    lost_calls: lost,
    recorded_by: [...instances].map(([instance, { startedAt, version }]) => ({
      instance,
      version,
      started_at: iso(startedAt),
    })),
    keys: Object.fromEntries(keys.sorted),
    skipped: Object.fromEntries(summary.skipped.sorted.map(snake)),
    routes: Object.fromEntries([...summary.routes].map(([name, group]) => [name, groupJson(group, "calls")])),
    deployments: Object.fromEntries(
      [...summary.deployments].map(([name, group]) => [name, groupJson(group, "attempts")]),
    ),
    injected_faults: Object.fromEntries(summary.injected.sorted),
    gaps: gaps.map(({ from, isRestart, to }) => ({ from: iso(from), to: iso(to), restart: isRestart })),
    losses: summary.losses.map(({ at, calls }) => ({ at: iso(at), calls })),
    damage: damages.map(({ bytes, cause, file, offset }) => ({ file, offset, bytes, cause: cause.replace("-", "_") })),
  }
}

const to = (summary: TapeSummary): number => summary.to

const groupJson = (group: Group, unit: "calls" | "attempts"): object => ({
  [unit]: group.count,
  ...(unit === "calls" ? { attempts: group.attempts, streaming: group.streaming } : undefined),
  succeeded: group.succeeded,
  failures: Object.fromEntries(group.failures.sorted.map(snake)),
  ms: group.durations.quantiles,
  first_token_ms: group.firstTokens.quantiles,
  input_tokens: group.inputTokens,
  output_tokens: group.outputTokens,
  cost_usd: rounded(group.cost),
})

const rounded = (cost: number): number => Number(cost.toFixed(9))

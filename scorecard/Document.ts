/** The scorecard as Markdown: what was found, which every run must find again, then what was measured. */
import { names } from "@understudy/providers/testing/Name"
import type { Costs, Measured } from "./Cost.ts"
import * as Cost from "./Cost.ts"
import * as Expected from "./Expected.ts"
import * as Faults from "./Faults.ts"
import * as Pairs from "./Pairs.ts"
import * as Recovery from "./Recovery.ts"
import * as Stage from "./Stage.ts"
import type { Outcome } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"

/** What one run found. */
export interface Score {
  readonly faults: Readonly<Record<Vendor, ReadonlyArray<Outcome>>>
  readonly pairs: ReadonlyArray<Outcome>
}

/** What was found: the same for every run of the same code. */
export const found = ({ faults, pairs }: Score): string =>
  [
    "# Scorecard",
    "Every fault of the project's own fault server at the primary deployment, through the real gateway, judged by the bytes",
    "that a caller got and by the requests that the providers saw. `npm run scorecard` writes this file; a test holds it to be",
    `true. Two retries (${Stage.limits.base} ms, doubling), then the backup; silence is borne for ${Stage.limits.silence} ms; a Retry-After is waited for up to`,
    `${Stage.limits.patience} ms.`,
    "",
    "`3 + 1` is three attempts at the primary and one at the backup. **answered**: whole, at the first attempt. **rescued**:",
    "whole, and the caller saw nothing of the fault. **error 400**: a status with the protocol's error. **error in the stream**:",
    "the answer had begun, and ends in the protocol's error event. What must never be, and is looked for: a truncated answer",
    "shown as a whole one, words that are nobody's, an error inside a 200, a connection dropped without a word, a hang, a secret.",
    "A fault that only a stream can have leaves a plain answer whole.",
    "",
    "## Bars",
    bars([...Object.values(faults).flat(), ...pairs]),
    ...Object.entries(faults).flatMap(([vendor, outcomes]) => [
      `## Upstreams that speak as ${titles[vendor as Vendor]}`,
      table(outcomes),
    ]),
    "## Both bad",
    "Primary and backup at fault, without retries, each kind in every shape it comes in: the one status that sums both up. Rows",
    "are the primary's, columns the backup's.",
    "",
    matrix(pairs),
    "## Back to the primary",
    `A primary that flaps, two errors and two answers in turn, with a circuit of \`{ failures: 2, open: ${Recovery.open}ms }\` and no retries.`,
    "The last one asked answers.",
    "",
    render(
      ["call", "asked", "the primary"],
      Recovery.calls.map(({ asked, later, state }, index) => [
        `${index + 1}${later ? ", when its time is up" : ""}`,
        asked.join(", "),
        state,
      ]),
    ),
  ]
    .map((part) => (part.startsWith("#") || part.startsWith("|") ? `${part}\n` : part))
    .join("\n")

/** The heading under which times stand, which differ from run to run. */
export const measuredHeading = "## What it costs"

/** What was measured. */
export const measured = ({ firstByte, movingOn }: Costs, processor: string): string =>
  [
    `${measuredHeading}\n`,
    "Moving on, beyond the waits that are configured: from the arrival of the request that fails, at once or by silence, to the",
    "arrival of the next one, as the providers see them, in milliseconds. The bar is a median under 5.\n",
    render(["", "median", "p95"], movingOn.map(times)),
    "",
    `Until the first byte of a stream whose words come one every ${Cost.gap} ms, in milliseconds, by what \`protect\` says.\n`,
    render(["", "median", "p95"], firstByte.map(times)),
    "",
    processor,
    "",
  ].join("\n")

const times = ({ median, p95, title }: Measured): ReadonlyArray<string> => [title, median.toFixed(1), p95.toFixed(1)]

const titles: Record<Vendor, string> = { openai: "OpenAI", anthropic: "Anthropic", bedrock: "Bedrock" }

const columnTitle = ({ mode, setting }: Faults.Column): string => (mode === "plain" ? "plain" : `stream, ${setting}`)

const table = (outcomes: ReadonlyArray<Outcome>): string =>
  render(
    ["fault", ...Faults.columns.map(columnTitle)],
    names.map((fault) => [
      `\`${fault}\``,
      ...Faults.columns.map(({ mode, setting }) => {
        const outcome = outcomes.find(
          ({ trial }) => trial.primary === fault && trial.mode === mode && trial.setting === setting,
        )
        return outcome === undefined ? "" : cell(outcome)
      }),
    ]),
  )

const cell = ({ backup, primary, verdict }: Outcome): string => {
  const attempts = `${primary.length} + ${backup.length}`
  const seen = Trial.answer(verdict)
  if (seen === "primary" && primary.length === 1) return "answered"
  if (seen === "primary" || seen === "backup") return `rescued, ${attempts}`
  if (seen === "broken") return `error in the stream, ${attempts}`
  return typeof seen === "number" ? `error ${seen}, ${attempts}` : `**${seen}**, ${attempts}`
}

const matrix = (outcomes: ReadonlyArray<Outcome>): string =>
  render(
    ["", ...Pairs.kinds],
    Pairs.kinds.map((row) => [
      row,
      ...Pairs.kinds.map((column) => {
        const here = outcomes.filter(
          ({ trial }) => Pairs.kindOf(trial, trial.primary) === row && Pairs.kindOf(trial, trial.backup) === column,
        )
        return [...new Set(here.map(({ verdict }) => Trial.answer(verdict)))].join(" or ")
      }),
    ]),
  )

const bars = (outcomes: ReadonlyArray<Outcome>): string => {
  const count = (is: (outcome: Outcome) => boolean): string => String(outcomes.filter(is).length)
  const tagged = (tag: string) => count(({ verdict }) => verdict._tag === tag)
  return render(
    ["", "wanted", "is"],
    [
      ["calls", "", String(outcomes.length)],
      ["hangs", "0", tagged("Hung")],
      ["truncated answers shown as whole", "0", tagged("Truncated")],
      ["wrong answers, errors in a 200, secrets shown", "0", tagged("Wrong")],
      ["connections dropped without a word", "0", tagged("Dropped")],
      ["attempts other than the configuration says, exchanges left open, hurried retries", "0", count(astray)],
      ["faults before the commit point that a sound backup did not rescue", "0", count(lost)],
    ],
  )
}

const sound = ({ trial }: Outcome): boolean => trial.backup === "ok"

const astray = (outcome: Outcome): boolean =>
  (sound(outcome) ? Faults.complaints(outcome) : Pairs.complaints(outcome)).length > 0

/** Not rescued, though neither the caller was to blame nor the answer had begun. */
const lost = (outcome: Outcome): boolean => {
  const expected = Expected.of(outcome.trial.primary, outcome.trial.mode)?.[0]
  return sound(outcome) && (expected === "primary" || expected === "backup") && outcome.verdict._tag !== "Whole"
}

/** A table as the formatter would have it. */
const render = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>): string =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

/** The scorecard as Markdown: what was found, which every run must find again, then what was measured. */
import { names } from "@understudy/providers/internal/testing/FaultName"
import * as Breaks from "./Breaks.ts"
import type { Costs, Measured } from "./Cost.ts"
import * as Cost from "./Cost.ts"
import * as Dialect from "./Dialect.ts"
import * as Expected from "./Expected.ts"
import * as Faults from "./Faults.ts"
import * as Handover from "./Handover.ts"
import * as Leaving from "./Leaving.ts"
import * as Pairs from "./Pairs.ts"
import * as Recovery from "./Recovery.ts"
import * as Stage from "./Stage.ts"
import type { Outcome } from "./Trial.ts"
import * as Trial from "./Trial.ts"
import * as Vendor from "./Vendor.ts"

/** What one run found. */
export interface Score {
  readonly faults: ReadonlyArray<Outcome>
  readonly handovers: ReadonlyArray<Outcome>
  readonly pairs: ReadonlyArray<Outcome>
  readonly breaks: ReadonlyArray<Outcome>
  readonly leaving: ReadonlyArray<Leaving.Outcome>
}

/** What was found: the same for every run of the same code. */
export const found = ({ breaks, faults, handovers, leaving, pairs }: Score): string =>
  [
    "# Scorecard",
    "Every fault of the project's own fault server at the primary deployment, through the real gateway, judged by the bytes",
    "that a caller got and by the requests that the providers saw: callers of every dialect, each with every vendor's shape at",
    "the other end. `npm run scorecard` writes this file; a test holds it to be true. Two retries",
    `(${Stage.limits.base} ms, doubling), then the backup; silence is borne for ${Stage.limits.silence} ms; a Retry-After is waited for up to`,
    `${Stage.limits.maxRetryAfter} ms. The columns of streams are what \`protect\` says: \`preamble\`, \`continue\` or \`full\`.`,
    "",
    "`3 + 1` is three attempts at the primary and one at the backup. **answered**: whole, at the first attempt. **rescued**:",
    "whole, and the caller saw nothing of the fault. **continued**: whole, and the backup said the rest of it. **error 400**: a",
    "status with the protocol's error. **error in the stream**: the answer had begun, and ends in the protocol's error event.",
    "What must never be, and is looked for: a truncated answer shown as a whole one, words that are nobody's or half of one",
    "answer after half of another, events out of their order, two ends or none, an error inside a 200, a connection dropped",
    "without a word, a hang, a secret. A fault that only a stream can have leaves a plain answer whole.",
    "",
    "## Bars",
    bars({ breaks, faults, handovers, leaving, pairs }),
    "## One fault",
    "Where a setting has no say, because the fault strikes before the first word, one dialect is enough to show it.\n",
    ...tables(faults),
    "## From one vendor to another",
    "Every two vendors, one the primary's and the other the backup's, in every dialect, without retries. Whoever began the",
    "answer, in the caller's own dialect or in another, what is read is one answer of that dialect: one id, every block closed",
    "once, one end.\n",
    render(
      ["fault", ...Faults.columns.map(columnTitle)],
      [...new Set(Handover.faults.map(({ primary }) => primary))].map((primary) => [
        `\`${primary}\``,
        ...Faults.columns.map(({ mode, setting }) => summary(handovers, { primary, mode, setting })),
      ]),
    ),
    "## Both bad",
    "Primary and backup at fault, two vendors, without retries, each kind of the primary's in every shape it comes in: the one",
    "status that sums both up. Rows are the primary's, columns the backup's.\n",
    matrix(pairs),
    "## Broken twice",
    "The primary breaks after its first words, and the backup, another vendor's, which is to go on or to answer instead, is at",
    "fault as well; or it says something else than to go on. Never two halves of two answers, and never a clean end.\n",
    render(
      ["", "`continue`", "`full`"],
      [...Breaks.backups, Breaks.other].map((backup) => [
        backup === Breaks.other ? "something else" : `\`${backup}\``,
        ...Breaks.settings.map((setting) => summary(breaks, { setting, backup })),
      ]),
    ),
    "## Callers who go away",
    "What becomes of the provider's side, by when the caller leaves.\n",
    render(
      ["", ...Faults.columns.map(columnTitle)],
      Leaving.moments.map(({ title }) => [
        title,
        ...Faults.columns.map(({ mode, setting }) => {
          const here = leaving.filter((each) => each.moment === title && each.mode === mode && each.setting === setting)
          return [...new Set(here.map(({ closed }) => (closed ? "closed at once" : "**left open**")))].join(" or ")
        }),
      ]),
    ),
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
export const measured = ({ firstWord, movingOn }: Costs, processor: string): string =>
  [
    `${measuredHeading}\n`,
    "Moving on, beyond the waits that are configured: from the arrival of the request that fails, at once or by silence, to the",
    "arrival of the next one, as the providers see them, in milliseconds. The bar is a median under 5.\n",
    render(["", "median", "p95"], movingOn.map(times)),
    "",
    `Until the first word of a stream whose ${Cost.words} words come one every ${Cost.gap} ms, in milliseconds, by what \`protect\` says.\n`,
    render(["", "median", "p95"], firstWord.map(times)),
    "",
    processor,
    "",
  ].join("\n")

const times = ({ median, p95, title }: Measured): ReadonlyArray<string> => [title, median.toFixed(1), p95.toFixed(1)]

const columnTitle = ({ mode, setting }: Faults.Column): string => (mode === "plain" ? "plain" : `stream, ${setting}`)

/** A table for each way of faring, under the names of all who fared so. */
const tables = (outcomes: ReadonlyArray<Outcome>): ReadonlyArray<string> => {
  const alike = new Map<string, Map<Dialect.Name, Array<string>>>()
  for (const dialect of Dialect.names) {
    for (const vendor of Vendor.vendors) {
      const own = table(outcomes.filter(({ trial }) => trial.dialect === dialect && trial.vendor === vendor))
      const who = alike.get(own) ?? new Map<Dialect.Name, Array<string>>()
      who.set(dialect, [...(who.get(dialect) ?? []), Vendor.entries[vendor].title])
      alike.set(own, who)
    }
  }
  return [...alike].flatMap(([table, who]) => [`${everyone(who)}:\n`, table])
}

/** Dialects from vendors, those from the same ones together. */
const everyone = (who: ReadonlyMap<Dialect.Name, ReadonlyArray<string>>): string =>
  [...Map.groupBy(who, ([, vendors]) => listed(vendors))]
    .map(
      ([vendors, dialects]) =>
        `${listed(dialects.map(([dialect]) => Dialect.dialects[dialect].title))} from ${vendors}`,
    )
    .join("; ")

const listed = (words: ReadonlyArray<string>): string => new Intl.ListFormat("en-GB").format(words)

const table = (outcomes: ReadonlyArray<Outcome>): string =>
  render(
    ["fault", ...Faults.columns.map(columnTitle)],
    names.map((primary) => [
      `\`${primary}\``,
      ...Faults.columns.map(({ mode, setting }) => summary(outcomes, { primary, mode, setting })),
    ]),
  )

/** What came of all trials like this, which is one thing where it is as it should be. */
const summary = (outcomes: ReadonlyArray<Outcome>, like: Partial<Trial.Trial>): string => {
  const wanted = Object.entries(like)
  const here = outcomes.filter(({ trial }) =>
    wanted.every(([field, value]) => trial[field as keyof Trial.Trial] === value),
  )
  return [...new Set(here.map(told))].join(" or ")
}

/** An outcome in a few words, with the attempts it took. */
const told = (outcome: Outcome): string => {
  const { backup, primary } = outcome
  const attempts = `${primary.length} + ${backup.length}`
  const seen = Trial.answer(outcome)
  if (seen === "primary" && primary.length === 1) return "answered"
  if (seen === "primary" || seen === "backup") return `rescued, ${attempts}`
  if (seen === "continued") return `continued, ${attempts}`
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
        return [...new Set(here.map(Trial.answer))].join(" or ")
      }),
    ]),
  )

const bars = ({ breaks, faults, handovers, leaving, pairs }: Score): string => {
  const outcomes = [...faults, ...handovers, ...pairs, ...breaks]
  const complained = (outcomes: ReadonlyArray<Outcome>, complaints: (outcome: Outcome) => ReadonlyArray<string>) =>
    outcomes.filter((outcome) => complaints(outcome).length > 0).length
  const astray =
    complained(faults, Faults.complaints) +
    complained(handovers, Handover.complaints) +
    complained(pairs, Pairs.complaints) +
    complained(breaks, Breaks.complaints)
  const count = (is: (outcome: Outcome) => boolean): string => String(outcomes.filter(is).length)
  const tagged = (tag: string) => count(({ verdict }) => verdict._tag === tag)
  return render(
    ["", "wanted", "is"],
    [
      ["calls", "", String(outcomes.length + leaving.length)],
      ["hangs", "0", tagged("Hung")],
      ["truncated answers shown as whole", "0", tagged("Truncated")],
      ["wrong answers, errors in a 200, secrets shown", "0", tagged("Wrong")],
      ["connections dropped without a word", "0", tagged("Dropped")],
      ["attempts other than the configuration says, exchanges left open, hurried retries", "0", String(astray)],
      [
        "faults that a sound backup is to rescue, by the setting, and did not",
        "0",
        String(faults.filter(lost).length + handovers.filter(({ verdict }) => verdict._tag !== "Whole").length),
      ],
      [
        "upstreams open a second after their caller went away",
        "0",
        String(leaving.filter(({ closed }) => !closed).length),
      ],
    ],
  )
}

/** Not rescued, though neither the caller was to blame nor the answer had begun. */
const lost = (outcome: Outcome): boolean => {
  const { mode, primary, setting } = outcome.trial
  const [wanted] = Expected.of(primary, mode, setting) ?? []
  const rescued = wanted === "primary" || wanted === "backup" || wanted === "continued"
  return rescued && outcome.verdict._tag !== "Whole"
}

/** A table as the formatter would have it. */
const render = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>): string =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

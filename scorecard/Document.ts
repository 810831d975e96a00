/** The scorecard as Markdown: the deterministic results, then the measurements. */
import { names } from "@understudy/providers/internal/testing/FaultName"
import * as Breaks from "./Breaks.ts"
import type { Costs, Measured } from "./Cost.ts"
import * as Cost from "./Cost.ts"
import * as Dialect from "./Dialect.ts"
import * as Expected from "./Expected.ts"
import * as Faults from "./Faults.ts"
import * as Handover from "./Handover.ts"
import * as Leaving from "./Leaving.ts"
import * as Operations from "./Operations.ts"
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
  readonly operations: ReadonlyArray<Outcome>
  readonly leaving: ReadonlyArray<Leaving.Outcome>
}

/** What was found: the same for every run of the same code. */
export const found = ({ breaks, faults, handovers, leaving, operations, pairs }: Score): string =>
  [
    "# Scorecard",
    "The primary deployment fails in every way that the fault server can produce. Each call goes through the real gateway and is judged by",
    "the bytes that the client received and the requests that the providers received: for every client protocol, with every vendor as",
    "the provider. `npm run scorecard` writes this file, and a test compares it with a run.",
    "",
    `The route has a primary and a backup, with two retries (first delay ${Stage.limits.base} ms), timeouts of ${Stage.limits.silence} ms, and a`,
    `\`maxRetryAfter\` of ${Stage.limits.maxRetryAfter} ms. The columns of streams are the values of \`stream.protect\`: \`preamble\`, \`continue\` or \`full\`.`,
    "",
    "- `3 + 1` means three attempts at the primary and one at the backup.",
    "- **answered**: complete response, at the first attempt.",
    "- **recovered**: complete response, and the client did not notice the fault.",
    "- **continued**: complete response, whose second part is the backup's.",
    "- **error 400**: this status, with an error of the client's protocol.",
    "- **error in the stream**: the response had begun, and ends with an error event of the client's protocol.",
    "- **connection cut**: the response of bytes had begun. The connection closes before its end, which the client sees as an error.",
    "",
    "A call is judged wrong if the client gets a truncated response that looks complete, text that no deployment sent, parts of two unrelated",
    "responses, events out of order, no end or two, an error with status 200, a dropped connection, no response in time, or a secret. Faults",
    "that only affect streams have no effect on other calls.",
    "",
    "## Targets",
    bars({ breaks, faults, handovers, leaving, operations, pairs }),
    "## Single faults",
    "Faults before the first output do not depend on `stream.protect`, so that only one protocol shows all three values for them.\n",
    ...tables(faults),
    "## Fallback between vendors",
    "Every pair of vendors as primary and backup, in every client protocol, without retries. The client receives one response of its",
    "protocol, whichever vendor started it: one id, each block closed once, one end.\n",
    render(
      ["fault", ...Faults.columns.map(columnTitle)],
      [...new Set(Handover.faults.map(({ primary }) => primary))].map((primary) => [
        `\`${primary}\``,
        ...Faults.columns.map(({ mode, setting }) => summary(handovers, { primary, mode, setting })),
      ]),
    ),
    "## Other operations",
    "[Completions, moderations, images, speech, transcriptions and rerank](endpoints.md), with OpenAI, and the same route. Rerank falls back",
    "from OpenAI's shape to Bedrock and from Bedrock to it. After the first bytes of a stream no other deployment takes over, with any",
    "`stream.protect`. A cell is empty if no operation has that fault. Of the streams, only completions have a `[DONE]`, without which they",
    "are not complete (`no-done`).\n",
    render(
      ["fault", ...Operations.groups.map(({ title }) => title)],
      names
        .map((primary) => [
          `\`${primary}\``,
          ...Operations.groups.map(({ mode, operations: members }) =>
            summary(
              operations.filter(({ trial }) => members.some((operation) => operation === trial.dialect)),
              { primary, mode },
            ),
          ),
        ])
        .filter(([, ...cells]) => cells.some((cell) => cell !== "")),
    ),
    "## Two faults",
    "Primary and backup, of two vendors, both fail, without retries; each kind of failure in every form. Cells are the status that the client",
    "gets, rows the primary's failure, columns the backup's.\n",
    matrix(pairs),
    "## Two broken streams",
    "The primary breaks after its first output. The backup, of another vendor, is to continue or replace the response, but fails too or sends",
    "unrelated text. The client never receives parts of two responses, nor a normal end.\n",
    render(
      ["", "`continue`", "`full`"],
      [...Breaks.backups, Breaks.other].map((backup) => [
        backup === Breaks.other ? "unrelated text" : `\`${backup}\``,
        ...Breaks.settings.map((setting) => summary(breaks, { setting, backup })),
      ]),
    ),
    "## Client disconnects",
    "State of the request to the provider after the client disconnects at different moments.\n",
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
    "## Recovery of the primary",
    `The primary alternates between two errors and two successes, with a circuit of \`{ failures: 2, open: ${Recovery.open}ms }\` and no retries.`,
    "The last deployment of each row answers.",
    "",
    render(
      ["call", "deployments tried", "primary"],
      Recovery.calls.map(({ asked, later, state }, index) => [
        `${index + 1}${later ? ", after `open`" : ""}`,
        asked.join(", "),
        state,
      ]),
    ),
  ]
    .map((part) => (part.startsWith("#") || part.startsWith("|") ? `${part}\n` : part))
    .join("\n")

/** The heading under which times stand, which differ from run to run. */
const measuredHeading = "## Latency"

/** What a document says was found, and what was measured. */
export const parts = (text: string): { readonly found: string; readonly measured: string } => {
  const at = text.indexOf(measuredHeading)
  return { found: text.slice(0, at), measured: text.slice(at) }
}

/** What was measured. */
export const measured = ({ firstWord, movingOn }: Costs, processor: string): string =>
  [
    `${measuredHeading}\n`,
    "Time from the arrival of the failing request (plus its configured timeout or delay) to the arrival of the next request, at the providers,",
    "in milliseconds. The target is a median under 5.\n",
    render(["", "median", "p95"], movingOn.map(times)),
    "",
    `Time to first token in milliseconds, for a stream of ${Cost.words} words, one every ${Cost.gap} ms, by \`stream.protect\`.\n`,
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
        `${listed(dialects.map(([dialect]) => Dialect.dialects[dialect].title))} clients, with ${vendors}`,
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

/** A short description of an outcome, with its attempts. */
const told = (outcome: Outcome): string => {
  const { backup, primary } = outcome
  const attempts = `${primary.length} + ${backup.length}`
  const seen = Trial.answer(outcome)
  if (seen === "primary" && primary.length === 1) return "answered"
  if (seen === "primary" || seen === "backup") return `recovered, ${attempts}`
  if (seen === "continued") return `continued, ${attempts}`
  if (seen === "broken") {
    const isCut = Dialect.of(outcome.trial.dialect).cut !== undefined
    return `${isCut ? "connection cut" : "error in the stream"}, ${attempts}`
  }
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

const bars = ({ breaks, faults, handovers, leaving, operations, pairs }: Score): string => {
  const outcomes = [...faults, ...handovers, ...pairs, ...breaks, ...operations]
  const complained = (outcomes: ReadonlyArray<Outcome>, complaints: (outcome: Outcome) => ReadonlyArray<string>) =>
    outcomes.filter((outcome) => complaints(outcome).length > 0).length
  const astray =
    complained(faults, Faults.complaints) +
    complained(handovers, Handover.complaints) +
    complained(pairs, Pairs.complaints) +
    complained(breaks, Breaks.complaints) +
    complained(operations, Operations.complaints)
  const count = (is: (outcome: Outcome) => boolean): string => String(outcomes.filter(is).length)
  const tagged = (tag: string) => count(({ verdict }) => verdict._tag === tag)
  return render(
    ["", "target", "actual"],
    [
      ["calls", "", String(outcomes.length + leaving.length)],
      ["calls without a response in time", "0", tagged("Hung")],
      ["truncated responses that look complete", "0", tagged("Truncated")],
      ["wrong responses, errors with status 200, leaked secrets", "0", tagged("Wrong")],
      ["connections dropped without an error", "0", tagged("Dropped")],
      ["attempts that differ from the configuration, open upstream requests, early retries", "0", String(astray)],
      [
        "faults not recovered although `stream.protect` and the backup allow it",
        "0",
        String(
          [...faults, ...operations].filter(lost).length +
            handovers.filter(({ verdict }) => verdict._tag !== "Whole").length,
        ),
      ],
      [
        "upstream requests open one second after the client disconnected",
        "0",
        String(leaving.filter(({ closed }) => !closed).length),
      ],
    ],
  )
}

/** Not rescued, though neither the caller was to blame nor the answer had begun. */
const lost = (outcome: Outcome): boolean => {
  const { mode, primary, setting } = outcome.trial
  const [wanted] = Operations.expected(outcome.trial) ?? Expected.of(primary, mode, setting) ?? []
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

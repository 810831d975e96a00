/**
 * `understudy spend`: what was spent, by whom and on what.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as LedgerFields from "../../api/admin/LedgerFields.ts"
import * as Table from "../Table.ts"
import * as Client from "./AdminClient.ts"
import * as FlagFields from "./FlagFields.ts"
import * as Format from "../Format.ts"
import * as Lookup from "./Lookup.ts"
import type { Common } from "./Output.ts"
import * as Output from "./Output.ts"

export interface SpendFlags {
  readonly by: string | undefined
  readonly every: string | undefined
  readonly from: string | undefined
  readonly to: string | undefined
  readonly key: string | undefined
  readonly team: string | undefined
  readonly tag: string | undefined
  readonly route: string | undefined
  readonly deployment: string | undefined
  readonly vendor: string | undefined
  readonly model: string | undefined
}

const Query = Schema.Struct(LedgerFields.SpendQuery)

export const spend = Effect.fnUntraced(function* ({ csv, ...input }: Common & SpendFlags & { readonly csv: boolean }) {
  const { json: _json, url, ...flags } = input
  const query = yield* FlagFields.decode(Query, FlagFields.defined(flags))
  const api = yield* Client.make(url)
  const named = {
    ...query,
    ...FlagFields.defined({
      key: yield* Lookup.keyId(api, flags.key),
      team: yield* Lookup.teamId(api, flags.team),
    }),
  }
  if (csv) {
    const text = yield* Client.text(
      api.spend.get({ query: { ...named, format: "csv" }, responseMode: "response-only" }),
    )
    return yield* Console.log(text.trimEnd())
  }
  const found = yield* Client.reply(api.spend.get({ query: { ...named, format: "json" }, ...Client.withResponse }))
  yield* Output.show(found, input, ({ rows }) => lines(rows, query))
})

type Row = (typeof LedgerFields.SpendReport.Type)["rows"][number]

const lines = (rows: ReadonlyArray<Row>, { by = [], every }: typeof Query.Type): ReadonlyArray<string> => {
  if (rows.length === 0) return ["No calls: nothing was spent."]
  // A call with several tags is in the row of each: the sum of these rows is not what was spent.
  const total = by.includes("tag") ? undefined : sum(rows)
  const hasTime = every !== undefined && every !== "none"
  const digits = Format.decimals(rows.map(({ cost }) => cost))
  const names = [...(hasTime ? ["time"] : []), ...by]
  const sums = (row: Sums): ReadonlyArray<string> => [
    Format.number(row.calls),
    Format.number(row.failedCalls),
    Format.number(row.inputTokens),
    Format.number(row.outputTokens),
    Format.dollars(row.cost, digits),
    ...(total === undefined || total.cost === 0 ? [] : [Format.percent(row.cost, total.cost)]),
  ]
  return [
    ...Table.lines(
      [
        [...names, ...sumNames.slice(0, sums(rows[0]!).length)],
        ...rows.map((row) => [
          ...(hasTime ? [timeText(row.start ?? "", every)] : []),
          ...by.map((name) => nameText(row, name)),
          ...sums(row),
        ]),
        ...(rows.length > 1 && total !== undefined
          ? [[...names.map((_, index) => (index === 0 ? "total" : "")), ...sums(total)]]
          : []),
      ],
      sumNames.map((_, index) => names.length + index),
    ),
    ...(total === undefined ? [] : notes(total)),
  ]
}

const sumNames = ["calls", "failed", "input", "output", "cost", "share"]

const notes = ({ estimatedCost, unpricedAttempts }: Sums): ReadonlyArray<string> => [
  ...(estimatedCost > 0
    ? [`${Format.dollars(estimatedCost)} of the cost is estimated: the usage of those attempts was not reported.`]
    : []),
  ...(unpricedAttempts > 0
    ? [
        `The cost of ${Format.number(unpricedAttempts)} attempts is missing: their price is not known. Set the \`price\` of their deployments.`,
      ]
    : []),
]

const summed = [
  "calls",
  "failedCalls",
  "inputTokens",
  "outputTokens",
  "cost",
  "estimatedCost",
  "unpricedAttempts",
] as const

type Sums = Readonly<Record<(typeof summed)[number], number>>

/** The sums over all rows. */
const sum = (rows: ReadonlyArray<Row>): Sums =>
  Object.fromEntries(summed.map((name) => [name, rows.reduce((total, row) => total + row[name], 0)])) as Sums

const nameText = (row: Row, name: keyof Row & string): string => {
  const text = name === "key" ? (row.keyName ?? row.key) : name === "team" ? (row.teamName ?? row.team) : row[name]
  return text === undefined || text === "" ? "-" : String(text)
}

const timeText = (start: string, every: string): string =>
  every === "month"
    ? start.slice(0, 7)
    : every === "day"
      ? start.slice(0, 10)
      : `${start.slice(0, 13).replace("T", " ")}:00`

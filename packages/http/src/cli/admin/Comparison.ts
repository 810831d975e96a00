/**
 * `understudy shadows` and `understudy splits`: shadow calls beside their calls, and the arms of splits.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as LedgerFields from "../../api/admin/LedgerFields.ts"
import type { Summary } from "../../ledger/Comparison.ts"
import * as Table from "../Table.ts"
import * as Client from "./AdminClient.ts"
import * as FlagFields from "./FlagFields.ts"
import * as Format from "../Format.ts"
import type { Common } from "./Output.ts"
import * as Output from "./Output.ts"

export interface ComparisonFlags {
  readonly route: string | undefined
  readonly from: string | undefined
  readonly to: string | undefined
}

const Query = Schema.Struct(LedgerFields.ComparisonQuery)

export const shadows = Effect.fnUntraced(function* (input: Common & ComparisonFlags) {
  const query = yield* queryOf(input)
  const api = yield* Client.make(input.url)
  const found = yield* Client.reply(api.comparisons.shadows({ query, ...Client.withResponse }))
  yield* Output.show(found, input, ({ rows, truncated }) =>
    rows.length === 0
      ? ["No shadow calls."]
      : table(
          ["route", "calls"],
          rows.flatMap(({ call, pairs, route, shadow, shadowRoute }) => [
            { names: [route, Format.number(pairs)], summary: call },
            { names: [`  shadow: ${shadowRoute}`, Format.number(pairs)], summary: shadow },
          ]),
          truncated,
        ),
  )
})

export const splits = Effect.fnUntraced(function* (input: Common & ComparisonFlags) {
  const query = yield* queryOf(input)
  const api = yield* Client.make(input.url)
  const found = yield* Client.reply(api.comparisons.splits({ query, ...Client.withResponse }))
  yield* Output.show(found, input, ({ rows, truncated }) =>
    rows.length === 0
      ? ["No calls on splits."]
      : table(
          ["route", "arm", "calls"],
          rows.map(({ arm, calls, route, ...summary }) => ({ names: [route, arm, Format.number(calls)], summary })),
          truncated,
        ),
  )
})

const queryOf = ({ from, route, to }: ComparisonFlags) =>
  FlagFields.decode(Query, FlagFields.defined({ route, from, to }))

interface Line {
  readonly names: ReadonlyArray<string>
  readonly summary: Summary
}

const numbers = ["ok", "failed", "cancelled", "p50 ms", "p95 ms", "first p50", "first p95", "cost"]

/** The last of the names is a number. */
const table = (
  names: ReadonlyArray<string>,
  lines: ReadonlyArray<Line>,
  isTruncated: boolean,
): ReadonlyArray<string> => {
  const digits = Format.decimals(lines.map(({ summary: { cost } }) => cost))
  return [
    ...Table.lines(
      [
        [...names, ...numbers],
        ...lines.map(({ names, summary }) => [
          ...names,
          Format.number(summary.successes),
          Format.number(summary.failures),
          Format.number(summary.cancelled),
          ...[summary.p50Millis, summary.p95Millis, summary.p50FirstTokenMillis, summary.p95FirstTokenMillis].map(
            (millis) => (millis === null ? "-" : Format.number(millis)),
          ),
          `${Format.dollars(summary.cost, digits)}${summary.unpricedCalls > 0 ? "+" : ""}`,
        ]),
      ],
      [names.length - 1, ...numbers.map((_, index) => names.length + index)],
    ),
    ...(lines.some(({ summary }) => summary.unpricedCalls > 0)
      ? ["A + marks a cost without the calls whose price is not known. Set the `price` of their deployments."]
      : []),
    ...(isTruncated ? ["Only the latest 100,000 calls are compared: narrow the time with --from and --to."] : []),
  ]
}

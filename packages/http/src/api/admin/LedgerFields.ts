/**
 * The fields of spend and calls, as `/admin` receives and shows them.
 */
import { source, word } from "@understudy/providers/internal/config/Fields"
import * as Schema from "effect/Schema"
import * as Timestamp from "../../config/Timestamp.ts"
import * as RollUps from "../../ledger/RollUps.ts"
import * as Spend from "../../ledger/Spend.ts"

/** Columns to group by, separated by commas. */
const by = source<ReadonlyArray<Spend.Dimension>, string>({
  from: Schema.String,
  to: Schema.Any,
  expected: `one or more of ${Spend.dimensions.join(", ")}, separated by commas`,
  parse: (text) => {
    const names = [...new Set(text.split(",").map((name) => name.trim()))]
    return names.every(isDimension) ? names : undefined
  },
  print: (names) => names.join(","),
})

const isDimension = (name: string): name is Spend.Dimension =>
  (Spend.dimensions as ReadonlyArray<string>).includes(name)

const optional = Schema.optionalKey
const text = optional(Schema.String.annotate({ expected: "one value" }))
const time = { from: optional(Timestamp.Timestamp), to: optional(Timestamp.Timestamp) }

/** Sums are of hours: those of a part of one are not known. */
const hour = Timestamp.Timestamp.check(
  Schema.makeFilter((at) => at % RollUps.hour === 0, {
    expected: "a date, or the start of an hour of UTC such as 2027-01-31T18:00:00Z",
  }),
)

export const SpendQuery = {
  by: optional(by),
  every: optional(word([...Spend.intervals, "none"])),
  from: optional(hour),
  to: optional(hour),
  format: optional(word(["json", "csv"])),
  key: text,
  team: text,
  tag: text,
  route: text,
  deployment: text,
  vendor: text,
  model: text,
}

const number = Schema.Finite

export const SpendReport = Schema.Struct({
  rows: Schema.Array(
    Schema.Struct({
      start: text,
      key: text,
      keyName: optional(Schema.NullOr(Schema.String)),
      team: text,
      teamName: optional(Schema.NullOr(Schema.String)),
      tag: text,
      route: text,
      deployment: text,
      vendor: text,
      model: text,
      calls: number,
      attempts: number,
      failedCalls: number,
      inputTokens: number,
      cachedInputTokens: number,
      cacheWriteTokens: number,
      outputTokens: number,
      reasoningTokens: number,
      cost: number,
      estimatedCost: number,
      unpricedAttempts: number,
    }),
  ),
})

/** The calls that a comparison is of. */
export const ComparisonQuery = { route: text, ...time }

const summary = {
  successes: number,
  failures: number,
  cancelled: number,
  p50Millis: Schema.NullOr(number),
  p95Millis: Schema.NullOr(number),
  p50FirstTokenMillis: Schema.NullOr(number),
  p95FirstTokenMillis: Schema.NullOr(number),
  inputTokens: number,
  outputTokens: number,
  cost: number,
  unpricedCalls: number,
}

const comparison = <Fields extends Schema.Struct.Fields>(row: Fields) =>
  Schema.Struct({ rows: Schema.Array(Schema.Struct(row)), truncated: Schema.Boolean })

export const ShadowReport = comparison({
  route: Schema.String,
  shadowRoute: Schema.String,
  pairs: number,
  call: Schema.Struct(summary),
  shadow: Schema.Struct(summary),
})

export const SplitReport = comparison({ route: Schema.String, arm: Schema.String, calls: number, ...summary })

export const CallsFilter = {
  id: text,
  key: text,
  team: text,
  route: text,
  deployment: text,
  outcome: optional(word(["success", "failure", "cancelled", "refused"])),
  tag: text,
  split: text,
  shadowOf: text,
  ...time,
}

const nullable = Schema.NullOr

const Attempt = Schema.Struct({
  deployment: Schema.String,
  vendor: Schema.String,
  model: Schema.String,
  outcome: Schema.String,
  reason: nullable(Schema.String),
  status: nullable(number),
  millis: number,
  inputTokens: number,
  cachedInputTokens: number,
  cacheWriteTokens: number,
  outputTokens: number,
  reasoningTokens: number,
  cost: nullable(number),
  priceVersion: nullable(Schema.String),
  estimated: Schema.Boolean,
})

export const Call = Schema.Struct({
  id: Schema.String,
  at: Schema.String,
  key: Schema.String,
  keyName: nullable(Schema.String),
  team: Schema.String,
  teamName: nullable(Schema.String),
  tags: Schema.Array(Schema.String),
  route: Schema.String,
  model: Schema.String,
  deployment: Schema.String,
  vendor: Schema.String,
  servedModel: Schema.String,
  protocol: Schema.String,
  streamed: Schema.Boolean,
  outcome: Schema.String,
  reason: nullable(Schema.String),
  status: nullable(number),
  cache: nullable(Schema.String),
  split: nullable(Schema.String),
  shadowOf: nullable(Schema.String),
  millis: number,
  firstTokenMillis: nullable(number),
  attempts: number,
  inputTokens: number,
  outputTokens: number,
  cost: nullable(number),
  estimated: Schema.Boolean,
})

export const CallWithAttempts = Schema.Struct({ ...Call.fields, attempts: Schema.Array(Attempt) })

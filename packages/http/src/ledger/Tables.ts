/**
 * The tables of the ledger: the columns that are written, and their types in PostgreSQL.
 */
import type { SpendRow } from "./RollUps.ts"
import type { AttemptRow, CallRow, Dimensions, Facts, Value } from "./Rows.ts"

type Types<Row> = { readonly [Column in keyof Row]: "text" | "bigint" }

export class Table<Row extends Readonly<Record<string, Value>>> {
  readonly name: string
  readonly columns: ReadonlyArray<keyof Row & string>
  /** The types of the columns in PostgreSQL. */
  readonly types: ReadonlyArray<"text" | "bigint">

  constructor(name: string, columns: Types<Row>) {
    this.name = name
    this.columns = Object.keys(columns)
    this.types = Object.values(columns)
  }

  /** The values of a row, in the order of the columns. */
  values(row: Row): ReadonlyArray<Value> {
    return this.columns.map((column) => row[column] ?? null)
  }
}

const dimensionTypes: Types<Dimensions> = {
  key_id: "text",
  team_id: "text",
  tags: "text",
  route: "text",
  model: "text",
  deployment: "text",
  vendor: "text",
  served_model: "text",
  protocol: "text",
  streamed: "bigint",
  outcome: "text",
  reason: "text",
  status: "bigint",
  cache: "text",
  attempts: "bigint",
  price_version: "text",
  split: "text",
  estimated: "bigint",
}

export type DimensionsRow = Dimensions & {
  readonly id: string
  /** The start of the last day, in UTC, on which a call had these. */
  readonly used_at: number
}

export const callDimensions = new Table<DimensionsRow>("call_dimensions", {
  id: "bigint",
  used_at: "bigint",
  ...dimensionTypes,
})

/** The columns of the dimensions of calls, without their id. */
export const dimensions = Object.keys(dimensionTypes) as ReadonlyArray<keyof Dimensions>

export const dimensionsOf = (call: CallRow): Dimensions => ({
  key_id: call.key_id,
  team_id: call.team_id,
  tags: call.tags,
  route: call.route,
  model: call.model,
  deployment: call.deployment,
  vendor: call.vendor,
  served_model: call.served_model,
  protocol: call.protocol,
  streamed: call.streamed,
  outcome: call.outcome,
  reason: call.reason,
  status: call.status,
  cache: call.cache,
  attempts: call.attempts,
  price_version: call.price_version,
  split: call.split,
  estimated: call.estimated,
})

/** The columns of facts that are numbers: they follow those that are texts. */
export const factNumbers = [
  "at",
  "millis",
  "first_token_millis",
  "attempt_millis",
  "input_tokens",
  "cached_input_tokens",
  "cache_write_tokens",
  "output_tokens",
  "reasoning_tokens",
  "cost",
] as const

export type FactRow = Facts & { readonly dimensions_id: string }

export const callFacts = new Table<FactRow>("call_facts", {
  id: "text",
  dimensions_id: "bigint",
  shadow_of: "text",
  at: "bigint",
  millis: "bigint",
  first_token_millis: "bigint",
  attempt_millis: "bigint",
  input_tokens: "bigint",
  cached_input_tokens: "bigint",
  cache_write_tokens: "bigint",
  output_tokens: "bigint",
  reasoning_tokens: "bigint",
  cost: "bigint",
})

/** Writes the numbers of facts at a place, in the order of `factNumbers`: `NaN` is none. */
export const writeNumbers = (facts: Facts, numbers: Float64Array, at: number): void => {
  numbers[at] = facts.at
  numbers[at + 1] = facts.millis
  numbers[at + 2] = facts.first_token_millis ?? Number.NaN
  numbers[at + 3] = facts.attempt_millis ?? Number.NaN
  numbers[at + 4] = facts.input_tokens
  numbers[at + 5] = facts.cached_input_tokens
  numbers[at + 6] = facts.cache_write_tokens
  numbers[at + 7] = facts.output_tokens
  numbers[at + 8] = facts.reasoning_tokens
  numbers[at + 9] = facts.cost ?? Number.NaN
}

/** Facts whose numbers are in the order of `factNumbers`: `NaN` is none. */
export const factsOf = (id: string, shadow_of: string | null, numbers: Float64Array): Facts => {
  const valueOf = (column: (typeof factNumbers)[number]): number => numbers[factNumbers.indexOf(column)]!
  const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value)
  return {
    id,
    shadow_of,
    at: valueOf("at"),
    millis: valueOf("millis"),
    first_token_millis: orNull(valueOf("first_token_millis")),
    attempt_millis: orNull(valueOf("attempt_millis")),
    input_tokens: valueOf("input_tokens"),
    cached_input_tokens: valueOf("cached_input_tokens"),
    cache_write_tokens: valueOf("cache_write_tokens"),
    output_tokens: valueOf("output_tokens"),
    reasoning_tokens: valueOf("reasoning_tokens"),
    cost: orNull(valueOf("cost")),
  }
}

/** The attempts of calls whose rows are not also those of their only attempts. */
export const attempts = new Table<AttemptRow>("multiple_attempts", {
  call_id: "text",
  position: "bigint",
  deployment: "text",
  vendor: "text",
  model: "text",
  outcome: "text",
  reason: "text",
  status: "bigint",
  millis: "bigint",
  input_tokens: "bigint",
  cached_input_tokens: "bigint",
  cache_write_tokens: "bigint",
  output_tokens: "bigint",
  reasoning_tokens: "bigint",
  cost: "bigint",
  price_version: "text",
  estimated: "bigint",
})

const spend: ConstructorParameters<typeof Table<SpendRow>>[1] = {
  start: "bigint",
  key_id: "text",
  team_id: "text",
  tags: "text",
  route: "text",
  deployment: "text",
  vendor: "text",
  model: "text",
  calls: "bigint",
  attempts: "bigint",
  failed_calls: "bigint",
  input_tokens: "bigint",
  cached_input_tokens: "bigint",
  cache_write_tokens: "bigint",
  output_tokens: "bigint",
  reasoning_tokens: "bigint",
  cost: "bigint",
  estimated_cost: "bigint",
  unpriced_attempts: "bigint",
}

export const hours = new Table<SpendRow>("spend_hourly", spend)
export const days = new Table<SpendRow>("spend_daily", spend)

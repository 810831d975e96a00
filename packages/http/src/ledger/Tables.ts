/**
 * The tables of the ledger: their columns, and their rows as texts. The text of a row is the JSON of its values in the order of
 * the columns, without the brackets of the list.
 */
import type * as Rows from "./Rows.ts"
import type { Value } from "./Rows.ts"

export class Table<Row extends Readonly<Record<string, Value>>> {
  readonly name: string
  readonly columns: ReadonlyArray<keyof Row & string>
  /** The types of the columns in PostgreSQL. */
  readonly types: ReadonlyArray<"text" | "bigint">

  constructor(name: string, columns: { readonly [Column in keyof Row]: "text" | "bigint" }) {
    this.name = name
    this.columns = Object.keys(columns)
    this.types = Object.values(columns)
  }

  text(row: Row): string {
    return JSON.stringify(this.columns.map((column) => row[column] ?? null)).slice(1, -1)
  }
}

export const calls = new Table<Rows.CallRow>("calls", {
  id: "text",
  at: "bigint",
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
  millis: "bigint",
  first_token_millis: "bigint",
  attempts: "bigint",
  input_tokens: "bigint",
  cached_input_tokens: "bigint",
  cache_write_tokens: "bigint",
  output_tokens: "bigint",
  reasoning_tokens: "bigint",
  cost: "bigint",
  estimated: "bigint",
  attempt_millis: "bigint",
  price_version: "text",
  split: "text",
  shadow_of: "text",
})

/** The attempts of calls whose rows are not also those of their only attempts. */
export const attempts = new Table<Rows.AttemptRow>("multiple_attempts", {
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

const spend: ConstructorParameters<typeof Table<Rows.SpendRow>>[1] = {
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

export const hours = new Table<Rows.SpendRow>("spend_hourly", spend)
export const days = new Table<Rows.SpendRow>("spend_daily", spend)

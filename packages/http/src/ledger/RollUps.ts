/**
 * The roll-ups of the ledger by hours and by days: what calls add to them.
 */
import type { AttemptRow, Dimensions, Entry } from "./Rows.ts"

/** The columns that a roll-up has a row for each combination of, besides its time. */
export const columns = ["key_id", "team_id", "tags", "route", "deployment", "vendor", "model"] as const

/** The columns of a roll-up that are sums. */
export const sums = [
  "calls",
  "attempts",
  "failed_calls",
  "input_tokens",
  "cached_input_tokens",
  "cache_write_tokens",
  "output_tokens",
  "reasoning_tokens",
  "cost",
  "estimated_cost",
  "unpriced_attempts",
] as const

export type Sums = { -readonly [Column in (typeof sums)[number]]: number }

/** What calls add to one row of a roll-up. `start` is the start of its hour in UTC. */
export type SpendRow = { readonly start: number } & { readonly [Column in (typeof columns)[number]]: string } & Sums

export const hour = 3_600_000
export const day = 24 * hour

/**
 * What calls add to the roll-up by hours: a row for each combination of its columns. A call counts once, at the deployment that
 * answered it; tokens and costs count where an attempt used them.
 */
export class Hours {
  readonly #rows = new Map<string, SpendRow>()
  /** Rows of `#rows` by the dimensions of their calls, which are fewer than the calls. */
  readonly #known = new Map<number, Map<Dimensions, SpendRow>>()

  /** `dimensions`: those of the call. What it adds for equal dimensions is found faster if they are one object. */
  add(dimensions: Dimensions, { attempts, call }: Entry): void {
    const start = call.at - (call.at % hour)
    const { deployment, served_model, vendor } = dimensions
    const answered = this.#answered(start, dimensions)
    answered.calls += 1
    if (dimensions.outcome === "failure") answered.failed_calls += 1
    for (const attempt of attempts) {
      const isAnswer = attempt.deployment === deployment && attempt.model === served_model && attempt.vendor === vendor
      addTo(isAnswer ? answered : this.#row(start, dimensions, attempt), attempt)
    }
  }

  /** In one order everywhere: two gateways that took the same rows in different orders would wait for each other. */
  get rows(): ReadonlyArray<SpendRow> {
    return sorted(this.#rows)
  }

  #answered(start: number, dimensions: Dimensions): SpendRow {
    let rows = this.#known.get(start)
    if (rows === undefined) this.#known.set(start, (rows = new Map()))
    const known = rows.get(dimensions)
    if (known !== undefined) return known
    const { deployment, served_model: model, vendor } = dimensions
    const row = this.#row(start, dimensions, { deployment, vendor, model })
    rows.set(dimensions, row)
    return row
  }

  #row(
    start: number,
    { key_id, route, tags, team_id }: Dimensions,
    { deployment, model, vendor }: Pick<AttemptRow, "deployment" | "vendor" | "model">,
  ): SpendRow {
    const row: SpendRow = { start, key_id, team_id, tags, route, deployment, vendor, model, ...nothing }
    const key = keyOf(row)
    const known = this.#rows.get(key)
    if (known !== undefined) return known
    this.#rows.set(key, row)
    return row
  }
}

const keyOf = (row: SpendRow): string => JSON.stringify([row.start, ...columns.map((name) => row[name])])

/** The roll-up by days of one by hours. */
export const days = (hours: ReadonlyArray<SpendRow>): ReadonlyArray<SpendRow> => {
  const rows = new Map<string, SpendRow>()
  for (const row of hours) {
    const start = row.start - (row.start % day)
    const key = keyOf({ ...row, start })
    const known = rows.get(key)
    if (known === undefined) rows.set(key, { ...row, start })
    else for (const column of sums) known[column] += row[column]
  }
  return sorted(rows)
}

const sorted = (rows: ReadonlyMap<string, SpendRow>): ReadonlyArray<SpendRow> =>
  [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)

const addTo = (row: SpendRow, attempt: AttemptRow): void => {
  row.attempts += 1
  row.input_tokens += attempt.input_tokens
  row.cached_input_tokens += attempt.cached_input_tokens
  row.cache_write_tokens += attempt.cache_write_tokens
  row.output_tokens += attempt.output_tokens
  row.reasoning_tokens += attempt.reasoning_tokens
  if (attempt.cost === null) row.unpriced_attempts += 1
  else row.cost += attempt.cost
  if (attempt.estimated === 1) row.estimated_cost += attempt.cost ?? 0
}

const nothing: Sums = {
  calls: 0,
  attempts: 0,
  failed_calls: 0,
  input_tokens: 0,
  cached_input_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 0,
  reasoning_tokens: 0,
  cost: 0,
  estimated_cost: 0,
  unpriced_attempts: 0,
}

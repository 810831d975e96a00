/**
 * What happened in the last half hour under one name, a route or a deployment, in buckets of ten seconds. Memory is allocated with
 * the first count, and does not grow: 140 kB, and the names of failure reasons.
 */
import * as DurationHistogram from "./DurationHistogram.ts"

/** The length of a bucket, in milliseconds. */
export const bucketMillis = 10_000

/** The buckets that are kept. */
export const buckets = 180

/** What is counted. `outcome` is that of calls for a route, and of attempts for a deployment. */
const columns = ["success", "failure", "cancelled", "faults", "cached", "inputTokens", "outputTokens", "cost"] as const

export type Column = (typeof columns)[number]

const columnAt = Object.fromEntries(columns.map((name, index) => [name, index])) as Readonly<Record<Column, number>>

/** One bucket. `at` is its start in clock milliseconds; durations are pairs of an upper bound in milliseconds and a count. */
export interface Bucket extends Readonly<Record<Column, number>> {
  readonly at: number
  readonly latency: ReadonlyArray<readonly [bound: number, count: number]>
  readonly firstToken: ReadonlyArray<readonly [bound: number, count: number]>
  /** Failed attempts by reason, and skips by reason. */
  readonly reasons: Readonly<Record<string, number>>
  readonly skipped: Readonly<Record<string, number>>
}

/** The counts of one name. */
export class TrafficWindow {
  /** The number of the bucket in each place: its start divided by the length. */
  readonly #numbers = new Float64Array(buckets).fill(-1)
  readonly #counts = new Float64Array(buckets * columns.length)
  readonly #latency = new Uint32Array(buckets * DurationHistogram.classes)
  readonly #firstToken = new Uint32Array(buckets * DurationHistogram.classes)
  readonly #reasons: Array<Map<string, number> | undefined> = []
  readonly #skipped: Array<Map<string, number> | undefined> = []

  add(now: number, column: Column, amount: number): void {
    const index = this.#place(now) * columns.length + columnAt[column]
    this.#counts[index] = this.#counts[index]! + amount
  }

  latency(now: number, millis: number): void {
    count(this.#latency, this.#place(now), millis)
  }

  firstToken(now: number, millis: number): void {
    count(this.#firstToken, this.#place(now), millis)
  }

  /** Counts tokens, and their cost in US dollars if it is known. */
  used(
    now: number,
    { inputTokens, outputTokens }: { readonly inputTokens: number; readonly outputTokens: number },
    cost: number | undefined,
  ): void {
    this.add(now, "inputTokens", inputTokens)
    this.add(now, "outputTokens", outputTokens)
    if (cost !== undefined) this.add(now, "cost", cost)
  }

  failed(now: number, reason: string): void {
    countName(this.#reasons, this.#place(now), reason)
  }

  skipped(now: number, reason: string): void {
    countName(this.#skipped, this.#place(now), reason)
  }

  /** The sum of a column over the buckets that overlap the last `millis`. */
  recent(now: number, column: Column, millis: number): number {
    let sum = 0
    for (let place = 0; place < buckets; place++) {
      const start = this.#numbers[place]! * bucketMillis
      if (start + bucketMillis > now - millis && start <= now) {
        sum += this.#counts[place * columns.length + columnAt[column]]!
      }
    }
    return sum
  }

  /** The buckets with counts that end after `since`, oldest first. */
  since(now: number, since: number): ReadonlyArray<Bucket> {
    const oldest = Math.floor(now / bucketMillis) - buckets + 1
    const places = [...this.#numbers.keys()].filter((place) => {
      const number = this.#numbers[place]!
      return number >= oldest && (number + 1) * bucketMillis > since
    })
    places.sort((one, other) => this.#numbers[one]! - this.#numbers[other]!)
    return places.map((place) => this.#read(place))
  }

  #read(place: number): Bucket {
    const at = (column: Column) => this.#counts[place * columns.length + columnAt[column]]!
    return {
      at: this.#numbers[place]! * bucketMillis,
      success: at("success"),
      failure: at("failure"),
      cancelled: at("cancelled"),
      faults: at("faults"),
      cached: at("cached"),
      inputTokens: at("inputTokens"),
      outputTokens: at("outputTokens"),
      cost: at("cost"),
      latency: DurationHistogram.pairs(this.#latency, place * DurationHistogram.classes),
      firstToken: DurationHistogram.pairs(this.#firstToken, place * DurationHistogram.classes),
      reasons: Object.fromEntries(this.#reasons[place] ?? []),
      skipped: Object.fromEntries(this.#skipped[place] ?? []),
    }
  }

  /** The place of the bucket of that time, which is emptied if it has counts of an earlier one. */
  #place(now: number): number {
    const number = Math.floor(now / bucketMillis)
    const place = number % buckets
    if (this.#numbers[place] !== number) {
      this.#numbers[place] = number
      this.#counts.fill(0, place * columns.length, (place + 1) * columns.length)
      this.#latency.fill(0, place * DurationHistogram.classes, (place + 1) * DurationHistogram.classes)
      this.#firstToken.fill(0, place * DurationHistogram.classes, (place + 1) * DurationHistogram.classes)
      this.#reasons[place] = undefined
      this.#skipped[place] = undefined
    }
    return place
  }
}

const count = (counts: Uint32Array, place: number, millis: number): void => {
  const index = place * DurationHistogram.classes + DurationHistogram.classOf(millis)
  counts[index] = counts[index]! + 1
}

const countName = (maps: Array<Map<string, number> | undefined>, place: number, name: string): void => {
  const counts = (maps[place] ??= new Map<string, number>())
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

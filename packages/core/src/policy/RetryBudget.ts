/**
 * How much may be asked beyond the calls themselves: retries and hedges are a share of the traffic of the last minute, so
 * that help for the few never becomes an outage for all.
 */

/** Extras that are always left, a minute: a share of next to nothing would help nobody. */
export const minPerMinute = 10

/** The share of the traffic that extras may be, where nothing is said. */
export const defaultShare = 0.2

/** A minute in slices: what is older than all of them no longer counts. */
const slices = 6
const sliceMillis = 10_000

/** Counts calls and extras in a sliding minute, in this process alone. */
export class RetryBudget {
  readonly share: number
  readonly #calls = new Uint32Array(slices)
  readonly #extras = new Uint32Array(slices)
  /** The slice of time that was written last, counted from the clock's beginning. */
  #newest = 0

  /** `share`: of the calls, 0 and up. 0 allows nothing, not even `least`. */
  constructor(share: number) {
    this.share = share
  }

  /** A call begins. `now` is clock milliseconds, here and below. */
  recordCall(now: number): void {
    this.#calls[this.#slice(now)]!++
  }

  /** Whether one more extra fits, which is then taken. */
  tryAcquire(now: number): boolean {
    const slice = this.#slice(now)
    if (this.share <= 0 || sum(this.#extras) >= Math.max(minPerMinute, Math.floor(this.share * sum(this.#calls))))
      return false
    this.#extras[slice]!++
    return true
  }

  /** The place of this moment's slice, those that have passed since the last one emptied. */
  #slice(now: number): number {
    const current = Math.floor(now / sliceMillis)
    for (let passed = Math.max(this.#newest + 1, current - slices + 1); passed <= current; passed++) {
      this.#calls[passed % slices] = 0
      this.#extras[passed % slices] = 0
    }
    this.#newest = Math.max(this.#newest, current)
    return this.#newest % slices
  }
}

const sum = (counts: Uint32Array): number => {
  let total = 0
  for (const count of counts) total += count
  return total
}

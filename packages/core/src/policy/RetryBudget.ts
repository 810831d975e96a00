/**
 * The budget of retries and hedges: a share of the calls of the last minute, so that extra attempts cannot overload
 * providers that are already failing.
 */

/** Extra attempts that are always allowed per minute: a share of few calls would allow none. */
export const minPerMinute = 10

/** The share of calls that may be extra attempts, by default. */
export const defaultShare = 0.2

/** The minute is counted in slices; a slice older than a minute is cleared. */
const slices = 6
const sliceMillis = 10_000

/** Counts calls and extra attempts in a sliding minute, in this process alone. `now` is in clock milliseconds. */
export class RetryBudget {
  readonly share: number
  readonly #calls = new Uint32Array(slices)
  readonly #extras = new Uint32Array(slices)
  /** The number of the latest slice, counted from clock time 0. */
  #newest = 0

  /** `share`: of the calls, at least 0. With 0 no extra attempt is allowed, not even `minPerMinute`. */
  constructor(share: number) {
    this.share = share
  }

  /** Counts a call. */
  recordCall(now: number): void {
    this.#calls[this.#slice(now)]!++
  }

  /** Counts one extra attempt if the budget allows it; false if not. */
  tryAcquire(now: number): boolean {
    const slice = this.#slice(now)
    if (this.share <= 0 || sum(this.#extras) >= Math.max(minPerMinute, Math.floor(this.share * sum(this.#calls))))
      return false
    this.#extras[slice]!++
    return true
  }

  /** The index of the slice of `now`. Clears the slices that have passed since the latest one. */
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

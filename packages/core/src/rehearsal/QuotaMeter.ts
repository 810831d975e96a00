/** What is left of a vendor's quota: buckets that refill all the time, as those of OpenAI and Anthropic do. */
import type { Quota } from "./Behavior.ts"

export class QuotaMeter {
  /** When the bucket is full again, in clock milliseconds. */
  #requestsFull = Number.NEGATIVE_INFINITY
  #tokensFull = Number.NEGATIVE_INFINITY

  /** Takes a request with its tokens. The result is the milliseconds until it would be admitted, 0 if it was. At most a minute. */
  take({ rpm, tpm }: Quota, tokens: number, now: number): number {
    const requests = rpm === undefined ? now : after(this.#requestsFull, 1, rpm, now)
    const used = tpm === undefined ? now : after(this.#tokensFull, tokens, tpm, now)
    const wait = Math.max(requests, used) - now - minute
    if (wait > 0) return Math.min(wait, minute)
    this.#requestsFull = requests
    this.#tokensFull = used
    return 0
  }
}

const minute = 60_000

/** When a bucket of `size` a minute would be full again after `amount` was taken from it. */
const after = (full: number, amount: number, size: number, now: number): number =>
  size <= 0 ? Number.POSITIVE_INFINITY : Math.max(full, now) + (Math.min(amount, size) / size) * minute

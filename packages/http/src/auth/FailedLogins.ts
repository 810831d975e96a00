/**
 * Failed logins by address: how many unknown keys an address has sent, how long its next reply is delayed, and whether the
 * failure is logged. A valid key is never delayed, because many clients may share one address.
 */

/** What to do with a request that has an unknown key. */
export interface Throttle {
  /** How long to delay the reply, in milliseconds. */
  readonly wait: number
  /** When the address may try again, in milliseconds, where that is later than a reply may be delayed. */
  readonly retryAfter: number | undefined
  /** The line to log, if any. */
  readonly line: string | undefined
}

interface Failures {
  /** When the next reply is due, in clock milliseconds. */
  next: number
  count: number
}

/** The number of unknown keys of an address that get a reply at once. After these, one gets a reply in each `interval`. */
const burst = 10
/** Milliseconds between delayed replies to one address. */
const interval = 1000
/** The longest delay of a reply, in milliseconds. */
const maxDelay = 3000

/** The number of addresses that are remembered. The address with the least recent failure is forgotten first. */
const maxAddresses = 10_000

/** The number of replies that are delayed at once, over all addresses. */
const maxDelayed = 1000

/** The number of lines that are logged in a minute. */
const maxLines = 60
const minute = 60_000

export class FailedLogins {
  readonly #failures = new Map<string, Failures>()
  #delayed = 0
  #lines = { since: 0, logged: 0, suppressed: 0 }

  /** Records an unknown key from an address. `now` is clock milliseconds. */
  record(address: string, now: number): Throttle {
    const network = networkOf(address)
    const before = this.#failures.get(network)
    const failures: Failures = {
      next: Math.max(before?.next ?? -Infinity, now - burst * interval),
      count: (before?.count ?? 0) + 1,
    }
    const wait = Math.max(0, failures.next + interval - now)
    const isDelayed = wait <= maxDelay && this.#delayed < maxDelayed
    if (isDelayed) failures.next += interval
    // A Map iterates in insertion order: the first entry is the least recent failure.
    this.#failures.delete(network)
    this.#failures.set(network, failures)
    if (this.#failures.size > maxAddresses) this.#failures.delete(this.#failures.keys().next().value ?? network)
    return {
      wait: isDelayed ? wait : 0,
      retryAfter: isDelayed ? undefined : wait,
      line: this.#line(network, failures.count, now),
    }
  }

  /** The number of addresses that are remembered. */
  get size(): number {
    return this.#failures.size
  }

  startDelay(): void {
    this.#delayed++
  }

  endDelay(): void {
    this.#delayed--
  }

  /** The first failure of a network is logged, then its tenth, its hundredth and so on. */
  #line(network: string, count: number, now: number): string | undefined {
    if (!Number.isInteger(Math.log10(count))) return undefined
    if (now - this.#lines.since >= minute) this.#lines = { ...this.#lines, since: now, logged: 0 }
    if (this.#lines.logged >= maxLines) {
      this.#lines.suppressed++
      return undefined
    }
    this.#lines.logged++
    const { suppressed } = this.#lines
    this.#lines.suppressed = 0
    const total = count === 1 ? "" : ` (${count} so far)`
    const others = suppressed === 0 ? "" : `; ${suppressed} similar lines were suppressed`
    return `Unknown key from ${network}${total}${others}`
  }
}

/** An IPv4 address as it is; the /64 network of an IPv6 address, which is what one customer is given. */
export const networkOf = (address: string): string => {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "")
  if (!plain.includes(":")) return plain
  const [left = [], right = []] = plain.split("::").map((half) => half.split(":").filter((group) => group !== ""))
  const zeros = plain.includes("::")
    ? Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0")
    : []
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`
}

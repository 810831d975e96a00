/**
 * Those who come with keys that are none: how many an address has sent, how long it waits for the answer, and whether that is
 * worth a line in the log. A key that is right never waits, wherever it comes from: others may share the address.
 */

/** What becomes of a wrong key. */
export interface Throttle {
  /** How long its answer is held back, in milliseconds. */
  readonly wait: number
  /** When the address may try again (milliseconds), where it has to wait longer than an answer is held back. */
  readonly retryAfter: number | undefined
  /** A line for the log, where one is due. */
  readonly line: string | undefined
}

interface Seen {
  /** When the next answer is due. */
  next: number
  count: number
}

/** So many wrong keys of an address are answered at once; then one in each interval (milliseconds), held back at most so long. */
const burst = 10
const interval = 1000
const longest = 3000

/** How many addresses are remembered, those of the latest wrong keys. */
const most = 10_000

/** How many answers are held back at once, over all addresses. */
const heldMost = 1000

/** How many lines a minute the log is given. */
const linesMost = 60
const minute = 60_000

export class FailedLogins {
  readonly #seen = new Map<string, Seen>()
  #held = 0
  #lines = { since: 0, told: 0, untold: 0 }

  /** A wrong key came from that address, now (clock milliseconds). */
  miss(address: string, now: number): Throttle {
    const from = networkOf(address)
    const before = this.#seen.get(from)
    const seen: Seen = {
      next: Math.max(before?.next ?? -Infinity, now - burst * interval),
      count: (before?.count ?? 0) + 1,
    }
    const wait = Math.max(0, seen.next + interval - now)
    const isHeld = wait <= longest && this.#held < heldMost
    if (isHeld) seen.next += interval
    // Forgotten are those that were seen longest ago.
    this.#seen.delete(from)
    this.#seen.set(from, seen)
    if (this.#seen.size > most) this.#seen.delete(this.#seen.keys().next().value ?? from)
    return { wait: isHeld ? wait : 0, retryAfter: isHeld ? undefined : wait, line: this.#line(from, seen.count, now) }
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.#seen.size
  }

  /** An answer is held back, or no longer. */
  hold(): void {
    this.#held++
  }

  release(): void {
    this.#held--
  }

  /** The first of an address has a line, then its tenth, its hundredth and so on. */
  #line(from: string, count: number, now: number): string | undefined {
    if (!Number.isInteger(Math.log10(count))) return undefined
    if (now - this.#lines.since >= minute) this.#lines = { ...this.#lines, since: now, told: 0 }
    if (this.#lines.told >= linesMost) {
      this.#lines.untold++
      return undefined
    }
    this.#lines.told++
    const { untold } = this.#lines
    this.#lines.untold = 0
    const others = untold === 0 ? "" : `; ${untold} other addresses were not logged`
    return `A key that this gateway does not know came from ${from}${count === 1 ? "" : `, ${count} by now`}${others}`
  }
}

/** The address, or of IPv6 the network that one customer is given. */
export const networkOf = (address: string): string => {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "")
  if (!plain.includes(":")) return plain
  const [left = [], right = []] = plain.split("::").map((half) => half.split(":").filter((group) => group !== ""))
  const zeros = plain.includes("::")
    ? Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0")
    : []
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`
}

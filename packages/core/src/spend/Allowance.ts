/**
 * The arithmetic of one budget in one part of its window: what may be spent, what was, and what calls in flight may still
 * spend. The sum of the last two is never more than the first, as long as no call costs more than it reserved.
 */
import type { Nanos } from "./Budget.ts"

export class Allowance {
  /** What may be spent. In memory that is the budget's amount; a gateway that shares a budget has leased it. */
  granted: Nanos
  spent: Nanos = 0
  reserved: Nanos = 0

  constructor(granted: Nanos) {
    this.granted = granted
  }

  /** What was spent or may still be. */
  get used(): Nanos {
    return this.spent + this.reserved
  }

  /** Whether so much can still be reserved. What costs nothing always can. */
  fits(nanos: Nanos): boolean {
    return nanos <= Math.max(0, this.granted - this.used)
  }

  reserve(nanos: Nanos): void {
    this.reserved += nanos
  }

  /** Ends a reservation: of so much reserved, so much was spent. */
  settle(reserved: Nanos, spent: Nanos): void {
    this.reserved -= reserved
    this.spent += spent
  }
}

import { assert, describe, it } from "@effect/vitest"
import { RetryBudget, minPerMinute } from "../../src/policy/RetryBudget.ts"

const spent = (budget: RetryBudget, now: number): number => {
  let count = 0
  while (count < 1000 && budget.tryAcquire(now)) count++
  return count
}

const after = (budget: RetryBudget, calls: number, now: number): RetryBudget => {
  for (let call = 0; call < calls; call++) budget.recordCall(now)
  return budget
}

describe("RetryBudget", () => {
  it("allows a share of the calls of the last minute", () => {
    assert.strictEqual(spent(after(new RetryBudget(0.2), 200, 5000), 5000), 40)
    assert.strictEqual(spent(after(new RetryBudget(0.5), 200, 5000), 40_000), 100)
  })

  it("allows ten extra attempts per minute unless the share is 0", () => {
    assert.strictEqual(spent(new RetryBudget(0.2), 0), minPerMinute)
    assert.strictEqual(spent(after(new RetryBudget(0.2), 20, 0), 0), minPerMinute)
    assert.strictEqual(spent(after(new RetryBudget(0), 1000, 0), 0), 0)
  })

  it("counts calls and extra attempts for a minute", () => {
    const budget = after(new RetryBudget(0.2), 100, 0)
    assert.strictEqual(spent(budget, 0), 20)
    assert.strictEqual(spent(budget, 59_000), 0)
    assert.strictEqual(spent(budget, 60_000), minPerMinute)
    assert.strictEqual(spent(after(new RetryBudget(0.2), 100, 0), 10 * 60_000), minPerMinute)
    assert.strictEqual(spent(after(new RetryBudget(0.2), 100, 1_700_000_000_000), 1_700_000_000_000), 20)
  })

  it("works when the clock steps back", () => {
    const budget = after(new RetryBudget(0.2), 100, 120_000)
    assert.strictEqual(spent(budget, 90_000), 20)
    assert.strictEqual(spent(budget, 120_000), 0)
  })
})

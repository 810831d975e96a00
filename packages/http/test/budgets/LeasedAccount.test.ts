import { assert, it } from "@effect/vitest"
import type { Budget } from "@understudy/core/internal/spend/Budget"
import { LeasedAccount } from "../../src/budgets/LeasedAccount.ts"

const budget: Budget = {
  id: "dollar",
  scope: { type: "all" },
  amount: 1,
  window: { unit: "month" },
  atLimit: "refuse",
}

const cents = (count: number) => count * 10_000_000

/** Writes a round, in which all that is not leased here may be; what is leased after it. */
const round = (account: LeasedAccount): number => {
  account.observe(0)
  const plan = account.plan(account.amount - account.granted, cents(2))
  for (const { delta, lease } of account.begin(plan)) lease.allowance.granted += delta
  return account.granted
}

it("keeps a lease for the calls that wait for it until they have reserved, however many rounds are written", () => {
  const account = new LeasedAccount(budget, 0.02, 0, () => undefined)
  account.want(cents(10))
  assert.strictEqual(round(account), cents(10))
  assert.strictEqual(round(account), cents(10))
  account.want(cents(30))
  assert.strictEqual(round(account), cents(40))
  account.at(0).reserve(cents(10))
  account.stopWanting(cents(10))
  assert.strictEqual(round(account), cents(40))
  // The other call waits no more. As much as the largest call of late is kept ahead.
  account.stopWanting(cents(30))
  assert.strictEqual(round(account), cents(20))
})

it("is steady while what is leased is enough, and the database has it", () => {
  const account = new LeasedAccount(budget, 0.02, 0, () => undefined)
  const isSteady = () => account.isSteady(account.plan(account.amount - account.granted, cents(2)))
  assert.isFalse(isSteady(), "nothing is leased")
  round(account)
  assert.isFalse(isSteady(), "the database does not have it")
  account.current().written = { granted: account.granted, spent: 0, reserved: 0 }
  assert.isTrue(isSteady())
  account.at(0).reserve(cents(0.5))
  assert.isTrue(isSteady(), "what is reserved needs no lock")
  account.at(0).reserve(cents(1))
  assert.isFalse(isSteady(), "less than half is left")
  account.at(0).settle(cents(1.5), 0)
  account.want(cents(10))
  assert.isFalse(isSteady(), "a call lacks something")
})

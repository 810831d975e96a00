/**
 * `understudy demo account-sharding`: calls alternate between two accounts, each with its own quotas and regions.
 */
import * as Effect from "effect/Effect"
import type { Account as Shard } from "./BedrockAccounts.ts"
import * as BedrockAccounts from "./BedrockAccounts.ts"
import * as Gateway from "./Gateway.ts"
import * as Report from "./Report.ts"

export const run = Effect.fnUntraced(function* (file: string | undefined, requests: number) {
  const setup = yield* Gateway.setup(file)
  const [first, second] = setup.settings.profiles
  const accounts: readonly [Shard, Shard] = [
    { name: "ACCOUNT1", profile: first },
    { name: "ACCOUNT2", profile: second },
  ]
  yield* Report.lines([
    `Sending ${requests} requests at once to ${setup.settings.model}`,
    ...accounts.map(({ name, profile }) => `${name}: profile ${profile}`),
  ])
  const calls = yield* BedrockAccounts.call(setup, accounts, requests, ({ account, error, millis, number }) =>
    Report.stamped(
      `Request #${String(number).padStart(2)} | ${account} | ${error === undefined ? `SUCCESS | ${Report.seconds(millis)}` : `FAILED | ${error}`}`,
    ),
  )
  const row = (name: string, accountCalls: typeof calls.finished) => {
    const answered = accountCalls.filter(({ error }) => error === undefined)
    return [
      name,
      String(accountCalls.length),
      String(answered.length),
      String(accountCalls.length - answered.length),
      Report.percent(answered.length, accountCalls.length),
      Report.average(answered.map(({ millis }) => millis)),
    ]
  }
  yield* Report.heading("ACCOUNT SHARDING ANALYSIS")
  yield* Report.lines([
    "",
    ...Report.table(
      ["Account", "Total", "Success", "Failed", "Success Rate", "Avg Time"],
      [
        ...accounts.map(({ name }) =>
          row(
            name,
            calls.finished.filter(({ account }) => account === name),
          ),
        ),
        row("TOTAL", calls.finished),
      ],
    ),
    "",
  ])
  if (setup.fakeAws === undefined) yield* Report.stamped("Waiting for the logs to arrive in CloudWatch...")
  const found = yield* Effect.forEach(accounts, (account) => BedrockAccounts.regions(setup, account, calls), {
    concurrency: "unbounded",
  })
  for (const [index, { name }] of accounts.entries()) {
    yield* Report.lines([`${name}:`, ...Report.regions(found[index] ?? []), ""])
  }
  const answeringAccounts = new Set(
    calls.finished.flatMap(({ account, error }) => (error === undefined ? [account] : [])),
  )
  yield* Report.stamped(
    answeringAccounts.size === accounts.length
      ? "ACCOUNT SHARDING WORKING: both accounts answered, each within its own quotas"
      : "ACCOUNT SHARDING NOT SEEN: an account answered nothing",
  )
})

/**
 * `understudy demo account-sharding`: calls in turn to two accounts, whose quotas and regions are each its own.
 */
import * as Effect from "effect/Effect"
import type { Account as Shard } from "./BedrockAccounts.ts"
import * as BedrockAccounts from "./BedrockAccounts.ts"
import * as Gateway from "./Gateway.ts"
import * as Report from "./Report.ts"

export const run = Effect.fnUntraced(function* (file: string | undefined, requests: number) {
  const stage = yield* Gateway.stage(file)
  const [first, second] = stage.settings.profiles
  const accounts: readonly [Shard, Shard] = [
    { name: "ACCOUNT1", profile: first },
    { name: "ACCOUNT2", profile: second },
  ]
  yield* Report.lines([
    `Sending ${requests} requests at once to ${stage.settings.model}`,
    ...accounts.map(({ name, profile }) => `${name}: profile ${profile}`),
  ])
  const calls = yield* BedrockAccounts.call(stage, accounts, requests, ({ account, error, millis, number }) =>
    Report.stamped(
      `Request #${String(number).padStart(2)} | ${account} | ${error === undefined ? `SUCCESS | ${Report.seconds(millis)}` : `FAILED | ${error}`}`,
    ),
  )
  const row = (name: string, mine: typeof calls.ended) => {
    const answered = mine.filter(({ error }) => error === undefined)
    return [
      name,
      String(mine.length),
      String(answered.length),
      String(mine.length - answered.length),
      Report.percent(answered.length, mine.length),
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
            calls.ended.filter(({ account }) => account === name),
          ),
        ),
        row("TOTAL", calls.ended),
      ],
    ),
    "",
  ])
  if (stage.standIns === undefined) yield* Report.stamped("Waiting for the logs to arrive in CloudWatch...")
  const found = yield* Effect.forEach(accounts, (account) => BedrockAccounts.regions(stage, account, calls), {
    concurrency: "unbounded",
  })
  for (const [index, { name }] of accounts.entries()) {
    yield* Report.lines([`${name}:`, ...Report.regions(found[index] ?? []), ""])
  }
  const answering = new Set(calls.ended.flatMap(({ account, error }) => (error === undefined ? [account] : [])))
  yield* Report.stamped(
    answering.size === accounts.length
      ? "ACCOUNT SHARDING WORKING: both accounts answered, each within its own quotas"
      : "ACCOUNT SHARDING NOT SEEN: an account answered nothing",
  )
})

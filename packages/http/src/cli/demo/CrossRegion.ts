/**
 * `understudy demo cross-region`: calls to one inference profile, and the regions that Bedrock led them to.
 */
import * as Effect from "effect/Effect"
import * as BedrockAccounts from "./BedrockAccounts.ts"
import * as Gateway from "./Gateway.ts"
import * as Report from "./Report.ts"

export const run = Effect.fnUntraced(function* (file: string | undefined, requests: number) {
  const stage = yield* Gateway.stage(file)
  const { model, profiles } = stage.settings
  const account = { name: "ACCOUNT1", profile: profiles[0] }
  yield* Report.lines([`Sending ${requests} requests at once to ${model}`])
  const calls = yield* BedrockAccounts.call(stage, [account], requests, ({ error, millis, number }) =>
    Report.stamped(
      `Request #${String(number).padStart(2)} | ${error === undefined ? `SUCCESS | ${Report.seconds(millis)}` : `FAILED | ${error}`}`,
    ),
  )
  const answered = calls.ended.filter(({ error }) => error === undefined)
  yield* Report.heading("CROSS-REGION INFERENCE RESULTS")
  yield* Report.lines([
    `Total Requests:     ${calls.ended.length}`,
    `Successful:         ${answered.length}`,
    `Failed:             ${calls.ended.length - answered.length}`,
    `Average Time:       ${Report.average(answered.map(({ millis }) => millis))}`,
    "",
  ])
  if (stage.standIns === undefined) yield* Report.stamped("Waiting for the logs to arrive in CloudWatch...")
  const found = yield* BedrockAccounts.regions(stage, account, calls)
  yield* Report.lines([...Report.regions(found), ""])
  yield* Report.stamped(
    found.length > 1
      ? `CROSS-REGION WORKING: ${found.length} regions answered`
      : found.length === 1
        ? "CROSS-REGION: one region answered all, as capacity had it"
        : `CROSS-REGION: no invocations in ${stage.settings.logGroup}. Is model invocation logging enabled?`,
  )
})

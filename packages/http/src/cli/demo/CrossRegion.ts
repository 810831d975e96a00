/**
 * `understudy demo cross-region`: calls to one inference profile, and the regions that Bedrock routed them to.
 */
import * as Effect from "effect/Effect"
import * as BedrockAccounts from "./BedrockAccounts.ts"
import * as Gateway from "./Gateway.ts"
import * as Report from "./Report.ts"

export const run = Effect.fnUntraced(function* (file: string | undefined, requests: number) {
  const setup = yield* Gateway.setup(file)
  const { model, profiles } = setup.settings
  const account = { name: "ACCOUNT1", profile: profiles[0] }
  yield* Report.lines([`Sending ${requests} requests at once to ${model}`])
  const calls = yield* BedrockAccounts.call(setup, [account], requests, ({ error, millis, number }) =>
    Report.stamped(
      `Request #${String(number).padStart(2)} | ${error === undefined ? `SUCCESS | ${Report.seconds(millis)}` : `FAILED | ${error}`}`,
    ),
  )
  const answered = calls.finished.filter(({ error }) => error === undefined)
  yield* Report.heading("CROSS-REGION INFERENCE RESULTS")
  yield* Report.lines([
    `Total Requests:     ${calls.finished.length}`,
    `Successful:         ${answered.length}`,
    `Failed:             ${calls.finished.length - answered.length}`,
    `Average Time:       ${Report.average(answered.map(({ millis }) => millis))}`,
    "",
  ])
  if (setup.fakeAws === undefined) yield* Report.stamped("Waiting for the logs to arrive in CloudWatch...")
  const found = yield* BedrockAccounts.regions(setup, account, calls)
  yield* Report.lines([...Report.regions(found), ""])
  yield* Report.stamped(
    found.length > 1
      ? `CROSS-REGION WORKING: ${found.length} regions answered`
      : found.length === 1
        ? "CROSS-REGION: one region had capacity for all calls"
        : `CROSS-REGION: no invocations in ${setup.settings.logGroup}. Is model invocation logging enabled?`,
  )
})

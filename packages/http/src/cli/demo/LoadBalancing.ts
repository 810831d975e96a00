/**
 * `understudy demo load-balancing`: two primaries with 3 requests a minute each share the calls at random; their fallback
 * answers the others.
 */
import * as Effect from "effect/Effect"
import * as Calls from "./Calls.ts"
import * as Example from "./Example.ts"
import * as Fallback from "./Fallback.ts"
import * as Gateway from "./Gateway.ts"
import * as Report from "./Report.ts"

export const run = Effect.fnUntraced(function* (file: string | undefined, requests: number) {
  const { configuration } = yield* Gateway.setup(file)
  const url = yield* Gateway.serve(configuration)
  const model = Example.models.loadBalancing
  yield* Gateway.primaries(configuration, url, model)
  const modelOf = (deployment: string | undefined) => Gateway.modelOf(configuration, deployment)
  const finished = yield* Calls.make(
    { url, apiKey: "demo", model, requests },
    ({ deployment, message, millis, number }) =>
      Report.stamped(
        deployment === undefined
          ? `Request #${String(number).padStart(2)} → FAILED ${message}`
          : `Request #${String(number).padStart(2)} → Model: ${modelOf(deployment).padEnd(46)} | Time: ${Report.seconds(millis).padStart(6)}`,
      ),
  )
  const answered = finished.filter(({ deployment }) => deployment !== undefined)
  const used = new Set(answered.map(({ deployment }) => modelOf(deployment)))
  yield* Report.heading("LOAD BALANCING RESULTS")
  yield* Report.lines([
    `Total Requests:     ${finished.length}`,
    `Successful:         ${answered.length}`,
    `Failed:             ${finished.length - answered.length}`,
    "",
    "Model Distribution:",
    ...Fallback.usage(answered, ({ deployment }) => modelOf(deployment)),
    "",
  ])
  yield* Report.stamped(
    used.size > 1
      ? "LOAD BALANCING WORKING: Requests distributed across multiple models!"
      : "LOAD BALANCING NOT SEEN: one model answered all",
  )
})

/**
 * `understudy demo fallback`: more concurrent calls than a primary with 3 requests a minute accepts; its fallback answers
 * the others.
 */
import * as Effect from "effect/Effect"
import type { FinishedCall } from "./Calls.ts"
import * as Calls from "./Calls.ts"
import * as Example from "./Example.ts"
import * as Gateway from "./Gateway.ts"
import * as Report from "./Report.ts"

export const run = Effect.fnUntraced(function* (file: string | undefined, requests: number) {
  const { configuration } = yield* Gateway.setup(file)
  const url = yield* Gateway.serve(configuration)
  const model = Example.models.fallback
  const primary = yield* Gateway.primaries(configuration, url, model)
  const isPrimary = ({ deployment }: FinishedCall): boolean => deployment !== undefined && primary.has(deployment)
  const finished = yield* Calls.make({ url, apiKey: "demo", model, requests }, (call) =>
    Report.stamped(line(call, isPrimary(call), Gateway.modelOf(configuration, call.deployment))),
  )
  const answered = finished.filter(({ deployment }) => deployment !== undefined)
  const own = answered.filter(isPrimary)
  const others = answered.length - own.length
  yield* Report.heading("FALLBACK DEMONSTRATION RESULTS")
  yield* Report.lines([
    `Total Requests:        ${finished.length}`,
    `Successful:            ${answered.length}`,
    `Failed:                ${finished.length - answered.length}`,
    `Primary Model Used:    ${own.length}`,
    `Fallback Triggered:    ${others}`,
    "",
    "Model Usage Distribution:",
    ...usage(
      answered,
      (call) => `${isPrimary(call) ? "PRIMARY " : "FALLBACK"} ${Gateway.modelOf(configuration, call.deployment)}`,
    ),
    "",
  ])
  yield* Report.stamped(
    others > 0 && answered.length === finished.length
      ? `FALLBACK WORKING: ${others} requests successfully failed over`
      : others > 0
        ? `FALLBACK WORKED for ${others} requests, but ${finished.length - answered.length} failed`
        : "FALLBACK WAS NOT NEEDED: the primary answered all",
  )
})

const line = ({ deployment, message, millis, number }: FinishedCall, primary: boolean, model: string): string => {
  const time = `Time: ${Report.seconds(millis).padStart(6)}`
  const title = `Request #${String(number).padStart(2)} →`
  return deployment === undefined
    ? `${title} FAILED    ${message}`
    : `${title} ${primary ? "PRIMARY: " : "FALLBACK!"} Model: ${model.padEnd(46)} | ${time}`
}

/** The number of calls that each name answered, in descending order. */
export const usage = (
  calls: ReadonlyArray<FinishedCall>,
  name: (call: FinishedCall) => string,
): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const call of calls) counts.set(name(call), (counts.get(name(call)) ?? 0) + 1)
  return [...counts]
    .toSorted(([a, left], [b, right]) => right - left || a.localeCompare(b))
    .map(
      ([name, count]) =>
        `  ${name.padEnd(54)} : ${String(count).padStart(2)} requests (${Report.percent(count, calls.length).padStart(5)})`,
    )
}

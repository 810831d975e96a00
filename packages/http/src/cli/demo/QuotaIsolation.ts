/**
 * `understudy demo quota-isolation`: three consumers call concurrently, each with its own limits. The one over its limit
 * gets 429, and the others are not affected. Runs with a model for each consumer, then with a virtual key for each.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ConfiguredKey } from "../../auth/VirtualKey.ts"
import type { FinishedCall } from "./Calls.ts"
import * as Calls from "./Calls.ts"
import * as Example from "./Example.ts"
import * as Gateway from "./Gateway.ts"
import * as Report from "./Report.ts"

const consumers = [
  { name: "A", type: "NOISY", rpm: 3 },
  { name: "B", type: "NORMAL", rpm: 10 },
  { name: "C", type: "NORMAL", rpm: 10 },
] as const

type Name = (typeof consumers)[number]["name"]

const keyOf = (name: Name): string => `demo-consumer-${name}`

const keys: ReadonlyArray<ConfiguredKey> = consumers.map(({ name, rpm }) => ({
  id: `consumer-${name}`,
  key: Redacted.make(keyOf(name)),
  limits: { rpm },
  routes: [Example.models.shared],
}))

export const run = Effect.fnUntraced(function* (file: string | undefined, requests: number) {
  const { configuration } = yield* Gateway.setup(file)
  const byModel = Effect.gen(function* () {
    const url = yield* Gateway.serve(configuration)
    for (const model of Object.values(Example.models.consumers)) yield* Gateway.primaries(configuration, url, model)
    yield* compare("a model for each consumer", requests, (name) => ({
      url,
      apiKey: "demo",
      model: Example.models.consumers[name],
    }))
  })
  const byKey = Effect.gen(function* () {
    const url = yield* Gateway.serve(configuration, keys)
    yield* compare("a virtual key for each consumer", requests, (name) => ({
      url,
      apiKey: keyOf(name),
      model: Example.models.shared,
    }))
  })
  yield* Effect.scoped(byModel)
  yield* Effect.scoped(byKey)
})

const compare = Effect.fnUntraced(function* (
  how: string,
  requests: number,
  settingsOf: (name: Name) => Omit<Calls.CallSettings, "requests">,
) {
  const startedAt = yield* Clock.currentTimeMillis
  yield* Report.stamped(`Starting consumers, ${how}...`)
  const all = yield* Effect.forEach(
    consumers,
    ({ name }) => Calls.make({ ...settingsOf(name), requests }, (call) => Report.stamped(line(name, call))),
    { concurrency: "unbounded" },
  )
  const took = (yield* Clock.currentTimeMillis) - startedAt
  yield* Report.stamped(`Demo completed in ${(took / 1000).toFixed(1)} seconds`)
  yield* Report.heading(`QUOTA ISOLATION ANALYSIS: ${how}`)
  const rows = consumers.map(({ name, type }, index) => {
    const calls = all[index] ?? []
    const answered = calls.filter(({ deployment }) => deployment !== undefined)
    return [
      name,
      type,
      Report.percent(answered.length, calls.length),
      String(calls.length),
      String(answered.length),
      String(calls.length - answered.length),
      String(calls.filter(({ status }) => status === 429).length),
      Report.average(answered.map(({ millis }) => millis)),
    ]
  })
  yield* Report.lines(
    Report.table(["Consumer", "Type", "Success Rate", "Total", "Success", "Failed", "Rate Limited", "Avg Time"], rows, {
      under: "-",
      crossing: "+",
    }),
  )
  const isolated = all.every((calls, index) => {
    const answered = calls.filter(({ deployment }) => deployment !== undefined).length
    return answered === Math.min(calls.length, consumers[index]?.rpm ?? 0)
  })
  yield* Report.lines([""])
  yield* Report.stamped(
    isolated
      ? "QUOTA ISOLATION WORKING: each consumer within its own limit, none at another's cost"
      : "QUOTA ISOLATION NOT SEEN: a consumer got less than its limit allows",
  )
})

const line = (name: Name, { deployment, message, millis, number, status }: FinishedCall): string => {
  const request = `Req #${String(number).padStart(2)}`
  if (deployment !== undefined) return `${name} | SUCCESS      | ${request} | ${Report.seconds(millis)}`
  return status === 429 ? `${name} | RATE LIMITED | ${request}` : `${name} | FAILED       | ${request} | ${message}`
}

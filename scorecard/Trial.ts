/**
 * One fault at a primary deployment, a backup behind it, one call through the gateway: and what came of it, as the caller
 * saw it and as the provider did.
 */
import * as Route from "@understudy/core/Route"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as Client from "./Client.ts"
import type { Mode } from "./Expected.ts"
import * as Stage from "./Stage.ts"
import type { Vendor } from "./Vendor.ts"
import type { Said, Verdict } from "./Verdict.ts"
import { judge } from "./Verdict.ts"

/** What a broken stream may cost the caller: how a route says it. A setting more is a column more. */
export const settings = {
  preamble: (route: Route.Route): Route.Route => route,
}

export type Setting = keyof typeof settings

/** Faults by the names of the fault server. */
export interface Trial {
  readonly vendor: Vendor
  readonly setting: Setting
  readonly mode: Mode
  readonly primary: string
  readonly backup: string
  /** Whether the primary may be asked again. */
  readonly retries: boolean
}

/** What came of it. */
export interface Outcome {
  readonly trial: Trial
  readonly verdict: Verdict
  /** The requests that each deployment's provider saw. */
  readonly primary: ReadonlyArray<FaultServer.Request>
  readonly backup: ReadonlyArray<FaultServer.Request>
  /** What the provider's side has to complain of. */
  readonly complaints: ReadonlyArray<string>
  readonly received: Client.Received
}

/** The route that a trial calls; its deployments and their models are named after it. */
const name = ({ vendor, setting, mode, primary, backup }: Trial): string =>
  [vendor, setting, mode, primary, backup].join("~")

type Place = "primary" | "backup"

const deployment = (trial: Trial, place: Place): string => `${name(trial)}~${place}`

/** The last part is the model's fate. */
const model = (trial: Trial, place: Place): string => `${deployment(trial, place)}/${trial[place]}`

/** The deployments and routes that these trials need on the stage. */
const cast = (trials: ReadonlyArray<Trial>) => {
  const players: Record<string, Stage.Player> = {}
  const routes: Record<string, Route.Route> = {}
  for (const trial of trials) {
    for (const place of ["primary", "backup"] as const) {
      players[deployment(trial, place)] = { vendor: trial.vendor, model: model(trial, place) }
    }
    const route = Route.fallback(deployment(trial, "primary"), deployment(trial, "backup"))
    routes[name(trial)] = settings[trial.setting](trial.retries ? route : route.pipe(Route.retry({ times: 0 })))
  }
  return { players, routes }
}

const tool = {
  type: "function",
  function: { name: "note", parameters: { type: "object", properties: { text: { type: "string" } } } },
}

/** Only a call can show that a protocol's own words in a tool's arguments are mere words. */
const request = (trial: Trial) => ({
  model: name(trial),
  messages: [{ role: "user", content: "What now?" }],
  ...(trial.mode === "stream" ? { stream: true } : undefined),
  ...(trial.primary === "tool-done" ? { tools: [tool], tool_choice: "required" } : undefined),
})

/** What a deployment says if its provider lets it end. */
const said = (trial: Trial, place: Place): Said => {
  switch (trial[place]) {
    case "empty-text":
      return { text: "", finish: "stop" }
    case "length":
      return { text: FaultServer.line(model(trial, place)), finish: "length" }
    case "content-filter":
      return { text: FaultServer.line(model(trial, place)), finish: "content_filter" }
    case "tool-done":
      return { text: "", arguments: { text: "\n\ndata: [DONE]\n\n" }, finish: "tool_calls" }
    default:
      return { text: FaultServer.line(model(trial, place)), finish: "stop" }
  }
}

const play = Effect.fnUntraced(function* ({ upstream, url }: Stage.Stage, trial: Trial) {
  const received = yield* Client.post(url, request(trial))
  const places = { [deployment(trial, "primary")]: "primary", [deployment(trial, "backup")]: "backup" } as const
  const verdict = judge(received, trial.mode === "stream", (name) => {
    const place = places[name]
    return place === undefined ? undefined : said(trial, place)
  })
  const requests = yield* upstream.requests
  const [primary, backup] = (["primary", "backup"] as const).map((place) =>
    requests.filter((request) => request.model === model(trial, place)),
  ) as [Array<FaultServer.Request>, Array<FaultServer.Request>]
  const closed = yield* Effect.forEach([...primary, ...backup], upstream.closed).pipe(Effect.timeoutOption("2 seconds"))
  const outcome: Outcome = {
    trial,
    verdict,
    primary,
    backup,
    complaints: [...(closed._tag === "None" ? ["an exchange goes on after its call"] : []), ...hurried(primary)],
    received,
  }
  return outcome
})

/** Faults that take as long as silence is borne, and next to no work. */
const slow = ({ backup, primary }: Trial): boolean => [primary, backup].some((fault) => /^(silent|stall)/.test(fault))

/** Plays trials on a stage of their own: a few at a time, and those that only wait beside them. */
export const playAll = (trials: ReadonlyArray<Trial>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stage = yield* Stage.make(cast(trials))
      const many = (some: ReadonlyArray<Trial>, concurrency: number) =>
        Effect.forEach(some, (trial) => play(stage, trial), { concurrency })
      const waiting = trials.filter(slow)
      const working = trials.filter((trial) => !slow(trial))
      const outcomes = yield* Effect.all([many(working, 4), many(waiting, 20)], { concurrency: 2 })
      for (const { deployment, inFlight } of yield* stage.router.status) {
        if (inFlight !== 0) return yield* Effect.die(new Error(`${deployment} has ${inFlight} calls in flight`))
      }
      return outcomes.flat()
    }),
  )

/** A verdict in a word: who answered whole, a status, or what went wrong. */
export const answer = (verdict: Verdict): "primary" | "backup" | "broken" | number | (string & {}) => {
  switch (verdict._tag) {
    case "Whole":
      return verdict.deployment.slice(verdict.deployment.lastIndexOf("~") + 1)
    case "Refused":
      return verdict.status
    case "Wrong":
      return `wrong: ${verdict.why}`
    default:
      return verdict._tag.toLowerCase()
  }
}

/** Retries that came sooner than the configuration, or the provider, says. */
const hurried = (requests: ReadonlyArray<FaultServer.Request>): ReadonlyArray<string> =>
  requests.flatMap((request, index) => {
    const next = requests[index + 1]
    if (next === undefined) return []
    const waited = next.arrived - request.arrived
    const least = told(request) ?? Stage.limits.base * 2 ** index * leastJitter
    // Timers count whole milliseconds, and may round down.
    return waited < least - 1 ? [`retry ${index + 1} after ${waited.toFixed(1)} ms, not ${least}`] : []
  })

const leastJitter = 0.8

/** The wait that an answer asked for. Bedrock has no reset header to ask with. */
const told = ({ behaviour, vendor }: FaultServer.Request): number | undefined => {
  if (behaviour._tag !== "Refuse" || behaviour.retryAfter === undefined) return undefined
  const { form, millis } = behaviour.retryAfter
  return form === "reset" && vendor === "bedrock" ? undefined : millis
}

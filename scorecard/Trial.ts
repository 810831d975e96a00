/**
 * A trial: a primary with a fault, a backup, one call through the gateway; and its outcome, seen from the client and from the
 * provider.
 */
import type { Protect } from "@understudy/core/Policies"
import * as Route from "@understudy/core/Route"
import type * as FaultServer from "@understudy/providers/testing"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as FaultName from "@understudy/providers/internal/testing/FaultName"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Client from "./Client.ts"
import * as Dialect from "./Dialect.ts"
import type { Answer, Expected, Mode } from "./Expected.ts"
import * as Stage from "./Stage.ts"
import type { Vendor } from "./Vendor.ts"
import type { Said, Verdict } from "./Verdict.ts"
import { judge } from "./Verdict.ts"

/** Faults by the names of the fault server; the setting is what the route says of broken streams. */
export interface Trial {
  readonly dialect: Dialect.Name | Dialect.Operation
  /** Whose shape the primary has, and whose the backup. */
  readonly vendor: Vendor
  readonly behind: Vendor
  readonly setting: Protect
  readonly mode: Mode
  readonly primary: string
  readonly backup: string
  /** Whether the primary may be retried. */
  readonly retries: boolean
  /** Whether both would say the same: only then can one go on with the other's answer, and the text show where it does. */
  readonly oneText: boolean
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
const name = ({ dialect, vendor, behind, setting, mode, primary, backup, oneText }: Trial): string =>
  [dialect, vendor, behind, setting, mode, primary, backup, oneText ? "one" : "own"].join("~")

type Place = "primary" | "backup"

const places: ReadonlyArray<Place> = ["primary", "backup"]

const deployment = (trial: Trial, place: Place): string => `${name(trial)}~${place}`

const vendorOf = ({ behind, vendor }: Trial, place: Place): Vendor => (place === "primary" ? vendor : behind)

/** The model that a place asks for. Its last part is its fate. */
export const model = (trial: Trial, place: Place): string => `${deployment(trial, place)}/${trial[place]}`

/** The deployments and routes that these trials need on the stage. */
export const cast = (trials: ReadonlyArray<Trial>) => {
  const players: Record<string, Stage.Player> = {}
  const routes: Record<string, Route.Route> = {}
  for (const trial of trials) {
    for (const place of places) {
      players[deployment(trial, place)] = { vendor: vendorOf(trial, place), model: model(trial, place) }
    }
    const route = Route.fallback(deployment(trial, "primary"), deployment(trial, "backup")).pipe(
      Route.stream({ protect: trial.setting }),
    )
    routes[name(trial)] = trial.retries ? route : route.pipe(Route.retry({ times: 0 }))
  }
  return { players, routes }
}

/** The text of a deployment whose fault does not set one. */
const line = (trial: Trial, place: Place): string =>
  `${trial.oneText ? "Both" : place} of ${name(trial)}: every line is known, and every mark is hit.`

/** The script of its fault, with this text. */
const script = (trial: Trial, place: Place): Behavior.Script => {
  const { repeat, steps } = FaultName.script(trial[place]) ?? { repeat: "last", steps: [Behavior.answer()] }
  const [first, ...rest] = steps
  const saying = (step: Behavior.Behavior) => Behavior.withText(step, line(trial, place))
  return { repeat, steps: [saying(first), ...rest.map(saying)] }
}

/** Faults that need a tool call. */
const calls = ({ primary }: Trial): boolean => primary === "tool-done"

/** What a deployment says if its provider lets it end. */
const said = (trial: Trial, place: Place): Said => {
  const speaker = { deployment: deployment(trial, place), text: line(trial, place) }
  if (Dialect.of(trial.dialect).saysModel) return { ...speaker, text: model(trial, place), finish: "stop" }
  switch (trial[place]) {
    case "empty-text":
      return { ...speaker, text: "", finish: "stop" }
    case "length":
      return { ...speaker, finish: "length" }
    case "content-filter":
      return { ...speaker, finish: "content_filter" }
    case "tool-done":
      return { ...speaker, text: "", arguments: { text: "\n\ndata: [DONE]\n\n" }, finish: "tool_calls" }
    default:
      return { ...speaker, finish: "stop" }
  }
}

/** Whether a request is an attempt: one that was lost with a kept connection is sent again, and not counted. */
export const isAttempt = ({ behavior, kept }: FaultServer.Request): boolean => !(kept && behavior._tag === "Reset")

/** Makes the trial's call, and gives what its caller got. */
export const ask = Effect.fnUntraced(function* (
  { upstream, url }: Stage.Stage,
  trial: Trial,
  options: Pick<Client.Options, "leave"> = {},
) {
  if (!calls(trial)) for (const place of places) yield* upstream.script(model(trial, place), script(trial, place))
  const stream = trial.mode === "stream"
  const question = { route: name(trial), text: "What now?", stream, tool: calls(trial) }
  return yield* Client.ask(url, Dialect.of(trial.dialect), question, options)
})

const play = Effect.fnUntraced(function* (stage: Stage.Stage, trial: Trial) {
  const received = yield* ask(stage, trial)
  const { upstream } = stage
  const dialect = Dialect.of(trial.dialect)
  const stream = trial.mode === "stream"
  const buffered = stream && trial.setting === "full" && !(trial.dialect in Dialect.operations)
  const verdict = judge(
    received,
    { dialect, stream, buffered },
    places.map((place) => said(trial, place)),
  )
  const requests = yield* upstream.requests
  const [primary, backup] = places.map((place) => {
    const asked = model(trial, place)
    return requests.filter((request) => request.model === asked && isAttempt(request))
  }) as [Array<FaultServer.Request>, Array<FaultServer.Request>]
  const closed = yield* Effect.forEach([...primary, ...backup], upstream.closed).pipe(Effect.timeoutOption("2 seconds"))
  const outcome: Outcome = {
    trial,
    verdict,
    primary,
    backup,
    complaints: [
      ...(closed._tag === "None" ? ["an exchange goes on after its call"] : []),
      ...hurried(primary),
      ...miscounted(trial, received, primary.length + backup.length),
    ],
    received,
  }
  return outcome
})

/** Faults that last until a timeout, and take little CPU. */
const isSlow = ({ backup, primary }: Trial): boolean => [primary, backup].some((fault) => /^(silent|stall)/.test(fault))

/** Plays trials, of which so many go on at once, on all stages together. */
const lane = (permits: number) => {
  const semaphore = Semaphore.makeUnsafe(permits)
  return (stage: Stage.Stage, trials: ReadonlyArray<Trial>) =>
    Effect.forEach(trials, (trial) => semaphore.withPermits(1)(play(stage, trial)), { concurrency: permits })
}

/** Trials that take CPU, and trials that only wait and can run beside them. */
const working = lane(8)
const waiting = lane(60)

/** Plays trials on a stage of their own. */
export const playAll = (trials: ReadonlyArray<Trial>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stage = yield* Stage.make(cast(trials))
      const { false: fast = [], true: slow = [] } = Object.groupBy(trials, (trial) => String(isSlow(trial)))
      const outcomes = (yield* Effect.all([working(stage, fast), waiting(stage, slow)], { concurrency: 2 })).flat()
      for (const { deployment, inFlight } of yield* stage.router.status) {
        if (inFlight !== 0) return yield* Effect.die(new Error(`${deployment} has ${inFlight} calls in flight`))
      }
      return outcomes
    }),
  )

/** An outcome in a word: the deployment with the complete response, a status, or the error. */
export const answer = ({ backup, verdict }: Pick<Outcome, "backup" | "verdict">): Answer | (string & {}) => {
  switch (verdict._tag) {
    case "Whole": {
      const place = verdict.deployment.slice(verdict.deployment.lastIndexOf("~") + 1)
      return place === "primary" && backup.length > 0 ? "continued" : place
    }
    case "Refused":
      return verdict.status
    case "Wrong":
      return `wrong: ${verdict.why}`
    default:
      return verdict._tag.toLowerCase()
  }
}

/** What an outcome has against it, where this is expected of it. */
export const against = (outcome: Outcome, [wanted, first, second]: Expected): ReadonlyArray<string> => {
  const { backup, complaints, primary } = outcome
  const seen = answer(outcome)
  return [
    ...complaints,
    ...(seen === wanted ? [] : [`${seen}, not ${wanted}`]),
    ...(primary.length === first && backup.length === second
      ? []
      : [`${primary.length} + ${backup.length} attempts, not ${first} + ${second}`]),
  ]
}

/** Retries that came sooner than the configuration, or the provider, says. */
const hurried = (requests: ReadonlyArray<FaultServer.Request>): ReadonlyArray<string> =>
  requests.flatMap((request, index) => {
    const next = requests[index + 1]
    if (next === undefined) return []
    const waited = next.arrived - request.arrived
    const least = retryAfterOf(request) ?? Stage.limits.base * 2 ** index * leastJitter
    // Timers and header times are in milliseconds and may round down.
    return waited < least - 2 ? [`retry ${index + 1} after ${waited.toFixed(1)} ms, not ${least}`] : []
  })

const leastJitter = 0.8

/** Attempts in the response's headers: all, unless the stream was continued after them. */
const miscounted = ({ mode }: Trial, { headers, status }: Client.Received, attempts: number): ReadonlyArray<string> => {
  const told = headers["x-understudy-attempts"]
  return (mode === "plain" || status !== 200) && told !== String(attempts)
    ? [`tells of ${String(told)} attempts, not ${attempts}`]
    : []
}

/** The wait before a retry in a response. Bedrock has no reset header. */
const retryAfterOf = ({ behavior, vendor }: FaultServer.Request): number | undefined => {
  if (behavior._tag !== "Refuse" || behavior.retryAfter === undefined) return undefined
  const { form, millis } = behavior.retryAfter
  return form === "reset" && vendor === "bedrock" ? undefined : millis
}

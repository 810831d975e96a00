/**
 * Clients that disconnect at every stage of a call: within a second no provider is still answering, for every vendor and
 * `protect`.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Fiber from "effect/Fiber"
import type { Column } from "./Faults.ts"
import * as Faults from "./Faults.ts"
import * as Stage from "./Stage.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"

/** When a client disconnects: after a deployment got the request, or at the first byte of a stream. */
interface Moment {
  readonly title: string
  readonly primary: string
  readonly backup: string
  readonly asked: "primary" | "backup"
  readonly hearing?: boolean
}

export const moments: ReadonlyArray<Moment> = [
  { title: "before any output", primary: "silent", backup: "ok", asked: "primary" },
  { title: "after the first event, before output", primary: "stall-0-pings", backup: "ok", asked: "primary" },
  { title: "during the response", primary: "stall-3", backup: "ok", asked: "primary", hearing: true },
  { title: "while the backup has sent nothing", primary: "quota", backup: "silent", asked: "backup" },
  { title: "during the backup's response", primary: "quota", backup: "stall-3", asked: "backup", hearing: true },
]

export interface Outcome extends Column {
  readonly moment: string
  readonly vendor: Vendor
  readonly dialect: Trial.Trial["dialect"]
  /** Whether every exchange was over within a second. */
  readonly closed: boolean
}

/** Long enough for a preamble to have come; how long makes no difference. */
const settled = "30 millis"

const play = Effect.fnUntraced(function* (stage: Stage.Stage, trial: Trial.Trial, { asked, hearing }: Moment) {
  const { upstream } = stage
  if (hearing === true && trial.mode === "stream") yield* Trial.ask(stage, trial, { leave: "first-byte" })
  else {
    const call = yield* Effect.forkChild(Trial.ask(stage, trial))
    yield* upstream.received(Trial.model(trial, asked))
    yield* Effect.sleep(settled)
    yield* Fiber.interrupt(call)
  }
  const left = yield* upstream
    .received(Trial.model(trial, asked))
    .pipe(Effect.flatMap(upstream.closed), Effect.timeoutOption("1 second"))
  return left._tag === "Some" && left.value === "left"
})

/** Plays every moment for a vendor and a dialect, a few callers at a time. */
export const playAll = (dialect: Trial.Trial["dialect"], vendor: Vendor, columns = Faults.columns) =>
  Effect.scoped(
    Effect.gen(function* () {
      const all = moments.flatMap((moment) =>
        columns.map(({ mode, setting }) => ({
          moment,
          trial: {
            ...moment,
            dialect,
            vendor,
            behind: vendor,
            mode,
            setting,
            retries: false,
            oneText: false,
          } satisfies Trial.Trial,
        })),
      )
      const stage = yield* Stage.make(Trial.cast(all.map(({ trial }) => trial)))
      const outcomes = yield* Effect.forEach(
        all,
        ({ moment, trial }) =>
          Effect.map(play(stage, trial, moment), (closed): Outcome => ({ ...trial, moment: moment.title, closed })),
        { concurrency: 4 },
      )
      yield* untilIdle(stage.router)
      return outcomes
    }),
  )

/** An upstream sees that its caller has left a moment before the call itself has ended. */
const untilIdle = (router: Stage.Stage["router"]): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (const { deployment, inFlight } of yield* router.status) {
      if (inFlight !== 0) return yield* Effect.fail(new Error(`${deployment} has ${inFlight} calls in flight`))
    }
  }).pipe(Effect.retry(Schedule.max([Schedule.spaced("10 millis"), Schedule.recurs(100)])), Effect.orDie)

/** What an outcome has against it; none if it is as expected. */
export const complaint = ({ closed, dialect, mode, moment, setting, vendor }: Outcome): ReadonlyArray<string> =>
  closed
    ? []
    : [`${dialect}, ${vendor}, ${mode}, ${setting}: the upstream of a caller who left ${moment} was not closed`]

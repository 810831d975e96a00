/**
 * The activity log: readable lines about calls as they happen. The last lines are kept; readers can follow new ones.
 */
import { label } from "@understudy/core/Receipt"
import type { RouteEvent } from "@understudy/core/RouteEvent"
import { Router } from "@understudy/core/Router"
import { meaning } from "@understudy/core/SkipReason"
import * as Context from "effect/Context"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { plain } from "./PlainText.ts"

/** A line of the activity log. `at` is clock milliseconds, `call` the request id. */
export interface Line {
  readonly at: number
  readonly call: string
  readonly route: string
  readonly text: string
  /** The text without provider messages and deployment state, for callers below exposure level `full`. */
  readonly brief?: string | undefined
  readonly kind: "attempt" | "failed" | "skipped" | "answered"
  /** The deployment whose response is used, from this line on. */
  readonly answeredBy?: { readonly deployment: string; readonly model: string } | undefined
}

export class Activity extends Context.Service<
  Activity,
  {
    /** The events that are kept, oldest first, and those of one call. */
    readonly events: () => ReadonlyArray<Happened>
    readonly eventsOf: (call: string) => ReadonlyArray<Happened>
    /** The lines of a call that are still kept, oldest first. */
    readonly of: (call: string) => ReadonlyArray<Line>
    /** New lines. Lossy: a slow reader misses the oldest. */
    readonly lines: Stream.Stream<Line>
  }
>()("@understudy/http/Activity") {}

/** The number of lines that a reader may lag behind. */
const capacity = 2000

/** The number of events that are kept. What they refer to survives each collection of young objects, and few are read. */
const keptEvents = 500

export const layer: Layer.Layer<Activity, never, Router> = Layer.effect(
  Activity,
  Effect.gen(function* () {
    const router = yield* Router
    const clock = yield* Clock.Clock
    const kept: Array<Happened> = []
    const readers = new Set<Reader>()
    yield* router.subscribe((event) => {
      const happened: Happened = { at: clock.currentTimeMillisUnsafe(), event }
      for (const reader of readers) reader.read(happened)
      kept.push(happened)
      if (kept.length > 2 * keptEvents) kept.splice(0, keptEvents)
    })
    const eventsOf = (call: string) => kept.filter(({ event }) => event.call === call)
    return {
      events: () => kept,
      eventsOf,
      of: (call) => {
        const describe = eventDescriber()
        return eventsOf(call).flatMap((happened) => linesOf(happened, describe))
      },
      lines: Stream.unwrap(
        Effect.gen(function* () {
          const queue = yield* Queue.sliding<Line>(capacity)
          const describe = eventDescriber()
          // The describer has to know the calls that are running.
          for (const { event } of kept) describe(event)
          const reader: Reader = {
            read: (happened) => {
              for (const line of linesOf(happened, describe)) Queue.offerUnsafe(queue, line)
            },
          }
          yield* Effect.acquireRelease(
            Effect.sync(() => readers.add(reader)),
            () => Effect.sync(() => readers.delete(reader)),
          )
          return Stream.fromQueue(queue)
        }),
      ),
    }
  }),
)

/** An event, and when it happened, in clock milliseconds. Lines are written when they are read: most never are. */
export interface Happened {
  readonly at: number
  readonly event: RouteEvent
}

/** A reader of new lines. */
interface Reader {
  readonly read: (happened: Happened) => void
}

/** The lines of an event, with control characters escaped. */
const linesOf = ({ at, event }: Happened, describe: Describe): ReadonlyArray<Line> =>
  describe(event).map((line) => ({
    at,
    call: event.call,
    route: event.route,
    ...line,
    text: plain(event.shadowOf === undefined ? line.text : `Shadow call: ${line.text}`),
  }))

type LogLine = Pick<Line, "text" | "brief" | "kind" | "answeredBy">

/** A running call: its attempts, and the deployment whose response is used. */
interface RunningCall {
  readonly attempts: Array<{ readonly deployment: string; readonly model: string }>
  answeredBy: string | undefined
}

/** A function from events to lines. It keeps state of running calls. */
type Describe = (event: RouteEvent) => ReadonlyArray<LogLine>

const eventDescriber = (): Describe => {
  const calls = new Map<string, RunningCall>()
  const using = (call: string, deployment: string): ReadonlyArray<LogLine> => {
    const running = calls.get(call)
    if (running === undefined || running.answeredBy === deployment) return []
    running.answeredBy = deployment
    const { model = "" } = running.attempts.findLast((each) => each.deployment === deployment) ?? {}
    return [{ text: `Using ${deployment} (${model})`, kind: "answered", answeredBy: { deployment, model } }]
  }
  return (event) => {
    switch (event._tag) {
      case "AttemptStarted": {
        const { deployment, model } = event
        const running = calls.get(event.call)
        if (running === undefined) calls.set(event.call, { attempts: [{ deployment, model }], answeredBy: undefined })
        else running.attempts.push({ deployment, model })
        return [{ text: `Attempting ${label(event)} (${model})...`, kind: "attempt" }]
      }
      case "AttemptEnded": {
        const { deployment, message, millis, outcome, reason, status } = event.attempt
        const name = label(event.attempt)
        if (outcome === "cancelled") return [{ text: `${name} cancelled after ${millis} ms`, kind: "skipped" }]
        if (outcome === "success") return using(event.call, deployment)
        const cause = status === undefined ? reason : `${reason}, status ${status}`
        const brief = `${name} failed after ${millis} ms: ${cause}`
        return [{ text: `${brief}: ${message}`, brief, kind: "failed" }]
      }
      case "DeploymentSkipped": {
        const { reason } = event
        const name = label(event)
        const brief = `${name} is unavailable`
        switch (reason._tag) {
          case "BranchNotTaken":
          case "BranchTaken":
            return []
          default:
            return [{ text: `${name} skipped: ${meaning(reason).text}`, brief, kind: "skipped" }]
        }
      }
      case "Queued":
        return [{ text: `Waiting for ${event.deployment}, which is at its limit`, kind: "skipped" }]
      case "LeftQueue":
        return []
      case "FirstToken":
        return using(event.call, event.deployment)
      case "CacheHit": {
        const { deployment, model } = event
        const text = `Cache hit (${deployment}, ${model})`
        return [{ text, kind: "answered", answeredBy: { deployment, model } }]
      }
      case "CallEnded":
        calls.delete(event.call)
        return event.receipt.outcome === "failure" ? [{ text: "All attempts failed", kind: "failed" }] : []
      case "ShadowSkipped":
      case "Failover":
      case "Hedged":
        return []
    }
  }
}

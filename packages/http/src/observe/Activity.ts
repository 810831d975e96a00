/**
 * What happens to calls, in words, as it happens: the last lines are kept, for whoever wants to know how an answer came
 * about, and told to whoever listens.
 */
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

/** One line: when (clock milliseconds), of which call on which route, and about whom. */
export interface Line {
  readonly at: number
  readonly call: string
  readonly route: string
  readonly text: string
  /** The same for those who are not told what a provider said, or how a deployment stands. */
  readonly brief?: string | undefined
  /** What kind of thing it tells. */
  readonly kind: "attempt" | "failed" | "skipped" | "answered"
  /** Whose answer it is, from the line on that says so. */
  readonly answeredBy?: { readonly deployment: string; readonly model: string } | undefined
}

export class Activity extends Context.Service<
  Activity,
  {
    /** The lines of one call, oldest first, as far as they are still known. */
    readonly of: (call: string) => ReadonlyArray<Line>
    /** Lines as they are written. Lossy: a slow reader misses the oldest. */
    readonly lines: Stream.Stream<Line>
  }
>()("@understudy/http/Activity") {}

/** How many lines are kept, and how many a slow reader may lag behind. */
const capacity = 2000

export const layer: Layer.Layer<Activity, never, Router> = Layer.effect(
  Activity,
  Effect.gen(function* () {
    const router = yield* Router
    const clock = yield* Clock.Clock
    const kept: Array<Line> = []
    const readers = new Set<Queue.Queue<Line>>()
    const words = describeEvent()
    yield* router.subscribe((event) => {
      for (const told of words(event)) {
        const line = { at: clock.currentTimeMillisUnsafe(), call: event.call, route: event.route, ...told }
        kept.push(line)
        if (kept.length > 2 * capacity) kept.splice(0, capacity)
        for (const reader of readers) Queue.offerUnsafe(reader, shown(line))
      }
    })
    return {
      of: (call) => kept.filter((line) => line.call === call).map(shown),
      lines: Stream.unwrap(
        Effect.gen(function* () {
          const reader = yield* Queue.sliding<Line>(capacity)
          yield* Effect.acquireRelease(
            Effect.sync(() => readers.add(reader)),
            () => Effect.sync(() => readers.delete(reader)),
          )
          return Stream.fromQueue(reader)
        }),
      ),
    }
  }),
)

/** A line as its readers may have it: most lines are never read. */
const shown = (line: Line): Line => ({ ...line, text: plain(line.text) })

type LogLine = Pick<Line, "text" | "brief" | "kind" | "answeredBy">

/** What is known of a running call: the deployments it asked, for which models, and whose answer it is by now. */
interface Running {
  readonly asked: Array<{ readonly deployment: string; readonly model: string }>
  answeredBy: string | undefined
}

/** The words of events. It remembers running calls. */
const describeEvent = (): ((event: RouteEvent) => ReadonlyArray<LogLine>) => {
  const calls = new Map<string, Running>()
  const using = (call: string, deployment: string): ReadonlyArray<LogLine> => {
    const running = calls.get(call)
    if (running === undefined || running.answeredBy === deployment) return []
    running.answeredBy = deployment
    const { model = "" } = running.asked.findLast((each) => each.deployment === deployment) ?? {}
    return [{ text: `Using ${deployment} (${model})`, kind: "answered", answeredBy: { deployment, model } }]
  }
  return (event) => {
    switch (event._tag) {
      case "AttemptStarted": {
        const { deployment, model } = event
        const running = calls.get(event.call)
        if (running === undefined) calls.set(event.call, { asked: [{ deployment, model }], answeredBy: undefined })
        else running.asked.push({ deployment, model })
        return [{ text: `Attempting ${deployment} (${model})...`, kind: "attempt" }]
      }
      case "AttemptEnded": {
        const { deployment, message, millis, outcome, reason, status } = event.attempt
        if (outcome === "cancelled") return [{ text: `${deployment} cancelled after ${millis} ms`, kind: "skipped" }]
        if (outcome === "success") return using(event.call, deployment)
        const said = status === undefined ? reason : `${reason}, status ${status}`
        const brief = `${deployment} failed after ${millis} ms: ${said}`
        return [{ text: `${brief}: ${message}`, brief, kind: "failed" }]
      }
      case "DeploymentSkipped": {
        const { deployment, reason: verdict } = event
        const brief = `${deployment} is unavailable`
        switch (verdict._tag) {
          case "CoolingDown":
          case "CircuitOpen":
            return [{ text: `${deployment} skipped: ${meaning(verdict).text}`, brief, kind: "skipped" }]
          case "BranchNotTaken":
          case "BranchTaken":
            return []
          default:
            return [{ text: `${deployment} skipped: ${meaning(verdict).text}`, brief, kind: "skipped" }]
        }
      }
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
      case "Failover":
      case "Hedged":
        return []
    }
  }
}

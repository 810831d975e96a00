/**
 * The latest calls with their attempts, in memory: those whose events the activity log keeps, and for longer those that failed or used
 * more than one attempt. They are put together when they are read. They have no prompts and no answers.
 */
import type { Departure } from "@understudy/core/RouteEvent"
import type { Attempt, Place, Receipt, Skipped } from "@understudy/core/Receipt"
import type { SkipReason } from "@understudy/core/SkipReason"
import { Router } from "@understudy/core/Router"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Happened } from "./Activity.ts"
import { Activity } from "./Activity.ts"

/** A call that runs or has ended. `startedAt` is clock milliseconds; other times are milliseconds from there. */
export interface RecentCall {
  readonly id: string
  readonly route: string
  /** The id of the call that it is the shadow of, if it is one. */
  readonly shadowOf: string | undefined
  readonly startedAt: number
  readonly firstToken: number | undefined
  /** Undefined while the call runs. */
  readonly receipt: Receipt | undefined
  readonly steps: ReadonlyArray<Step>
}

/** An attempt, a skip, a wait for a deployment's limits, or the response from the cache. */
export type Step =
  | (Place & {
      readonly _tag: "Attempt"
      readonly model: string
      readonly start: number
      /** Whether it was started while another attempt was running. */
      readonly hedge: boolean
      /** Undefined while it runs. */
      readonly ended: Attempt | undefined
    })
  | ({ readonly _tag: "Skip"; readonly at: number } & Skipped)
  | {
      readonly _tag: "Queued"
      readonly deployment: string
      readonly start: number
      /** Undefined while the call waits. */
      readonly ended: { readonly millis: number; readonly departure: Departure } | undefined
    }
  | { readonly _tag: "CacheHit"; readonly deployment: string; readonly model: string; readonly at: number }

export class RecentCalls extends Context.Service<
  RecentCalls,
  {
    /** The calls that are kept, newest first. */
    readonly all: () => ReadonlyArray<RecentCall>
  }
>()("@understudy/http/RecentCalls") {}

/** Calls that failed or used several attempts, which are kept for longer. */
const keptNotable = 200

export const layer: Layer.Layer<RecentCalls, never, Router | Activity> = Layer.effect(
  RecentCalls,
  Effect.gen(function* () {
    const router = yield* Router
    const activity = yield* Activity
    let notable: Array<ReadonlyArray<Happened>> = []
    // The activity log listens before: it has this event already.
    yield* router.subscribe((event) => {
      if (event._tag !== "CallEnded" || !isNotable(event.receipt)) return
      notable.push(activity.eventsOf(event.call))
      if (notable.length > 2 * keptNotable) notable = notable.slice(-keptNotable)
    })
    return {
      all: () => {
        const kept = Map.groupBy(activity.events(), ({ event }) => event.call)
        const calls = new Map(notable.slice(-keptNotable).map((events) => [events[0]?.event.call, events]))
        for (const [call, events] of kept) if (!calls.has(call)) calls.set(call, events)
        return [...calls.values()]
          .flatMap((events) => callOf(events) ?? [])
          .sort((one, other) => other.startedAt - one.startedAt)
      },
    }
  }),
)

const isNotable = ({ attempts, cache, outcome }: Receipt): boolean =>
  outcome !== "success" || (attempts.length !== 1 && cache !== "hit")

/** A call by its events, as far as they are kept. */
const callOf = (events: ReadonlyArray<Happened>): RecentCall | undefined => {
  const [first] = events
  if (first === undefined) return undefined
  const last = events.at(-1)!
  const receipt = last.event._tag === "CallEnded" ? last.event.receipt : undefined
  const startedAt = receipt?.startedAt ?? first.at
  const steps: Array<Step> = []
  let hedge: string | undefined
  let firstToken: number | undefined
  for (const { at: time, event } of events) {
    const at = Math.max(0, time - startedAt)
    switch (event._tag) {
      case "AttemptStarted": {
        const { account, deployment, model } = event
        steps.push({
          _tag: "Attempt",
          deployment,
          account,
          model,
          start: at,
          hedge: hedge === deployment,
          ended: undefined,
        })
        hedge = undefined
        break
      }
      case "AttemptEnded": {
        const { attempt } = event
        const index = steps.findIndex(
          (step) =>
            step._tag === "Attempt" &&
            step.deployment === attempt.deployment &&
            step.account === attempt.account &&
            step.ended === undefined,
        )
        const started = steps[index]
        const { account, deployment, millis, model } = attempt
        // The start's event comes a moment after the start, and the clock may tick in between.
        const start = Math.max(0, at - millis)
        if (started?._tag === "Attempt") {
          steps[index] = { ...started, start: Math.min(started.start, start), ended: attempt }
        } else steps.push({ _tag: "Attempt", deployment, account, model, start, hedge: false, ended: attempt })
        break
      }
      case "DeploymentSkipped":
        if (!isBranch(event.reason)) {
          const { account, deployment, reason } = event
          steps.push({ _tag: "Skip", deployment, account, at, reason })
        }
        break
      case "Queued":
        steps.push({ _tag: "Queued", deployment: event.deployment, start: at, ended: undefined })
        break
      case "LeftQueue": {
        const index = steps.findLastIndex(
          (step) => step._tag === "Queued" && step.deployment === event.deployment && step.ended === undefined,
        )
        const { departure, millis } = event
        const waiting = steps[index]
        // A call that is rejected at once has not waited.
        if (waiting?._tag === "Queued") steps[index] = { ...waiting, ended: { millis, departure } }
        break
      }
      case "CacheHit":
        steps.push({ _tag: "CacheHit", deployment: event.deployment, model: event.model, at })
        break
      case "Hedged":
        hedge = event.to
        break
      case "FirstToken":
        firstToken = event.millis
        break
      case "Failover":
      case "ShadowSkipped":
      case "CallEnded":
        break
    }
  }
  const { call: id, route, shadowOf } = first.event
  return { id, route, shadowOf: shadowOf?.call, startedAt, firstToken, receipt, steps }
}

/** Whether a deployment was skipped only because no failure led to its branch. */
const isBranch = ({ _tag }: SkipReason): boolean => _tag === "BranchNotTaken" || _tag === "BranchTaken"

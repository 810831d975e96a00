/**
 * What the gateway did in the last half hour, in memory: traffic by route and deployment, the last failure of each deployment, and how
 * the states of deployments changed. It has no prompts and no answers.
 *
 * The router has no events for circuits and cooldowns. States are read once a second while a deployment fails or is not available, and
 * not at all while all deployments answer.
 */
import { total } from "@understudy/core/Receipt"
import type { RouteEvent } from "@understudy/core/RouteEvent"
import { Router } from "@understudy/core/Router"
import type { Status } from "@understudy/core/Router"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DeploymentTraffic } from "./DeploymentTraffic.ts"
import type { Change } from "./StateChanges.ts"
import { StateChanges } from "./StateChanges.ts"
import { TrafficWindow } from "./TrafficWindow.ts"

export class Overview extends Context.Service<
  Overview,
  {
    /** When the gateway started, in clock milliseconds. */
    readonly startedAt: number
    /** Undefined before the first call. */
    readonly route: (name: string) => TrafficWindow | undefined
    /** Undefined before the first attempt. */
    readonly deployment: (name: string) => DeploymentTraffic | undefined
    /** The status of each deployment now. */
    readonly statuses: Effect.Effect<ReadonlyArray<Status>>
    /** The state changes since a time in clock milliseconds, oldest first. */
    readonly changes: (since: number) => ReadonlyArray<Change>
  }
>()("@understudy/http/Overview") {}

/** The time between two readings of the states. */
const interval = "1 second"

/** How old a failure may be to be the cause of a change, in milliseconds. */
const causeAge = 10_000

export const layer: Layer.Layer<Overview, never, Router> = Layer.effect(
  Overview,
  Effect.gen(function* () {
    const router = yield* Router
    const clock = yield* Clock.Clock
    const startedAt = clock.currentTimeMillisUnsafe()
    const routes = new Map<string, TrafficWindow>()
    const deployments = new Map<string, DeploymentTraffic>()
    const changes = new StateChanges()
    /** Whether the state of a deployment may have changed since it was last read. */
    let isDue = false
    const record = (event: RouteEvent): void => {
      switch (event._tag) {
        case "AttemptEnded": {
          const { attempt, call, route } = event
          const { deployment } = attempt
          const isFault = deploymentOf(deployments, deployment).ended(
            attempt,
            call,
            route,
            clock.currentTimeMillisUnsafe(),
          )
          if (isFault || !changes.isAvailable(deployment)) isDue = true
          return
        }
        case "DeploymentSkipped": {
          const { deployment, reason } = event
          deploymentOf(deployments, deployment).window.skipped(clock.currentTimeMillisUnsafe(), reason._tag)
          if (changes.isAvailable(deployment) && stateSkips.has(reason._tag)) isDue = true
          return
        }
        case "FirstToken": {
          const now = clock.currentTimeMillisUnsafe()
          if (event.shadowOf === undefined) routeOf(routes, event.route).firstToken(now, event.millis)
          deploymentOf(deployments, event.deployment).window.firstToken(now, event.attemptMillis)
          return
        }
        case "CallEnded": {
          const { receipt } = event
          // A route is judged by the calls of its callers alone.
          if (event.shadowOf !== undefined) return
          const { attempts, cache, millis = 0, outcome = "failure" } = receipt
          const now = clock.currentTimeMillisUnsafe()
          const window = routeOf(routes, event.route)
          // What a guardrail refused says nothing of how the route does.
          if (outcome !== "refused") window.add(now, outcome, 1)
          if (outcome === "success") window.latency(now, millis)
          if (cache === "hit") window.add(now, "cached", 1)
          if (attempts.length > 0) {
            const used = total(receipt)
            window.used(now, used, used.cost)
          }
          return
        }
        case "AttemptStarted":
        case "Failover":
        case "Hedged":
        case "CacheHit":
        case "ShadowSkipped":
          return
      }
    }
    yield* router.subscribe(record)
    const statuses = Effect.map(router.status, (all) => {
      const now = clock.currentTimeMillisUnsafe()
      changes.note(all, now, (name) => {
        const failure = deployments.get(name)?.lastFailure
        return failure !== undefined && now - failure.at <= causeAge ? failure : undefined
      })
      return all
    })
    const watch = Effect.suspend(() => {
      if (!isDue && changes.areAllAvailable) return Effect.void
      isDue = false
      return Effect.asVoid(statuses)
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(interval), watch)))
    return {
      startedAt,
      route: (name) => routes.get(name),
      deployment: (name) => deployments.get(name),
      statuses,
      changes: (since) => changes.since(since),
    }
  }),
)

/** The reasons for a skip that show a state other than `available`. */
const stateSkips: ReadonlySet<string> = new Set(["CoolingDown", "CircuitOpen", "CircuitHalfOpen"])

const routeOf = (routes: Map<string, TrafficWindow>, name: string): TrafficWindow => {
  const known = routes.get(name)
  if (known !== undefined) return known
  const made = new TrafficWindow()
  routes.set(name, made)
  return made
}

const deploymentOf = (deployments: Map<string, DeploymentTraffic>, name: string): DeploymentTraffic => {
  const known = deployments.get(name)
  if (known !== undefined) return known
  const made = new DeploymentTraffic()
  deployments.set(name, made)
  return made
}

/** The attempts of one deployment in the last half hour, its last failure, and how it does. */
import type { ReasonTag } from "@understudy/core/ProviderError"
import { opening } from "@understudy/core/ProviderError"
import type { Attempt } from "@understudy/core/Receipt"
import type { State } from "./DeploymentState.ts"
import { TrafficWindow } from "./TrafficWindow.ts"

/** The last failure of a deployment. `at` is clock milliseconds. `message` is the provider's: see `messageOf`. */
export interface LastFailure {
  readonly at: number
  readonly call: string
  readonly route: string
  readonly reason: ReasonTag
  readonly status: number | undefined
  readonly message: string | undefined
}

/**
 * How a deployment does: its state, unless it is available; then by its attempts in the last minute. `failing` if half of them
 * failed, or if there are none and the last one failed.
 */
export type Health = "healthy" | "degraded" | "failing" | "idle" | Exclude<State, "available">

/** The reasons for which the deployment or its provider is at fault, not the request. */
const faults: ReadonlySet<ReasonTag> = new Set<ReasonTag>([...opening, "RateLimited"])

/** The provider's message, unless the request was at fault: such a message may quote the prompt. */
export const messageOf = ({ message, reason }: Attempt): string | undefined =>
  reason !== undefined && faults.has(reason) ? message : undefined

/** The time by which health is judged, in milliseconds. */
const recent = 60_000

export class DeploymentTraffic {
  readonly window = new TrafficWindow()
  lastFailure: LastFailure | undefined = undefined
  /** In clock milliseconds, as is `lastSuccess`. */
  #lastFault: number | undefined = undefined
  lastSuccess: number | undefined = undefined

  /** Counts an attempt. Returns whether the deployment or its provider was at fault. */
  ended(attempt: Attempt, call: string, route: string, now: number): boolean {
    const { cost, millis, outcome, reason, status, usage } = attempt
    const { window } = this
    window.add(now, outcome, 1)
    if (usage !== undefined) window.used(now, usage, cost)
    if (outcome === "success") {
      window.latency(now, millis)
      this.lastSuccess = now
    }
    if (outcome !== "failure" || reason === undefined) return false
    window.failed(now, reason)
    this.lastFailure = { at: now, call, route, reason, status, message: messageOf(attempt) }
    if (!faults.has(reason)) return false
    window.add(now, "faults", 1)
    this.#lastFault = now
    return true
  }

  health(state: State, now: number): Health {
    if (state !== "available") return state
    const failed = this.window.recent(now, "faults", recent)
    const answered = this.window.recent(now, "success", recent)
    if (failed + answered === 0) return (this.#lastFault ?? -1) > (this.lastSuccess ?? -1) ? "failing" : "idle"
    if (failed === 0) return "healthy"
    return failed >= answered ? "failing" : "degraded"
  }
}

/** How the states of deployments changed. */
import type { Status } from "@understudy/core/Router"
import type { State } from "./DeploymentState.ts"
import { stateOf } from "./DeploymentState.ts"
import type { LastFailure } from "./DeploymentTraffic.ts"

/** A deployment's state changed. Times are clock milliseconds. `cause`: the failure that it changed after. */
export interface Change {
  readonly at: number
  readonly deployment: string
  readonly state: State
  /** Milliseconds until calls can use the deployment. */
  readonly retryAfter: number
  readonly cause: LastFailure | undefined
}

/** Changes that are kept. */
const most = 1000

/** The latest changes of all deployments. Deployments are `available` until they are first noted. */
export class StateChanges {
  readonly #states = new Map<string, State>()
  #changes: Array<Change> = []

  isAvailable(deployment: string): boolean {
    return (this.#states.get(deployment) ?? "available") === "available"
  }

  get areAllAvailable(): boolean {
    return [...this.#states.keys()].every((deployment) => this.isAvailable(deployment))
  }

  /** Notes the states that differ from those noted last. */
  note(statuses: ReadonlyArray<Status>, at: number, causeOf: (deployment: string) => LastFailure | undefined): void {
    for (const status of statuses) {
      const { deployment, retryAfter } = status
      const state = stateOf(status)
      if (state === (this.#states.get(deployment) ?? "available")) continue
      this.#states.set(deployment, state)
      const cause = state === "cooling_down" || state === "circuit_open" ? causeOf(deployment) : undefined
      this.#changes.push({ at, deployment, state, retryAfter, cause })
    }
    if (this.#changes.length > 2 * most) this.#changes = this.#changes.slice(-most)
  }

  /** The changes since a time in clock milliseconds, oldest first. */
  since(time: number): ReadonlyArray<Change> {
    return this.#changes.filter(({ at }) => at >= time)
  }
}

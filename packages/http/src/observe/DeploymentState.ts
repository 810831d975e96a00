/** The state of a deployment, as operators read it. */
import type { Status } from "@understudy/core/Router"

/** Whether calls can use a deployment: see docs/operations.md. */
export type State = "available" | "cooling_down" | "circuit_open" | "half_open"

export const stateOf = ({ circuit, retryAfter }: Pick<Status, "circuit" | "retryAfter">): State => {
  if (retryAfter > 0) return circuit === "open" ? "circuit_open" : "cooling_down"
  return circuit === "closed" ? "available" : "half_open"
}

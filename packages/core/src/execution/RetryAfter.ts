/** The `Retry-After` of a call that failed on all deployments, by each failure and each reason for a skip. */
import * as Duration from "effect/Duration"
import * as Cooldown from "../policy/Cooldown.ts"
import type { FailedStep } from "../route/Plan.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import { actionFor } from "../model/ProviderError.ts"
import * as Retry from "../policy/Retry.ts"
import { meaning } from "../model/SkipReason.ts"

/**
 * Milliseconds to wait after a failure that says nothing of time. Not the time that the circuit stays open: when every
 * deployment is refused, the next call probes one at once.
 */
const defaultDelay = 2000

/**
 * Milliseconds until one of the deployments is worth another try, by the last failure of each. `Infinity` if no wait helps,
 * because each lacks a valid credential, quota or the model; `undefined` if no failure says anything of time.
 */
export const minRetryAfter = (failures: ReadonlyArray<FailedStep>): number | undefined => {
  const waits = new Map<string, number>()
  for (const failure of failures) {
    const own = failure._tag === "Failed" ? afterFailure(failure) : meaning(failure.reason).retryAfter
    const wait = failure.retryAfter === undefined ? own : Math.min(own ?? Infinity, failure.retryAfter)
    if (wait !== undefined) waits.set(failure.step.leaf.candidate.name, wait)
  }
  return waits.size === 0 ? undefined : Math.min(...waits.values())
}

/** Milliseconds until a step that failed is worth another try: see `minRetryAfter`. */
export const afterFailure = ({
  error,
  step,
}: Pick<Extract<FailedStep, { readonly _tag: "Failed" }>, "step" | "error">): number | undefined => {
  if (error.reason._tag === "LocalError") return defaultDelay
  switch (actionFor(error.reason).circuit) {
    case "trip-permanent":
      return Infinity
    case "cooldown":
      return requestedDelay(error) ?? Retry.shortestDelay(step.leaf.policies.retry)
    case "failure":
      return requestedDelay(error) ?? defaultDelay
    case "ignore":
      return undefined
  }
}

const requestedDelay = ({ retryAfter }: ProviderError): number | undefined =>
  retryAfter && Math.min(Duration.toMillis(retryAfter), Cooldown.maxWait)

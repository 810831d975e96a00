/**
 * When asking again is of use after a call that no deployment answered: what each failure and each refusal says of it, and
 * what they say together.
 */
import * as Duration from "effect/Duration"
import * as Cooldown from "../policy/Cooldown.ts"
import type { FailedStep } from "../route/Plan.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import { actionFor } from "../model/ProviderError.ts"
import * as Retry from "../policy/Retry.ts"
import { meaning } from "../model/SkipReason.ts"

/**
 * How long to wait before a deployment that failed, or whose circuit is open, is asked again, in milliseconds. It is not
 * the opening time of its circuit: when every deployment is refused, the next call probes one at once.
 */
const defaultDelay = 2000

/**
 * Milliseconds until one of the deployments is worth asking again; `Infinity` where no wait helps, for each has a dead
 * credential, no quota, or no such model; `undefined` where none says anything of time. The newest word of a deployment counts.
 */
export const minRetryAfter = (misses: ReadonlyArray<FailedStep>): number | undefined => {
  const waits = new Map<string, number>()
  for (const miss of misses) {
    const wait = miss._tag === "Failed" ? afterFailure(miss) : meaning(miss.reason).retryAfter
    if (wait !== undefined) waits.set(miss.step.leaf.candidate.name, wait)
  }
  return waits.size === 0 ? undefined : Math.min(...waits.values())
}

const afterFailure = ({ error, step }: Extract<FailedStep, { readonly _tag: "Failed" }>): number | undefined => {
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

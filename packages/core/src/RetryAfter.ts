/**
 * When asking again is of use after a call that no deployment answered: what each failure and each refusal says of it, and
 * what they say together.
 */
import * as Duration from "effect/Duration"
import * as Cooldown from "./Cooldown.ts"
import type { Miss } from "./Fallback.ts"
import type { ProviderError } from "./ProviderError.ts"
import { judge } from "./ProviderError.ts"
import type { PassedOver } from "./Receipt.ts"
import * as Retry from "./Retry.ts"

/**
 * How long to wait before a deployment that failed, or whose circuit is open, is asked again, in milliseconds. It is not
 * the opening time of its circuit: when every deployment is refused, the next call probes one at once.
 */
const soon = 2000

/** How long to wait for a concurrency permit, in milliseconds: when one becomes free is not known. */
const untilPermit = 1000

/**
 * Milliseconds until one of the deployments is worth asking again; `Infinity` where no wait helps, for each has a dead
 * credential, no quota, or no such model; `undefined` where none says anything of time. The newest word of a deployment counts.
 */
export const soonest = (misses: ReadonlyArray<Miss>): number | undefined => {
  const waits = new Map<string, number>()
  for (const miss of misses) {
    const wait = miss._tag === "Failed" ? afterFailure(miss) : afterRefusal(miss.verdict)
    if (wait !== undefined) waits.set(miss.step.leaf.candidate.name, wait)
  }
  return waits.size === 0 ? undefined : Math.min(...waits.values())
}

const afterFailure = ({ error, step }: Extract<Miss, { readonly _tag: "Failed" }>): number | undefined => {
  if (error.reason._tag === "LocalError") return soon
  switch (judge(error.reason).circuit) {
    case "opens-long":
      return Infinity
    case "rests":
      return told(error) ?? Retry.shortest(step.leaf.patience.retry)
    case "counts":
      return told(error) ?? soon
    case "ignored":
      return undefined
  }
}

const told = ({ retryAfter }: ProviderError): number | undefined =>
  retryAfter && Math.min(Duration.toMillis(retryAfter), Cooldown.longest)

const afterRefusal = (verdict: PassedOver["verdict"]): number | undefined => {
  switch (verdict._tag) {
    case "Resting":
    case "Limited":
      return verdict.retryAfter
    case "Busy":
      return untilPermit
    case "Probing":
      return soon
    case "CircuitOpen":
      return verdict.permanent === true ? Infinity : Math.min(verdict.retryAfter, soon)
    default:
      return undefined
  }
}

/**
 * LiteLLM's timeouts, cooldowns and retries, of one deployment or of all.
 */
import type { Document, ImportReader } from "../ImportReader.ts"
import { duration, compact } from "../ImportReader.ts"

/** `timeout` limits an attempt; `stream_timeout`, by default `timeout`, the first token and the time between tokens. */
export const timeout = (place: ImportReader, names: ReadonlyArray<string>): Document | undefined => {
  const [attempt] = names.map((name) => place.time(name, "seconds")).filter((time) => time !== undefined)
  const inactivity = place.time("stream_timeout", "seconds") ?? attempt
  return compact({ attempt, firstToken: inactivity, idle: inactivity })
}

/**
 * A cooldown becomes a circuit that opens for a constant time, after one failure more than `allowed_fails`. `inherited` is the
 * `allowed_fails` that a place without its own has.
 */
export const circuit = (place: ImportReader, inherited?: number): Document | undefined => {
  const own = place.countOrNone("allowed_fails")
  const allowed = allowedByPolicy(place.mapping("allowed_fails_policy"), own ?? inherited) ?? own
  const seconds = place.number("cooldown_time", "a number of seconds, 0 or more", (value) => value >= 0)
  if (seconds === 0) place.warn("cooldown_time", noCooldown)
  const open = seconds === undefined || seconds === 0 ? undefined : duration(seconds * 1000)
  return compact({ failures: allowed === undefined ? undefined : allowed + 1, open, max: open })
}

/** The kinds of failures that a circuit counts. It counts them together. */
const counted = ["TimeoutErrorAllowedFails", "InternalServerErrorAllowedFails"]

const notCounted = {
  RateLimitErrorAllowedFails: "a deployment cools down after the first 429, for as long as the provider asks",
  AuthenticationErrorAllowedFails: "the first rejected credential opens the circuit, for `circuit.permanentFailure`",
} as const

const neverCounted = ["BadRequestErrorAllowedFails", "ContentPolicyViolationErrorAllowedFails"]

/** The allowed failures of a policy by kind, if it has one number for all that a circuit counts. */
const allowedByPolicy = (policy: ImportReader, allowed: number | undefined): number | undefined => {
  const set = counted
    .map((name) => [name, policy.countOrNone(name)] as const)
    .filter(([, value]) => value !== undefined)
  const numbers = new Set([...set.map(([, value]) => value), ...(allowed === undefined ? [] : [allowed])])
  const isComplete = set.length === counted.length || allowed !== undefined
  const [number] = numbers
  const isSame = numbers.size === 1 && isComplete
  if (!isSame) {
    for (const [name] of set) {
      policy.warn(name, "a circuit counts failures of all kinds together: set `circuit.failures`: not imported")
    }
  }
  for (const [name, why] of Object.entries(notCounted)) {
    // No failure allowed is what a circuit does.
    if ((policy.countOrNone(name) ?? 0) > 0) policy.warn(name, `${why}: not imported`)
  }
  for (const name of neverCounted) {
    if (policy.countOrNone(name) !== undefined) policy.warn(name, "such errors never open a circuit: not imported")
  }
  policy.warnUnread()
  return isSame && set.length > 0 ? number : undefined
}

/** `drop_params`: what to do with parameters that a vendor does not support. */
export const unsupported = (place: ImportReader): "drop" | "skip" | undefined => {
  const drops = place.flag("drop_params")
  return drops === undefined ? undefined : drops ? "drop" : "skip"
}

/** The message for settings that disable cooldowns. */
export const noCooldown = "circuits cannot be disabled, and an open one is probed after `circuit.open`: not imported"

const retried = { RateLimitErrorRetries: "RateLimited", InternalServerErrorRetries: "ServerError" } as const
const notRetried = [
  "AuthenticationErrorRetries",
  "BadRequestErrorRetries",
  "ContentPolicyViolationErrorRetries",
  "TimeoutErrorRetries",
] as const

/** The retries of a retry policy, by reason. */
export const timesByReason = (policy: ImportReader): Document | undefined => {
  const times = Object.entries(retried).map(([name, reason]) => [reason, policy.countOrNone(name)] as const)
  for (const name of notRetried) {
    const times = policy.countOrNone(name)
    if (times !== undefined && times > 0) policy.warn(name, "such errors are never retried: not imported")
  }
  policy.warnUnread()
  return compact(Object.fromEntries(times))
}

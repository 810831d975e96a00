/**
 * What LiteLLM says of patience and health, of one deployment or of all: time limits, cooldowns, retries.
 */
import type { Document, ImportReader } from "../ImportReader.ts"
import { duration, isSet } from "../ImportReader.ts"

/** A limit on a plain call is one on each silence of a streamed one, unless that has its own. */
export const timeout = (place: ImportReader, names: ReadonlyArray<string>): Document | undefined => {
  const [attempt] = names.map((name) => place.time(name, "seconds")).filter((time) => time !== undefined)
  const silence = place.time("stream_timeout", "seconds") ?? attempt
  return isSet({ attempt, firstToken: silence, idle: silence })
}

/** A cooldown is an opening of always the same length, after one failure more than is allowed. */
export const circuit = (place: ImportReader): Document | undefined => {
  const allowed = place.countOrNone("allowed_fails")
  const seconds = place.number("cooldown_time", "a number of seconds, 0 or more", (value) => value >= 0)
  if (seconds === 0) place.tell("cooldown_time", noCooldown)
  const open = seconds === undefined || seconds === 0 ? undefined : duration(seconds * 1000)
  return isSet({ failures: allowed === undefined ? undefined : allowed + 1, open, max: open })
}

/** What becomes of a wish that a vendor cannot be told. */
export const unsupported = (place: ImportReader): "drop" | "skip" | undefined => {
  const drops = place.flag("drop_params")
  return drops === undefined ? undefined : drops ? "drop" : "skip"
}

/** Why there is no switching cooldowns off. */
export const noCooldown = "circuits cannot be switched off, and one that opens is probed after `circuit.open`: left out"

const retried = ["RateLimitErrorRetries", "InternalServerErrorRetries"] as const
const answered = [
  "AuthenticationErrorRetries",
  "BadRequestErrorRetries",
  "ContentPolicyViolationErrorRetries",
  "TimeoutErrorRetries",
] as const

/**
 * One number of retries holds for every error that another try may cure; the others are not retried at all. `general` is
 * how often those are retried of which the policy does not speak, where that is said.
 */
export const retries = (policy: ImportReader, general?: number): number | undefined => {
  const given = retried.flatMap((name) => {
    const times = policy.countOrNone(name)
    return times === undefined ? [] : [{ name, times }]
  })
  const most = given.length === 0 ? undefined : Math.max(...given.map(({ times }) => times))
  const [first] = given
  if (most !== undefined && first !== undefined) {
    const unnamed = retried.filter((name) => !given.some((each) => each.name === name))
    if (given.some(({ times }) => times !== most)) {
      policy.tell(first.name, `one number holds for all errors that are retried: ${most}, the larger`)
    } else if (unnamed.length > 0 && most !== general) {
      const instead = general === undefined ? "" : `, instead of ${general}`
      policy.tell(
        first.name,
        `one number holds for all errors that are retried: ${most}, also where LiteLLM goes by ${unnamed.join(" and ")}${instead}`,
      )
    }
  }
  for (const name of answered) {
    const said = policy.countOrNone(name)
    if (said !== undefined && said > 0) policy.tell(name, "would fail alike, and is not retried: left out")
  }
  policy.rest()
  return most
}

/**
 * The conditions of a `Route.when`, as data: they can be configured, drawn and tested.
 */
import type { Call, Capability } from "../model/Call.ts"

/**
 * A condition on a call. It holds if all of its fields do, and always if it has none. For alternatives, use several cases.
 *
 * - `keys`: `CallOptions.caller` is one of these.
 * - `tags`: `CallOptions.tags` has all of these.
 * - `metadata`: the request's metadata has these values.
 * - `headers`: `CallOptions.headers` has these values. Names are in lower case.
 * - `inputTokens`: the estimated input tokens are above `above` and below `below`.
 * - `requires`: the call requires all of these capabilities.
 * - `timeOfDay`: the time of day in UTC, from the first (inclusive) to the second (exclusive), such as `["22:00", "06:00"]`.
 */
export interface Condition {
  readonly keys?: ReadonlyArray<string> | undefined
  readonly tags?: ReadonlyArray<string> | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly inputTokens?: { readonly above?: number | undefined; readonly below?: number | undefined } | undefined
  readonly requires?: ReadonlyArray<Capability> | undefined
  readonly timeOfDay?: readonly [from: string, to: string] | undefined
}

/** Whether the condition holds for this call. */
export const holds = (condition: Condition, call: Call): boolean => {
  const { timeOfDay, keys, headers, metadata, requires, tags, inputTokens } = condition
  return (
    (keys === undefined || (call.options.caller !== undefined && keys.includes(call.options.caller))) &&
    (tags === undefined || tags.every((tag) => call.options.tags?.includes(tag) === true)) &&
    (metadata === undefined || matches(call.request.metadata, metadata)) &&
    (headers === undefined || matches(call.options.headers, headers)) &&
    (inputTokens?.above === undefined || call.inputTokens > inputTokens.above) &&
    (inputTokens?.below === undefined || call.inputTokens < inputTokens.below) &&
    (requires === undefined || requires.every((capability) => call.requires.has(capability))) &&
    (timeOfDay === undefined || isBetween(timeOfDay, call.at))
  )
}

const matches = (
  actual: Readonly<Record<string, string | undefined>> | undefined,
  expected: Readonly<Record<string, string>>,
): boolean => Object.entries(expected).every(([name, value]) => actual !== undefined && actual[name] === value)

/** The minutes from midnight to a time such as `06:30`; `undefined` for an invalid time. */
export const minutesOf = (time: string): number | undefined => {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(time) ?? []
  return hours === undefined ? undefined : Number(hours) * 60 + Number(minutes)
}

const isBetween = ([from, to]: readonly [string, string], at: number): boolean => {
  const [start, end] = [minutesOf(from), minutesOf(to)]
  if (start === undefined || end === undefined) return false
  const now = Math.floor(at / 60_000) % (24 * 60)
  return start <= end ? start <= now && now < end : start <= now || now < end
}

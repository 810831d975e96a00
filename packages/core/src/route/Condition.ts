/**
 * When a route goes which way: conditions on a call, as data, so that they can be written down, drawn and tried out.
 *
 * All that a condition says must hold; one that says nothing always does. For "either, or" a route has several cases.
 */
import type { Call, Capability } from "../model/Call.ts"

/**
 * - `keys`: the call came with one of these keys (`CallOptions.caller`).
 * - `tags`: the call carries every one of these (`CallOptions.tags`).
 * - `metadata`: the request's metadata has these values.
 * - `headers`: the caller sent these, names in lower case (`CallOptions.headers`).
 * - `inputTokens`: its estimated input is larger than `above`, smaller than `below`.
 * - `requires`: it requires every one of these capabilities.
 * - `timeOfDay`: the time of day, in UTC, is from the first up to the second, past midnight where the second is earlier.
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

/** Whether all of it holds for this call. */
export const holds = (condition: Condition, call: Call): boolean => {
  const { timeOfDay, keys, headers, metadata, requires, tags, inputTokens } = condition
  return (
    (keys === undefined || (call.options.caller !== undefined && keys.includes(call.options.caller))) &&
    (tags === undefined || tags.every((tag) => call.options.tags?.includes(tag) === true)) &&
    (metadata === undefined || matches(call.request.metadata, metadata)) &&
    (headers === undefined || matches(call.options.headers, headers)) &&
    (inputTokens?.above === undefined || call.inputTokens > inputTokens.above) &&
    (inputTokens?.below === undefined || call.inputTokens < inputTokens.below) &&
    (requires === undefined || requires.every((need) => call.requires.has(need))) &&
    (timeOfDay === undefined || isBetween(timeOfDay, call.at))
  )
}

const matches = (
  said: Readonly<Record<string, string | undefined>> | undefined,
  wanted: Readonly<Record<string, string>>,
): boolean => Object.entries(wanted).every(([name, value]) => said !== undefined && said[name] === value)

/** Minutes since midnight of a time such as `06:30`; `undefined` for what is none. */
export const minutesOf = (time: string): number | undefined => {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(time) ?? []
  return hours === undefined ? undefined : Number(hours) * 60 + Number(minutes)
}

const isBetween = ([from, to]: readonly [string, string], at: number): boolean => {
  const [begins, ends] = [minutesOf(from), minutesOf(to)]
  if (begins === undefined || ends === undefined) return false
  const now = Math.floor(at / 60_000) % (24 * 60)
  return begins <= ends ? begins <= now && now < ends : begins <= now || now < ends
}

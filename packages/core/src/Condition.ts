/**
 * When a route goes which way: conditions on a call, as data, so that they can be written down, drawn and tried out.
 *
 * All that a condition says must hold; one that says nothing always does. For "either, or" a route has several cases.
 */
import type { Call, Need } from "./Call.ts"

/**
 * - `callers`: one of these asks (`CallOptions.caller`).
 * - `tags`: the call carries every one of these (`CallOptions.tags`).
 * - `metadata`: the request's metadata has these values.
 * - `headers`: the caller sent these, names in lower case (`CallOptions.headers`).
 * - `tokens`: the estimate of its input is above `over`, below `under`.
 * - `needs`: it needs every one of these of a model.
 * - `between`: the time of day, in UTC, is from the first up to the second, past midnight where the second is earlier.
 */
export interface Condition {
  readonly callers?: ReadonlyArray<string> | undefined
  readonly tags?: ReadonlyArray<string> | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly tokens?: { readonly over?: number | undefined; readonly under?: number | undefined } | undefined
  readonly needs?: ReadonlyArray<Need> | undefined
  readonly between?: readonly [from: string, to: string] | undefined
}

/** Whether all of it holds for this call. */
export const holds = (condition: Condition, call: Call): boolean => {
  const { between, callers, headers, metadata, needs, tags, tokens } = condition
  return (
    (callers === undefined || (call.options.caller !== undefined && callers.includes(call.options.caller))) &&
    (tags === undefined || tags.every((tag) => call.options.tags?.includes(tag) === true)) &&
    (metadata === undefined || says(call.request.metadata, metadata)) &&
    (headers === undefined || says(call.options.headers, headers)) &&
    (tokens?.over === undefined || call.inputTokens > tokens.over) &&
    (tokens?.under === undefined || call.inputTokens < tokens.under) &&
    (needs === undefined || needs.every((need) => call.needs.has(need))) &&
    (between === undefined || isBetween(between, call.at))
  )
}

const says = (
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

/**
 * The cost of a response: the deployment's price times the tokens used.
 */
import type * as Chat from "./Chat.ts"

const million = 1_000_000

/** Rates in US dollars per million tokens. Those that are not set are the rate of other input, or of other output. */
export interface Rates {
  readonly input: number
  readonly output: number
  readonly cachedInput?: number | undefined
  readonly cacheWrite?: number | undefined
  /** The rate of reasoning tokens. */
  readonly reasoning?: number | undefined
  /** US dollars per request, besides its tokens. */
  readonly request?: number | undefined
}

/** The rates of all tokens of a call with more than `above` input tokens. */
export interface Tier extends Rates {
  readonly above: number
}

/** Rates by the length of the input. Of the tiers that a call reaches, the highest holds for the whole call. */
export interface Tariff extends Rates {
  readonly tiers?: ReadonlyArray<Tier> | undefined
}

/**
 * A tariff that replaces the price from a date on (`from`, clock milliseconds), or every day between two times in UTC
 * (milliseconds since midnight, `end` exclusive; past midnight if `end` is before `start`).
 */
export interface Change extends Tariff {
  readonly when: { readonly from: number } | { readonly start: number; readonly end: number }
}

/** The price of a model. */
export interface Price extends Tariff {
  /** Other tariffs by date and time of day. Of those that hold at a time, the last. */
  readonly changes?: ReadonlyArray<Change> | undefined
  /** Where the price is from, with its version, such as `genai-prices 0.1.8`. Default: `configured`. */
  readonly version?: string | undefined
}

/** The version of a price that a deployment sets itself. */
export const configured = "configured"

/** The tariff at a time in clock milliseconds. Default: the last by date, outside of special hours. */
export const at = (price: Price, millis = Number.POSITIVE_INFINITY): Tariff =>
  price.changes?.findLast(({ when }) => holds(when, millis)) ?? price

const day = 86_400_000

const holds = (when: Change["when"], millis: number): boolean => {
  if ("from" in when) return millis >= when.from
  const time = millis % day
  return when.end < when.start ? time >= when.start || time < when.end : time >= when.start && time < when.end
}

/** The cost in US dollars of a call that began at a time in clock milliseconds; see `at` for its default. */
export const of = (price: Price, usage: Chat.Usage, millis?: number): number => {
  const tariff = price.changes === undefined ? price : at(price, millis)
  const rates = tariff.tiers === undefined ? tariff : tierFor(tariff, tariff.tiers, usage.inputTokens)
  const cached = usage.cachedInputTokens ?? 0
  const written = usage.cacheWriteTokens ?? 0
  const uncached = Math.max(0, usage.inputTokens - cached - written)
  const reasoning = rates.reasoning === undefined ? 0 : Math.min(usage.reasoningTokens ?? 0, usage.outputTokens)
  return (
    (uncached * rates.input +
      cached * (rates.cachedInput ?? rates.input) +
      written * (rates.cacheWrite ?? rates.input) +
      (usage.outputTokens - reasoning) * rates.output +
      reasoning * (rates.reasoning ?? rates.output)) /
      million +
    (rates.request ?? 0)
  )
}

const tierFor = (base: Rates, tiers: ReadonlyArray<Tier>, inputTokens: number): Rates => {
  let [found, reached] = [base, Number.NEGATIVE_INFINITY]
  for (const tier of tiers) if (inputTokens > tier.above && tier.above > reached) [found, reached] = [tier, tier.above]
  return found
}

/** The most in US dollars that a call with at most these tokens may cost, at any time, however much of it is cached or reasoning. */
export const most = (price: Price, inputTokens: number, outputTokens: number): number => {
  let dollars = mostOf(price, inputTokens, outputTokens)
  for (const change of price.changes ?? []) dollars = Math.max(dollars, mostOf(change, inputTokens, outputTokens))
  return dollars
}

const mostOf = (tariff: Tariff, inputTokens: number, outputTokens: number): number => {
  let dollars = mostAt(tariff, inputTokens, outputTokens)
  for (const tier of tariff.tiers ?? [])
    if (inputTokens > tier.above) dollars = Math.max(dollars, mostAt(tier, inputTokens, outputTokens))
  return dollars
}

const mostAt = (
  { cacheWrite = 0, cachedInput = 0, input, output, reasoning = 0, request = 0 }: Rates,
  inputTokens: number,
  outputTokens: number,
): number =>
  (inputTokens * Math.max(input, cachedInput, cacheWrite) + outputTokens * Math.max(output, reasoning)) / million +
  request

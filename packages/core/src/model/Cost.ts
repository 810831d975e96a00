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

/**
 * US dollars per second of audio, per million characters, and per image; and per million tokens of audio and images, where they
 * differ from other tokens.
 */
export interface UnitRates {
  readonly second?: number | undefined
  readonly characters?: number | undefined
  readonly image?: number | undefined
  readonly audioInput?: number | undefined
  readonly cachedAudioInput?: number | undefined
  readonly audioOutput?: number | undefined
  readonly imageInput?: number | undefined
  readonly imageOutput?: number | undefined
}

/** The rates of all tokens of a call with more than `above` input tokens. */
export interface Tier extends Rates {
  readonly above: number
}

/** Rates by the length of the input. Of the tiers that a call reaches, the highest holds for the whole call. */
export interface Tariff extends Rates {
  readonly tiers?: ReadonlyArray<Tier> | undefined
  /** What audio and images are charged for. */
  readonly units?: UnitRates | undefined
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

/** The cost in US dollars of the tokens of a call that began at a time in clock milliseconds; see `at` for its default. */
export const of = (price: Price, usage: Chat.Usage, millis?: number): number =>
  ofTokens(ratesOf(tariffOf(price, millis), usage), usage)

/** As `of`, with its units. `undefined` if the price is for something else than what was reported: tokens where only seconds are known. */
export const ofUsage = (price: Price, usage: Chat.Usage, millis?: number): number | undefined => {
  const tariff = tariffOf(price, millis)
  const rates = ratesOf(tariff, usage)
  const { units } = usage
  if (units === undefined) return ofTokens(rates, usage)
  return isPriced(rates, tariff.units, usage, units)
    ? ofTokens(rates, usage) + ofUnits(rates, tariff.units, units)
    : undefined
}

const tariffOf = (price: Price, millis: number | undefined): Tariff =>
  price.changes === undefined ? price : at(price, millis)

const ratesOf = (tariff: Tariff, usage: Chat.Usage): Rates =>
  tariff.tiers === undefined ? tariff : tierFor(tariff, tariff.tiers, usage.inputTokens)

/** Whether the rates are for what was used: for its tokens, for one of its units, for its request, or for nothing. */
const isPriced = (
  rates: Rates,
  { characters, image, second }: UnitRates = {},
  { inputTokens, outputTokens }: Chat.Usage,
  units: Chat.Units,
): boolean => {
  const isFlat = rates.input === 0 && rates.output === 0 && (second ?? characters ?? image) === undefined
  return (
    isFlat ||
    rates.request !== undefined ||
    (inputTokens + outputTokens > 0 && rates.input + rates.output > 0) ||
    (second !== undefined && units.seconds !== undefined) ||
    (characters !== undefined && units.characters !== undefined) ||
    (image !== undefined && units.images !== undefined)
  )
}

/** The cost of units, with what their tokens cost more, or less, than other tokens. */
const ofUnits = ({ cachedInput, input, output }: Rates, rates: UnitRates | undefined, units: Chat.Units): number => {
  if (rates === undefined) return 0
  const cached = cachedInput ?? input
  const { cachedAudioInputTokens = 0 } = units
  const {
    audioInput = input,
    audioOutput = output,
    cachedAudioInput = cached,
    characters = 0,
    image = 0,
    imageInput = input,
    imageOutput = output,
    second = 0,
  } = rates
  return (
    second * (units.seconds ?? 0) +
    image * (units.images ?? 0) +
    (characters * (units.characters ?? 0) +
      (audioInput - input) * Math.max(0, (units.audioInputTokens ?? 0) - cachedAudioInputTokens) +
      (cachedAudioInput - cached) * cachedAudioInputTokens +
      (audioOutput - output) * (units.audioOutputTokens ?? 0) +
      (imageInput - input) * (units.imageInputTokens ?? 0) +
      (imageOutput - output) * (units.imageOutputTokens ?? 0)) /
      million
  )
}

const ofTokens = (rates: Rates, usage: Chat.Usage): number => {
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

/**
 * The most in US dollars that a call with at most these tokens and units may cost, at any time, however much of it is cached or
 * reasoning.
 */
export const most = (price: Price, inputTokens: number, outputTokens: number, units?: Chat.Units): number => {
  let dollars = mostOf(price, inputTokens, outputTokens, units)
  for (const change of price.changes ?? [])
    dollars = Math.max(dollars, mostOf(change, inputTokens, outputTokens, units))
  return dollars
}

const mostOf = (tariff: Tariff, inputTokens: number, outputTokens: number, units: Chat.Units | undefined): number => {
  let dollars = mostAt(tariff, tariff.units, inputTokens, outputTokens, units)
  for (const tier of tariff.tiers ?? [])
    if (inputTokens > tier.above)
      dollars = Math.max(dollars, mostAt(tier, tariff.units, inputTokens, outputTokens, units))
  return dollars
}

const mostAt = (
  { cacheWrite = 0, cachedInput = 0, input, output, reasoning = 0, request = 0 }: Rates,
  rates: UnitRates = {},
  inputTokens: number,
  outputTokens: number,
  { characters = 0, images = 0, seconds = 0 }: Chat.Units = {},
): number => {
  const highestInput = Math.max(
    input,
    cachedInput,
    cacheWrite,
    rates.audioInput ?? 0,
    rates.cachedAudioInput ?? 0,
    rates.imageInput ?? 0,
  )
  const highestOutput = Math.max(output, reasoning, rates.audioOutput ?? 0, rates.imageOutput ?? 0)
  const ofUnits =
    ((rates.characters ?? 0) * characters) / million + (rates.image ?? 0) * images + (rates.second ?? 0) * seconds
  return (inputTokens * highestInput + outputTokens * highestOutput) / million + request + ofUnits
}

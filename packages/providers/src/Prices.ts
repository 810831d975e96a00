/**
 * The prices of the vendors' models, from the data of the library genai-prices. It is loaded (20 ms of CPU, 6 MB) for
 * deployments without a price of their own.
 */
import type { ConditionalPrice, ModelPrice, TieredPrices } from "@pydantic/genai-prices"
import type * as Cost from "@understudy/core/internal/model/Cost"
import { hasWildcard } from "@understudy/core/internal/route/Wildcard"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Address from "./config/Address.ts"
import type * as Deployments from "./config/Deployments.ts"
import * as Local from "./Local.ts"

/** The version of these prices: the library's. */
export const version = "genai-prices 0.1.8"

/** Which of the library's vendors prices a deployment: by its id, or by the address of its API. */
export type Source = { readonly providerId: string } | { readonly providerApiUrl: string }

/** Finds the price of a vendor's model; `undefined` if it is not known. */
export type Find = (source: Source, model: string) => Cost.Price | undefined

/** The source of a deployment's price; `undefined` for simulated providers and local servers, which have none. */
export const source = (deployment: Address.Addressed): Source | undefined => {
  const { provider } = deployment
  if (provider === "simulated" || Local.isServer(provider) || Address.isLocal(deployment)) return undefined
  if (provider === "bedrock") return { providerId: "aws" }
  if (provider === "azure") return { providerId: "azure" }
  if (provider === "vertex") return { providerId: "google" }
  const url = Address.of(deployment)
  if (url !== undefined) return { providerApiUrl: url }
  return { providerId: provider === "gemini" ? "google" : provider }
}

/** The vendors' prices. */
export interface Prices {
  readonly find: Find
  readonly knows: (source: Source) => boolean
  /** Finds the prices of a vendor's models: the same function for the same vendor. */
  readonly ofModels: (source: Source) => (model: string) => Cost.Price | undefined
}

const idOf = (source: Source): string => ("providerId" in source ? source.providerId : source.providerApiUrl)

/** Loads the prices, once for the process. */
export const load: Effect.Effect<Prices> = Effect.suspend(() =>
  loaded === undefined ? Effect.map(imported, (prices) => (loaded ??= prices)) : Effect.succeed(loaded),
)

let loaded: Prices | undefined

const imported: Effect.Effect<Prices> = Effect.map(
  Effect.promise(() => import("@pydantic/genai-prices")),
  ({ calcPrice, findProvider }) => {
    const found = new Map<string, Cost.Price | undefined>()
    const finders = new Map<string, (model: string) => Cost.Price | undefined>()
    const prices: Prices = {
      find: (source, model) => {
        const key = `${idOf(source)} ${model}`
        if (found.has(key)) return found.get(key)
        // Without usage, it only finds the model.
        const prices = calcPrice({}, model.replace(/^models\//, ""), source)?.model.prices
        const price = prices === undefined ? undefined : toPrice(Array.isArray(prices) ? prices : [{ prices }])
        if (found.size < maxFound) found.set(key, price)
        return price
      },
      knows: (source) => findProvider(source) !== undefined,
      ofModels: (source) => {
        const id = idOf(source)
        const known = finders.get(id)
        if (known !== undefined) return known
        const finder = (model: string) => prices.find(source, model)
        finders.set(id, finder)
        return finder
      },
    }
    return prices
  },
)

/** How many prices are remembered: clients choose the models of a wildcard. */
const maxFound = 1000

/** The deployments, each with its price if it does not set one and the price of its model is known. */
export const fill = (
  deployments: Readonly<Record<string, Deployments.Settings>>,
): Effect.Effect<Readonly<Record<string, Deployments.Settings>>> =>
  Object.values(deployments).some(isOpen)
    ? Effect.map(load, ({ find, knows, ofModels }) =>
        Object.fromEntries(
          Object.entries(deployments).map(([name, deployment]) => {
            const from = deployment.price === undefined ? source(deployment) : undefined
            if (from === undefined) return [name, deployment]
            if (!hasWildcard(deployment.model)) return [name, { ...deployment, price: find(from, deployment.model) }]
            return [name, knows(from) ? { ...deployment, priceOf: ofModels(from) } : deployment]
          }),
        ),
      )
    : Effect.succeed(deployments)

/** Whether a deployment, of those that `fill` returns, has a vendor's price that is not known. */
export const isUnknown = (deployment: Deployments.Settings): boolean =>
  deployment.priceOf === undefined && isOpen(deployment)

const isOpen = (deployment: Deployments.Settings): boolean =>
  deployment.price === undefined && source(deployment) !== undefined

/** The price of a model as the library has it: the last of its prices that holds at a time, else the first. */
const toPrice = ([first, ...others]: ReadonlyArray<ConditionalPrice>): Cost.Price | undefined => {
  if (first === undefined || ![first, ...others].every(({ prices }) => isKnown(prices))) return undefined
  const price = { ...toTariff(first.prices), version }
  if (others.length === 0) return price
  return {
    ...price,
    changes: others.map(({ constraint, prices }) => ({ ...toTariff(prices), when: toWhen(constraint) })),
  }
}

/** Whether calls are priced by tokens, by request or by hours of audio, or are free. Others have prices for pages. */
const isKnown = (prices: ModelPrice): boolean =>
  Object.keys(prices).length === 0 ||
  ["input_mtok", "output_mtok", "requests_kcount", "audio_hours", "input_audio_hours"].some((key) => key in prices)

const toWhen = (constraint: ConditionalPrice["constraint"]): Cost.Change["when"] => {
  if (constraint === undefined) return { from: Number.NEGATIVE_INFINITY }
  return constraint.type === "start_date"
    ? { from: Date.parse(constraint.start_date) }
    : { start: timeOfDay(constraint.start_time), end: timeOfDay(constraint.end_time) }
}

const day = 86_400_000

/** The milliseconds since midnight in UTC of a time such as `16:30:00Z`. */
const timeOfDay = (time: string): number => (Date.parse(`1970-01-02T${time}`) + day) % day

const toTariff = (prices: ModelPrice): Cost.Tariff => {
  const starts = Object.values(prices).flatMap((price) =>
    isTiered(price) ? price.tiers.map(({ start }) => start) : [],
  )
  const rates = { ...ratesAbove(prices, -1), ...unitRates(prices) }
  if (starts.length === 0) return rates
  const tiers = [...new Set(starts)].sort((a, b) => a - b).map((above) => ({ ...ratesAbove(prices, above), above }))
  return { ...rates, tiers }
}

/** The rates of calls with more input tokens than `above`, up to the next tier. */
const ratesAbove = (prices: ModelPrice, above: number): Cost.Rates => {
  const rate = (key: string): number | undefined => {
    const price = prices[key]
    if (!isTiered(price)) return price
    return (
      price.tiers.toSorted((a, b) => a.start - b.start).findLast(({ start }) => start <= above)?.price ?? price.base
    )
  }
  const perThousand = rate("requests_kcount")
  return {
    input: rate("input_mtok") ?? 0,
    output: rate("output_mtok") ?? 0,
    cachedInput: rate("cache_read_mtok"),
    cacheWrite: rate("cache_write_mtok"),
    reasoning: rate("output_reasoning_mtok"),
    request: perThousand === undefined ? undefined : perThousand / 1000,
  }
}

/** The rates of audio and images. None has tiers. */
const unitRates = (prices: ModelPrice): Pick<Cost.Tariff, "units"> | undefined => {
  const rate = (key: string): number | undefined => {
    const price = prices[key]
    return isTiered(price) ? price.base : price
  }
  const hour = rate("input_audio_hours") ?? rate("audio_hours")
  const units: Cost.UnitRates = {
    second: hour === undefined ? undefined : hour / 3600,
    audioInput: rate("input_audio_mtok"),
    cachedAudioInput: rate("cache_audio_read_mtok"),
    audioOutput: rate("output_audio_mtok"),
    imageInput: rate("input_image_mtok"),
    imageOutput: rate("output_image_mtok"),
  }
  return Object.values(units).every((value) => value === undefined) ? undefined : { units }
}

const isTiered = (price: number | TieredPrices | undefined): price is TieredPrices => Predicate.isObject(price)

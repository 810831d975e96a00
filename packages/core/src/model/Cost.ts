/**
 * The cost of a response: the deployment's price times the tokens used.
 */
import type * as Chat from "./Chat.ts"

const million = 1_000_000

/** The cost in US dollars. Cached input and cache writes cost as much as other input if the price does not set them. */
export const of = (price: Price, usage: Chat.Usage): number => {
  const cached = usage.cachedInputTokens ?? 0
  const written = usage.cacheWriteTokens ?? 0
  const uncached = Math.max(0, usage.inputTokens - cached - written)
  return (
    (uncached * price.input +
      cached * (price.cachedInput ?? price.input) +
      written * (price.cacheWrite ?? price.input) +
      usage.outputTokens * price.output) /
    million
  )
}

/** The price of a model, in US dollars per million tokens. */
export interface Price {
  readonly input: number
  readonly output: number
  readonly cachedInput?: number | undefined
  readonly cacheWrite?: number | undefined
}

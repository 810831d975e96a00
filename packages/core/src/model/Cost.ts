/**
 * What an answer cost: a deployment's price times what was used.
 */
import type * as Chat from "./Chat.ts"

const million = 1_000_000

/** US dollars. Cached input and cache writes are priced as plain input where the price does not name them. */
export const of = (price: Price, usage: Chat.Usage): number => {
  const cached = usage.cachedInputTokens ?? 0
  const written = usage.cacheWriteTokens ?? 0
  const plain = Math.max(0, usage.inputTokens - cached - written)
  return (
    (plain * price.input +
      cached * (price.cachedInput ?? price.input) +
      written * (price.cacheWrite ?? price.input) +
      usage.outputTokens * price.output) /
    million
  )
}

/** US dollars per million tokens. */
export interface Price {
  readonly input: number
  readonly output: number
  readonly cachedInput?: number | undefined
  readonly cacheWrite?: number | undefined
}

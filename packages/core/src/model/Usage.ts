/**
 * Checks of the token usage that a provider reports. Costs and token limits depend on it.
 */
import type * as Chat from "./Chat.ts"

/** About four characters per token in most languages and code. An exact count can take seconds: see docs/performance.md. */
export const charactersPerToken = 4

/** The largest plausible token count of one response. */
const maxTokens = 1e9

const isCount = (value: number): boolean => value >= 0 && value <= maxTokens

/** The usage without counts that are not numbers, negative or implausibly large. */
export const sound = (usage: Chat.Usage | undefined): Chat.Usage | undefined => {
  if (usage === undefined || Object.values(usage).every((value) => value === undefined || isCount(value))) return usage
  const plausible = Object.fromEntries(
    Object.entries(usage).filter(([, value]) => value !== undefined && isCount(value)),
  )
  return { inputTokens: 0, outputTokens: 0, ...plausible }
}

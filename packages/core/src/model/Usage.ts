/**
 * Checks of the token usage that a provider reports. Costs and token limits depend on it.
 */
import type * as Chat from "./Chat.ts"

/** About four characters per token in most languages and code. An exact count can take seconds: see docs/performance.md. */
export const charactersPerToken = 4

/** The largest plausible token count of one response. */
const maxTokens = 1e9

const isCount = (value: unknown): boolean => typeof value === "number" && value >= 0 && value <= maxTokens

/** Whether it is a count, or units. */
const isSound = (value: unknown): boolean =>
  value === undefined ||
  isCount(value) ||
  (typeof value === "object" && value !== null && Object.values(value).every(isSound))

/** The usage without counts that are not numbers, negative or implausibly large. */
export const sound = (usage: Chat.Usage | undefined): Chat.Usage | undefined => {
  if (usage === undefined || Object.values(usage).every(isSound)) return usage
  const plausible = Object.fromEntries(
    Object.entries(usage).filter(([, value]) => value !== undefined && isSound(value)),
  )
  return { inputTokens: 0, outputTokens: 0, ...plausible }
}

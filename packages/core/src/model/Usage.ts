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

/** The usage of two responses together. */
export const sum = (one: Chat.Usage | undefined, other: Chat.Usage): Chat.Usage => {
  if (one === undefined) return other
  const { units: first, ...counts } = one
  const { units: second, ...others } = other
  const units = { ...added({ ...first }, { ...second }) }
  const tokens = added(counts, others)
  return {
    ...tokens,
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    ...(Object.keys(units).length === 0 ? undefined : { units }),
  }
}

type Counts = Readonly<Record<string, number | undefined>>

const added = (one: Counts, other: Counts): Record<string, number> => {
  const sums: Record<string, number> = {}
  for (const counts of [one, other])
    for (const [name, count] of Object.entries(counts)) if (count !== undefined) sums[name] = (sums[name] ?? 0) + count
  return sums
}

/** The tokens of a usage that are not in a part of it. */
export const without = (usage: Chat.Usage | undefined, part: Chat.Usage): Chat.Usage => ({
  inputTokens: Math.max(0, (usage?.inputTokens ?? 0) - part.inputTokens),
  outputTokens: Math.max(0, (usage?.outputTokens ?? 0) - part.outputTokens),
})

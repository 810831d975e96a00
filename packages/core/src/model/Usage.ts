/**
 * The tokens that a provider says it used, as far as they are believed: they are paid for, and waited for.
 */
import type * as Chat from "./Chat.ts"

/** The most of one kind that is believed of one answer. */
const most = 1e9

const isCount = (value: number): boolean => value >= 0 && value <= most

/** The usage with nothing in it that is no number, negative or beyond all measure; itself where all is sound. */
export const sound = (usage: Chat.Usage | undefined): Chat.Usage | undefined => {
  if (usage === undefined || Object.values(usage).every((value) => value === undefined || isCount(value))) return usage
  const said = Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== undefined && isCount(value)))
  return { inputTokens: 0, outputTokens: 0, ...said }
}

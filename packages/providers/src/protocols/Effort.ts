/**
 * Budgets in tokens as efforts, for protocols that know efforts only.
 */
import type * as Chat from "@understudy/core/Chat"

/** The least effort that would think so long. */
export const ofBudget = (budget: number): NonNullable<Chat.ReasoningOptions["effort"]> => {
  if (budget <= 0) return "none"
  if (budget <= 2048) return "low"
  return budget <= 8192 ? "medium" : "high"
}

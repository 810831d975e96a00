/** Converts a reasoning budget in tokens to an effort, for protocols without budgets. */
import type * as Chat from "@understudy/core/Chat"

/** The lowest effort that covers the budget. */
export const ofBudget = (budget: number): NonNullable<Chat.ReasoningOptions["effort"]> => {
  if (budget <= 0) return "none"
  if (budget <= 2048) return "low"
  return budget <= 8192 ? "medium" : "high"
}

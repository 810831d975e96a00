/** The budgets of other gateways: where they are kept, and their windows by the periods that those have. */
import * as Window from "@understudy/core/internal/spend/Window"

/** Where budgets are kept. The databases of other gateways have other tables. */
export const database = "sqlite:./understudy.db"

/**
 * The window of a number of days: those that a calendar has begin with a day, a Monday or a month, others roll. `undefined` if no
 * budget may have it.
 */
export const ofDays = (days: number): string | undefined =>
  Window.problem({ days }) !== undefined ? undefined : ({ 1: "day", 7: "week", 30: "month" }[days] ?? `${days} days`)

/** The window of a number of hours: one, or whole days. */
export const ofHours = (hours: number): string | undefined =>
  hours === 1 ? "hour" : hours % 24 === 0 ? ofDays(hours / 24) : undefined

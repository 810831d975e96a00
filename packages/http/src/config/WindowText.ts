/**
 * Windows of budgets as configurations and the API write them: `hour`, `day`, `week`, `month`, `total`, or `30 days` for a
 * rolling one. The time zone of a calendar window is a field of its own.
 */
import * as Window from "@understudy/core/internal/spend/Window"

export const expected = "hour, day, week, month, total, or a number of days such as 30 days"

/** The window of a text, in this time zone; `undefined` if it is none. */
export const parse = (text: string, timeZone?: string): Window.Window | undefined => {
  const word = text.trim().toLowerCase()
  if (word === "total") return "total"
  const unit = Window.units.find((each) => each === word)
  if (unit !== undefined) return timeZone === undefined ? { unit } : { unit, timeZone }
  const [, days] = /^(\d{1,4}) days?$/.exec(word) ?? []
  if (days === undefined) return undefined
  const window = { days: Number(days) }
  return Window.problem(window) === undefined ? window : undefined
}

/** The text of a window, without its time zone. */
export const print = (window: Window.Window): string => {
  if (window === "total") return "total"
  if ("unit" in window) return window.unit
  return window.days === 1 ? "1 day" : `${window.days} days`
}

/** The time zone of a window that has one. */
export const timeZone = (window: Window.Window): string | undefined =>
  window !== "total" && "unit" in window ? window.timeZone : undefined

/**
 * Amounts, times and limits as people read them.
 */
import { defaultMax, defaultMaxWait } from "@understudy/core/internal/policy/QueuePolicy"
import * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import type * as Fields from "../api/admin/Fields.ts"

/** US dollars with cents, or with more decimals, as `decimals` tells of the amounts beside them. */
export const dollars = (amount: number, digits = decimals([amount])): string =>
  `${amount < 0 ? "-" : ""}$${number(Math.abs(amount), digits)}`

/** How many decimals show two significant digits of each amount, from 2 to 6. */
export const decimals = (amounts: ReadonlyArray<number>): number => Math.max(2, ...amounts.map(decimalsOf))

const decimalsOf = (amount: number): number => {
  if (amount === 0) return 2
  let digits = Math.min(6, 1 - Math.floor(Math.log10(Math.abs(amount))))
  while (digits > 2 && Number(amount.toFixed(digits)) === Number(amount.toFixed(digits - 1))) digits--
  return digits
}

/** A number with its thousands apart: `12,345.60`. */
export const number = (value: number, digits = 0): string => {
  const [whole = "", fraction] = value.toFixed(digits).split(".")
  const grouped = whole.replace(/\B(?=(?:\d{3})+$)/g, ",")
  return fraction === undefined ? grouped : `${grouped}.${fraction}`
}

/** The share of a budget that is spent and reserved, as a bar of ten cells and in percent. */
export const bar = (spent: number, reserved: number, amount: number): string => {
  const cells = (part: number): number =>
    amount > 0 ? Math.max(0, Math.min(10, Math.round((part / amount) * 10))) : 10
  const full = cells(spent)
  const held = cells(spent + reserved) - full
  return `${"█".repeat(full)}${"▒".repeat(held)}${"░".repeat(10 - full - held)} ${percent(spent + reserved, amount).padStart(5)}`
}

/** A part in percent. What is not all of it is not shown as 100 %, and what is not nothing not as 0 %. */
export const percent = (part: number, whole: number): string => {
  if (whole <= 0) return "100 %"
  const share = (part / whole) * 100
  if (share > 0 && share < 1) return "<1 %"
  return `${share < 100 ? Math.min(99, Math.round(share)) : Math.round(share)} %`
}

const units = [
  { one: "year", more: "years", seconds: 365 * 86_400 },
  { one: "month", more: "months", seconds: 30 * 86_400 },
  { one: "day", more: "days", seconds: 86_400 },
  { one: "h", more: "h", seconds: 3600 },
  { one: "min", more: "min", seconds: 60 },
  { one: "s", more: "s", seconds: 1 },
] as const

/** How far a time is from now: `in 3 days`, `2 h ago`. */
export const relative = (time: string, now: number): string => {
  const millis = Date.parse(time) - now
  const distance = Math.floor(Math.abs(millis) / 1000)
  const unit = units.find(({ seconds }) => distance >= seconds)
  if (unit === undefined) return "now"
  const count = Math.floor(distance / unit.seconds)
  const amount = `${count} ${count === 1 ? unit.one : unit.more}`
  return millis > 0 ? `in ${amount}` : `${amount} ago`
}

/** A time, and how far it is from now. */
export const moment = (time: string, now: number): string => `${time.slice(0, 19)}Z (${relative(time, now)})`

export const now: Effect.Effect<number> = Clock.currentTimeMillis

/** `rpm 60, concurrency 4, queue 100 for 10s`, or `none`. */
export const limits = (limits: Fields.Key["limits"]): string => {
  const { queue, ...counts } = limits ?? {}
  return listed([...Object.entries(counts).map(([name, limit]) => `${name} ${limit}`), ...queueParts(queue)]) ?? "none"
}

const queueParts = (queue: NonNullable<Fields.Key["limits"]>["queue"]): ReadonlyArray<string> => {
  if (queue === undefined) return []
  const { max = defaultMax, maxWait = `${defaultMaxWait / 1000}s`, priority } = queue
  return [`queue ${max} for ${maxWait}`, ...(priority === undefined ? [] : [`priority ${priority}`])]
}

/** Names in one cell; `undefined` without any. */
export const listed = (names: ReadonlyArray<string>): string | undefined =>
  names.length === 0 ? undefined : names.join(", ")

/**
 * The output of the demonstrations: a line for each call as it finishes, then a table and a conclusion.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { Region } from "./Regions.ts"

/** Prints `[14:36:24.947] …`, with the local time. */
export const stamped = (text: string): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const at = new Date(now)
    const millis = String(at.getMilliseconds()).padStart(3, "0")
    return Console.log(`[${at.toTimeString().slice(0, 8)}.${millis}] ${text}`)
  })

/** Prints a title between two rules. */
export const heading = (title: string): Effect.Effect<void> => {
  const rule = "=".repeat(80)
  return lines(["", rule, title, rule])
}

export const lines = (texts: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.forEach(texts, (text) => Console.log(text), { discard: true })

/** A table: the first column left-aligned, the others right-aligned. */
export const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  rule: { readonly under: string; readonly crossing: string } = { under: "-", crossing: "|" },
): ReadonlyArray<string> => {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>, figures: boolean): string =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? ""
        return figures && column > 0 ? cell.padStart(width) : cell.padEnd(width)
      })
      .join(" | ")
      .trimEnd()
  const between = widths.map((width) => rule.under.repeat(width)).join(`${rule.under}${rule.crossing}${rule.under}`)
  return [line(head, false), between, ...rows.map((row) => line(row, true))]
}

export const percent = (part: number, total: number): string =>
  `${total === 0 ? "0.0" : ((100 * part) / total).toFixed(1)}%`

export const seconds = (millis: number): string => `${(millis / 1000).toFixed(2)}s`

export const average = (millis: ReadonlyArray<number>): string =>
  seconds(millis.length === 0 ? 0 : millis.reduce((sum, each) => sum + each, 0) / millis.length)

/** A table of calls by region. */
export const regions = (found: ReadonlyArray<Region>): ReadonlyArray<string> => {
  const all = found.reduce((sum, { calls }) => sum + calls, 0)
  return table(
    ["Region", "Invocations", "Percentage"],
    found.map(({ calls, region }) => [region.padEnd("us-gov-west-1".length), String(calls), percent(calls, all)]),
  )
}

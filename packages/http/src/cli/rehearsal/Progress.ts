/**
 * The progress of a rehearsal: a bar on standard error, where that is a terminal, and on standard output what came of the calls so far, at
 * some times of the rehearsal. Those lines are part of the result: they have the same bytes whenever they are printed.
 */
import type { Progress } from "@understudy/core/Rehearsal"
import * as Effect from "effect/Effect"
import * as ReportText from "./ReportText.ts"

/** How the progress of a rehearsal is shown. */
export interface Options {
  /** The name of the configuration. */
  readonly name: string
  /** Milliseconds of virtual time in which calls begin. */
  readonly length: number
  /** Whether lines of what came of the calls so far are printed. */
  readonly lines: boolean
}

/** Shows the progress of a rehearsal, and clears the bar when it has ended. */
export const showing = <A, E, R>(
  { length, lines, name }: Options,
  run: (onProgress: (progress: Progress) => void) => Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> => {
  const { stderr, stdout } = process
  const print = (line: string): void => {
    if (stderr.isTTY) stderr.write(eraseLine)
    stdout.write(`${line}\n`)
  }
  const show = (progress: Progress): void => {
    const { availability, calls, elapsed } = progress
    if (lines && isShown(elapsed, length)) {
      if (elapsed === firstShown)
        print(`\n${name}\n${row(["until", "calls", "availability", "attempts a call", "cost"])}`)
      print(row(cells(progress)))
    }
    if (!stderr.isTTY) return
    const share = Math.min(1, elapsed / length)
    stderr.write(
      `\r${bar(share)} ${(share * 100).toFixed(0).padStart(3)} %  ${name}: ${ReportText.number(calls)} calls, ${(availability * 100).toFixed(2)} % answered `,
    )
  }
  return Effect.ensuring(
    run(show),
    Effect.sync(() => stderr.isTTY && stderr.write(eraseLine)),
  )
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** The first time for which there is a line, in milliseconds. */
const firstShown = minute

/** After a minute, ten minutes, each hour, and after a day each day; not when calls come no more. */
const isShown = (elapsed: number, length: number): boolean =>
  elapsed < length &&
  (elapsed === firstShown || elapsed === 10 * minute || elapsed % (elapsed <= day ? hour : day) === 0)

const cells = ({ attempts, availability, calls, cost, elapsed }: Progress): ReadonlyArray<string> => [
  elapsed < hour ? `${elapsed / minute}m` : elapsed <= day ? `${elapsed / hour}h` : `${elapsed / day}d`,
  ReportText.number(calls),
  ReportText.percent(availability, 3),
  (attempts / Math.max(1, calls)).toFixed(3),
  ReportText.dollars(cost),
]

/** Lines are printed one by one: their columns have a width of their own. */
const widths = [7, 12, 14, 17, 12]

const row = (cells: ReadonlyArray<string>): string =>
  cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("")

/** The control sequence that erases a line, however wide the terminal is: some say that they have no columns. */
const eraseLine = "\r\u001B[K"

const width = 24

const bar = (share: number): string => {
  const done = Math.round(share * width)
  return "█".repeat(done) + "░".repeat(width - done)
}

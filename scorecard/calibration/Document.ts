/** Writes the figures of the calibration into docs/rehearsal.md, between its markers. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Difference, Figures } from "./Figures.ts"

/** What came of a case. */
export interface Result {
  readonly title: string
  readonly live: Figures
  readonly simulated: Figures
  readonly differences: ReadonlyArray<Difference>
}

const file = join(import.meta.dirname, "../../docs/rehearsal.md")
export const begin = "<!-- calibration: begin -->"
export const end = "<!-- calibration: end -->"

export const write = (results: ReadonlyArray<Result>): void => {
  const text = readFileSync(file, "utf8")
  const [before, after] = [text.slice(0, text.indexOf(begin)), text.slice(text.indexOf(end))]
  writeFileSync(file, `${before}${begin}\n\n${table(results)}\n\n${after}`)
}

/** A row for each figure of each case. */
export const table = (results: ReadonlyArray<Result>): string =>
  aligned([
    ["case", "figure", "live", "simulated", "difference", "allowed"],
    ...results.flatMap(({ differences, live, title }) =>
      differences.map(({ bar, difference, figure, live: was, simulated }, index) => [
        index === 0 ? `${title} (${live.calls.toLocaleString("en-US")} calls)` : "",
        figure,
        was,
        simulated,
        difference,
        bar,
      ]),
    ),
  ])

/** A table in Markdown, as the formatter leaves it. */
const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`
  const [header, ...others] = rows
  return [line(header!), line(widths.map((width) => "-".repeat(width))), ...others.map(line)].join("\n")
}

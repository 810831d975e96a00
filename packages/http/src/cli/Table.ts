/**
 * Tables for people: rows of cells in columns, each as wide as its widest cell. Cells are one line each, whatever their text.
 */
import { plain } from "../observe/PlainText.ts"

/** The rows as lines. `right`: the columns, from 0, whose cells end at the same place, as numbers do. */
export const lines = (
  rows: ReadonlyArray<ReadonlyArray<string>>,
  right: ReadonlyArray<number> = [],
): ReadonlyArray<string> => {
  const cells = rows.map((row) => row.map(plain))
  const widths: Array<number> = []
  for (const row of cells) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  return cells.map((row) =>
    row
      .map((cell, column) => (right.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd(),
  )
}

/** Rows under a title; nothing without rows. */
export const section = (
  title: string,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  right?: ReadonlyArray<number>,
): ReadonlyArray<string> => (rows.length === 0 ? [] : [title, ...lines(rows, right).map((line) => `  ${line}`)])

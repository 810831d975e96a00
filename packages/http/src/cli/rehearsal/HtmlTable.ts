/**
 * Tables of a report as HTML.
 */
import { element, escape } from "./Markup.ts"
import type { Section } from "./ReportText.ts"

/** What is wider than a phone scrolls, by keyboard too. */
export const scrolling = (label: string, content: string): string =>
  element("div", { class: "scroll", role: "region", "aria-label": label, tabindex: 0 }, content)

/** A table with its title as caption. An empty header is left out. */
export const table = ({ header, right, rows, title }: Section): string => {
  const classOf = (column: number) => (right.includes(column) ? "number" : undefined)
  const head = element(
    "tr",
    {},
    ...header.map((cell, column) =>
      cell === "" ? element("td") : element("th", { scope: "col", class: classOf(column) }, escape(cell)),
    ),
  )
  return element(
    "table",
    {},
    element("caption", {}, escape(title)),
    ...(header.every((cell) => cell === "") ? [] : [element("thead", {}, head)]),
    element(
      "tbody",
      {},
      ...rows.map((row) =>
        element(
          "tr",
          {},
          ...row.map((cell, column) =>
            column === 0
              ? element("th", { scope: "row", class: cell.startsWith(" ") ? "part" : undefined }, escape(cell.trim()))
              : element("td", { class: classOf(column) }, escape(cell)),
          ),
        ),
      ),
    ),
  )
}

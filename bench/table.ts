/** Measurements as Markdown tables, and the bars they are judged by. */

/** The values of one row by the name of the column. */
export type Values = Readonly<Record<string, number | undefined>>

export interface Row {
  readonly title: string
  readonly digits: number
  readonly values: Values
}

/** A column of quotients. It is left out if one of the two was not measured. */
export interface Ratio {
  readonly of: string
  readonly to: string
}

/** What a value should be. A value that was not measured is not judged. */
export interface Bar {
  readonly title: string
  readonly value: number | undefined
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Section {
  readonly title: string
  readonly note?: string
  readonly columns: ReadonlyArray<{ readonly name: string; readonly title: string }>
  readonly ratios: ReadonlyArray<Ratio>
  readonly rows: ReadonlyArray<Row>
  readonly bars: ReadonlyArray<Bar>
}

export const median = (values: ReadonlyArray<number>) => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length

/** The standard deviation of a mean. NaN for one value. */
export const standardError = (values: ReadonlyArray<number>) => {
  const middle = mean(values)
  const squares = values.map((value) => (value - middle) ** 2)
  return Math.sqrt(mean(squares) / (values.length - 1))
}

export const ratio = (values: Values, of: string, to: string) =>
  values[of] === undefined || values[to] === undefined ? undefined : values[of] / values[to]

/** A bar on the quotient of two columns of a row. */
export const bar = (
  title: string,
  row: Row,
  of: string,
  to: string,
  limits: { readonly atLeast: number } | { readonly atMost: number },
): Bar => ({ title, value: ratio(row.values, of, to), ...limits })

export const number = (value: number | undefined, digits: number) =>
  value === undefined || Number.isNaN(value)
    ? "–"
    : value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits })

export const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  [head, ["---", ...head.slice(1).map(() => "---:")], ...rows].map(line).join("\n")

export const render = ({ columns, note, ratios, rows, title }: Section): string => {
  const titles = new Map(columns.map((column) => [column.name, column.title]))
  const shown = ratios.filter(({ of, to }) => titles.has(of) && titles.has(to))
  const head = [title, ...titles.values(), ...shown.map(({ of, to }) => `${titles.get(of)} ÷ ${titles.get(to)}`)]
  const body = rows.map(({ digits, title, values }) => [
    title,
    ...columns.map(({ name }) => number(values[name], digits)),
    ...shown.map(({ of, to }) => number(ratio(values, of, to), 2)),
  ])
  return `${note === undefined ? "" : `${note}\n\n`}${table(head, body)}`
}

export const renderBars = (bars: ReadonlyArray<Bar>): string =>
  table(
    ["target", "wanted", "is", ""],
    bars.flatMap(({ atLeast, atMost, title, value }) => {
      if (value === undefined) return []
      const passed = value >= (atLeast ?? -Infinity) && value <= (atMost ?? Infinity)
      const wanted = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
      return [[title, wanted, number(value, 2), passed ? "pass" : "**FAIL**"]]
    }),
  )

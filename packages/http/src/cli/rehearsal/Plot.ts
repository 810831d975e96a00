/**
 * Plots over time as SVG: lines, shares, and bands. Each has a title and a description for screen readers, and the values of each
 * interval as tooltips. Nothing is told by color alone: lines differ in dashes, areas in patterns.
 */
import { element, escape } from "./Markup.ts"

export interface Axis {
  /** The start of each interval, in clock milliseconds. */
  readonly starts: ReadonlyArray<number>
  /** The length of an interval in milliseconds. */
  readonly length: number
}

export interface Series {
  readonly label: string
  readonly values: ReadonlyArray<number | undefined>
}

export interface Plot {
  /** Unique in the document. */
  readonly id: string
  readonly title: string
  readonly axis: Axis
  readonly series: ReadonlyArray<Series>
  readonly format: (value: number) => string
}

const [width, height] = [560, 220]
const [top, bottom] = [24, height - 26]

/** Series that can be told apart, by their color and pattern. */
export const maxSeries = 8

/** The patterns of areas, once in a document. */
export const patterns = (): string =>
  element(
    "svg",
    { width: 0, height: 0, "aria-hidden": "true", class: "patterns" },
    ...Array.from({ length: maxSeries }, (_, index) =>
      element(
        "pattern",
        { id: `pattern-${index}`, class: `series-${index}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" },
        element("rect", { width: 8, height: 8, class: "area" }),
        element("path", { class: "texture", d: textures[index % textures.length] }),
      ),
    ),
  )

const textures = ["", "M-2,6L2,10M-2,-2L10,10M6,-2L10,2", "M0,2H8", "M2,0V8", "M3,4h2", "M0,8L8,0M-2,2L2,-2M6,10L10,6"]

/** Lines of the series over one another. `floor`: the lowest value of the vertical axis; `ceiling`: the highest, if it is fixed. */
export const lines = (
  plot: Plot,
  { ceiling, floor = 0 }: { readonly floor?: number; readonly ceiling?: number } = {},
) => {
  const values = plot.series.flatMap(({ values }) => values.filter((value) => value !== undefined))
  if (values.length === 0) return nothing(plot)
  const highest = ceiling ?? niceCeiling(values.reduce((one, other) => Math.max(one, other), 0))
  const y = (value: number) => round(bottom - ((bottom - top) * (value - floor)) / (highest - floor))
  return figure(
    plot,
    highest,
    y,
    floor,
    "line",
    plot.series.map(({ values }, index) =>
      element("path", { class: `line series-${index}`, d: linePath(values, plot.axis.starts.length, y) }),
    ),
  )
}

/** The shares that the series have of their sum, stacked: the first at the bottom. */
export const shares = (plot: Plot): string => {
  const totals = plot.axis.starts.map((_, at) => plot.series.reduce((sum, { values }) => sum + (values[at] ?? 0), 0))
  if (totals.every((total) => total === 0)) return nothing(plot)
  const y = (share: number) => round(bottom - (bottom - top) * share)
  const below = totals.map(() => 0)
  const series = plot.series.map(({ label, values }) => ({
    label,
    values: values.map((value = 0, at) => (totals[at] === 0 ? undefined : value / totals[at]!)),
  }))
  const areas = series.map(({ values }, index) => {
    const path = values.map((value = 0, at) => {
      const from = below[at]!
      below[at] = from + value
      const [left, right] = [x(at, values.length), x(at + 1, values.length)]
      return value === 0 ? "" : `M${left},${y(from)}V${y(from + value)}H${right}V${y(from)}z`
    })
    return element("path", { fill: `url(#pattern-${index})`, d: path.join("") })
  })
  return figure({ ...plot, series }, 1, y, 0, "area", areas)
}

/** A band for each series, where its values are above 0. `empty` is said if none ever is. */
export const bands = (plot: Plot, empty: string): string => {
  if (plot.series.every(({ values }) => values.every((value = 0) => value === 0))) return nothing(plot, empty)
  const row = 48
  const count = plot.axis.starts.length
  const tall = plot.series.length * row + 26
  const rows = plot.series.flatMap(({ label, values }, index) => {
    const [above, below] = [index * row + 26, index * row + 42]
    const path = values.map((value = 0, at) =>
      value === 0 ? "" : `M${x(at, count)},${above}H${x(at + 1, count)}V${below}H${x(at, count)}z`,
    )
    return [
      element(
        "text",
        { x: 0, y: above - 7, class: "row" },
        escape(label.length > 44 ? `${label.slice(0, 43)}…` : label),
      ),
      element("rect", { class: "track", x: 0, y: above, width, height: below - above }),
      element("path", { class: "open", d: path.join("") }),
    ]
  })
  return svg(plot, tall, [...rows, ...times(plot.axis, tall)], tall - 26)
}

const figure = (
  plot: Plot,
  ceiling: number,
  y: (value: number) => number,
  floor: number,
  kind: "line" | "area",
  drawn: ReadonlyArray<string>,
): string => {
  const grid = [ceiling, (ceiling + floor) / 2, floor].map((value, index) =>
    element("path", { class: index === 2 ? "axis" : "grid", d: `M0,${y(value)}H${width}` }),
  )
  // After the values, so that they stay legible.
  const scale = [ceiling, (ceiling + floor) / 2, ...(floor === 0 ? [] : [floor])].map((value) =>
    element("text", { x: 2, y: y(value) - 5 }, escape(plot.format(value))),
  )
  const content = [...grid, ...drawn, ...scale, ...times(plot.axis, height)]
  return svg(plot, height, content, bottom) + (plot.series.length > 1 ? legend(plot.series, kind) : "")
}

const svg = ({ axis, format, id, series, title }: Plot, tall: number, content: ReadonlyArray<string>, base: number) =>
  element(
    "svg",
    { viewBox: `0 0 ${width} ${tall}`, role: "img", "aria-labelledby": `${id}-title ${id}-description` },
    element("title", { id: `${id}-title` }, escape(title)),
    element("desc", { id: `${id}-description` }, escape(series.map((each) => range(each, axis, format)).join(" "))),
    ...content,
    element(
      "g",
      { class: "columns" },
      ...axis.starts.map((start, at) => {
        const values = series.flatMap(({ label, values }) =>
          values[at] === undefined ? [] : [`${label}: ${format(values[at])}`],
        )
        const left = x(at, axis.starts.length)
        return element(
          "rect",
          { x: left, y: 0, width: round(x(at + 1, axis.starts.length) - left), height: base },
          element("title", {}, [time(start), ...values].map(escape).join("\n")),
        )
      }),
    ),
  )

/** A series in words: its lowest and its highest value, and when they first were. */
const range = ({ label, values }: Series, { starts }: Axis, format: (value: number) => string): string => {
  let [low, high]: [number | undefined, number | undefined] = [undefined, undefined]
  for (const [at, value] of values.entries()) {
    if (value === undefined) continue
    if (low === undefined || value < values[low]!) low = at
    if (high === undefined || value > values[high]!) high = at
  }
  if (low === undefined || high === undefined) return `${label}: no values.`
  if (values[low] === values[high]) return `${label}: ${format(values[low]!)} all the time.`
  return `${label}: lowest ${format(values[low]!)} at ${time(starts[low]!)}, highest ${format(values[high]!)} at ${time(starts[high]!)}.`
}

const nothing = ({ title }: Plot, message = "There are no values."): string =>
  element("p", { class: "nothing" }, escape(`${title}: ${message}`))

const legend = (series: ReadonlyArray<Series>, kind: "line" | "area"): string =>
  element(
    "ul",
    { class: "legend" },
    ...series.map(({ label }, index) =>
      element(
        "li",
        {},
        element(
          "svg",
          { viewBox: "0 0 28 12", width: 28, height: 12, "aria-hidden": "true" },
          kind === "line"
            ? element("path", { class: `line series-${index}`, d: "M0,6H28" })
            : element("rect", { width: 28, height: 12, fill: `url(#pattern-${index})` }),
        ),
        escape(label),
      ),
    ),
  )

const times = ({ length, starts }: Axis, tall: number): ReadonlyArray<string> => {
  const end = starts.at(-1)! + length
  const withDay = end - starts[0]! > 86_400_000
  const short = (at: number) => (withDay ? time(at).slice(5) : time(at).slice(11))
  return [
    element("text", { x: 0, y: tall - 6 }, short(starts[0]!)),
    element("text", { x: width / 2, y: tall - 6, "text-anchor": "middle" }, short((starts[0]! + end) / 2)),
    element("text", { x: width, y: tall - 6, "text-anchor": "end" }, short(end)),
  ]
}

/** Clock milliseconds as a text, in UTC. */
export const time = (at: number): string => new Date(at).toISOString().slice(0, 16).replace("T", " ")

/** A path through the values, broken where there are none. A value alone is a short line. */
const linePath = (values: ReadonlyArray<number | undefined>, count: number, y: (value: number) => number): string =>
  values
    .map((value, at) => {
      if (value === undefined) return ""
      const isFirst = values[at - 1] === undefined
      if (isFirst && values[at + 1] === undefined) return `M${x(at, count)},${y(value)}H${x(at + 1, count)}`
      return `${isFirst ? "M" : "L"}${x(at + 0.5, count)},${y(value)}`
    })
    .join("")

/** A ceiling of 1, 2, 4, 6 or 8 times a power of ten. */
const niceCeiling = (value: number): number => {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((each) => each >= value * 0.999) ?? value
}

const x = (at: number, count: number): number => round((width * at) / count)

const round = (value: number): number => Math.round(value * 10) / 10

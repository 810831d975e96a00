/*
 * Charts over time, as SVG: bars or lines, two lines of a grid, three times. A library of the field, such as uPlot, draws on a canvas:
 * a screen reader finds no text in it, its colors do not follow the page's, and it is ten times the size of this file.
 */

const chartHeight = 132

/**
 * Draws a chart. `steps` are the starts of its columns; each series has a value for each, or `undefined`. `format` writes values,
 * `summary` says in words what the chart shows.
 */
const drawTimeChart = (place, { format, kind, least = 0, series, step, steps, summary }) => {
  const width = Math.max(240, place.clientWidth)
  const [top, bottom] = [16, chartHeight - 20]
  const column = width / steps.length
  const totals = steps.map((_, index) => series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0))
  const highest = Math.max(
    least,
    ...(kind === "bars" ? totals : series.flatMap(({ values }) => values.filter(isNumber))),
  )
  const ceiling = highest === 0 ? 1 : niceCeiling(highest)
  const y = (value) => bottom - ((bottom - top) * value) / ceiling
  const grid = [ceiling, ceiling / 2].flatMap((value) => [
    svg("line", { x1: 0, x2: width, y1: y(value), y2: y(value), class: "grid" }),
    highest === 0 ? undefined : svg("text", { x: 0, y: y(value) - 4 }, format(value)),
  ])
  const base = svg("line", { x1: 0, x2: width, y1: bottom, y2: bottom, class: "axis" })
  const drawnSeries =
    kind === "bars"
      ? stackedBars(series, steps, column, y)
      : series.map(({ name, values }) => svg("path", { class: `line ${name}`, d: linePath(values, column, y) }))
  const columns = steps.map((start, index) => {
    const lines = series.flatMap(({ label, values }) =>
      values[index] === undefined ? [] : [`${label}: ${format(values[index])}`],
    )
    return svg(
      "rect",
      { class: "behind", x: column * index, width: column, y: 0, height: bottom },
      svg("title", {}, [`${clockTime(start)} to ${clockTime(start + step)}`, ...lines].join("\n")),
    )
  })
  const last = steps.at(-1) + step
  const times = [
    [0, "start", steps[0]],
    [width / 2, "middle", (steps[0] + last) / 2],
    [width, "end", last],
  ].map(([x, anchor, at]) => svg("text", { x, y: chartHeight - 4, "text-anchor": anchor }, clockTime(at).slice(0, -3)))
  place.replaceChildren(
    svg(
      "svg",
      { viewBox: `0 0 ${width} ${chartHeight}`, width, height: chartHeight, role: "img", "aria-label": summary },
      grid.filter((each) => each !== undefined),
      base,
      drawnSeries,
      columns,
      times,
    ),
  )
}

const isNumber = (value) => value !== undefined

/** A ceiling of 1, 2, 4, 6 or 8 times a power of ten. */
const niceCeiling = (value) => {
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((each) => each >= value * 0.999)
}

const stackedBars = (series, steps, column, y) => {
  const gap = column > 4 ? 1 : 0
  return steps.flatMap((_, index) => {
    let sum = 0
    return series.flatMap(({ name, values }) => {
      const value = values[index] ?? 0
      if (value === 0) return []
      const height = y(sum) - y(sum + value)
      sum += value
      return svg("rect", {
        class: `bar ${name}`,
        x: column * index + gap / 2,
        width: column - gap,
        y: y(sum),
        height: Math.max(1, height),
      })
    })
  })
}

/** Lines through the values, broken where there are none. A value alone is a short line. */
const linePath = (values, column, y) =>
  values
    .map((value, index) => {
      if (value === undefined) return ""
      const x = column * (index + 0.5)
      const isAlone = values[index - 1] === undefined && values[index + 1] === undefined
      if (isAlone) return `M${x - column / 3},${y(value)}h${(2 * column) / 3}`
      return `${values[index - 1] === undefined ? "M" : "L"}${x},${y(value)}`
    })
    .join("")

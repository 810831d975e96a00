/* What was spent: by a choice of names, over a choice of time, as a chart and as a table. */

/** Days are in UTC, as those of the ledger. */
const day = 86_400_000
const startOfToday = () => Date.now() - (Date.now() % day)

/** The first day of each choice of time. */
const ranges = {
  "7-days": () => startOfToday() - 6 * day,
  "30-days": () => startOfToday() - 29 * day,
  month: () => Date.parse(`${new Date().toISOString().slice(0, 7)}-01T00:00:00Z`),
  "90-days": () => startOfToday() - 89 * day,
}

const nameless = { team: "Without a team", key: "Without a key", model: "Unknown model", deployment: "No deployment" }

/** Most series of the chart; the others are drawn as one. */
const most = 6

/** Up to this many names, all of their days are requested at once. */
const fewNames = 50

/** Rows of the table; the others are one row. */
const mostRows = 200

const chosen = () => {
  const wanted = new URLSearchParams(location.hash.split("?")[1])
  const by = wanted.get("by")
  const over = wanted.get("over")
  return {
    by: Object.hasOwn(nameless, by ?? "") ? by : me.role === "caller" ? "model" : "team",
    over: Object.hasOwn(ranges, over ?? "") ? over : "30-days",
  }
}

view("spend", "Spend", async () => {
  await whoAmI()
  const { by, over } = chosen()
  const from = ranges[over]()
  const range = `from=${new Date(from).toISOString()}`
  const { rows } = await admin("GET", `spend?by=${by}&${range}`)
  const names = rows.map((row) => ({ ...row, id: row[by], name: nameIn(row, by) }))
  const series = await seriesOf(by, range, names)
  return () => {
    $("spend-by").value = by
    $("spend-over").value = over
    $("spend-csv").href = `admin/spend?by=${by}&every=day&${range}&format=csv`
    drawn = { by, from, names, series }
    if (names.length > 0) drawSpend()
    else {
      notice(
        $("spend-view"),
        h("p", {}, "No call was made in this time. Calls are shown about a second after they end."),
        h("p", {}, "Make one with a key of the gateway, or from ", h("a", { href: "#prompt" }, "the prompt"), "."),
      )
    }
  }
})

for (const id of ["spend-by", "spend-over"]) {
  $(id).addEventListener("change", () => {
    location.hash = `#spend?by=${$("spend-by").value}&over=${$("spend-over").value}`
  })
}

/** Sums of dollars are of whole nanodollars, so that they are exact. */
const add = (a, b) => Math.round((a + b) * 1e9) / 1e9

const summed = ["calls", "inputTokens", "outputTokens", "cost", "estimatedCost", "unpricedAttempts"]
const noSums = () => Object.fromEntries(summed.map((name) => [name, 0]))
const addRow = (sums, row) => {
  for (const name of summed) sums[name] = add(sums[name], row[name])
}

const nameIn = (row, by) => row[`${by}Name`] ?? (row[by] === "" ? nameless[by] : row[by])

/** What the view shows, to draw it again in another size. */
let drawn
const drawSpend = () => {
  const { names } = drawn
  const total = noSums()
  for (const row of names) addRow(total, row)
  const notes = [
    total.estimatedCost === 0 ? "" : `${money(total.estimatedCost)} of it is estimated.`,
    total.unpricedAttempts === 0
      ? ""
      : `${plural(total.unpricedAttempts, "attempt")} used tokens whose price is not known, and count as $0.00.`,
  ]
  $("spend-total").textContent = money(total.cost)
  $("spend-notes").textContent = notes.join(" ")
  const line = (name, { calls, cost, inputTokens, outputTokens }) => [
    h("th", { scope: "row" }, name),
    ...[count(calls), count(inputTokens), count(outputTokens), money(cost)].map((text) => h("td", {}, text)),
  ]
  const others = noSums()
  for (const row of names.slice(mostRows)) addRow(others, row)
  $("spend-name").textContent = $("spend-by").selectedOptions[0].textContent
  $("spend-rows").replaceChildren(
    ...names.slice(0, mostRows).map((row) => h("tr", {}, line(row.name, row))),
    ...(names.length > mostRows ? [h("tr", {}, line(`${count(names.length - mostRows)} others`, others))] : []),
  )
  $("spend-sum").replaceChildren(...line("Total", total))
  drawChart(total.cost)
}

// ----- the chart -----

/** The cost of each day. */
const costByDay = (rows) => {
  const days = new Map()
  for (const { cost, start } of rows) {
    const at = Date.parse(start)
    days.set(at, add(days.get(at) ?? 0, cost))
  }
  return days
}

/** The dearest names, and the others as one, with their cost by day. Of many names, only what is drawn is requested. */
const seriesOf = async (by, range, names) => {
  const dear = names.filter(({ cost }) => cost > 0)
  if (dear.length === 0) return []
  const daily = async (query) => (await admin("GET", `spend?every=day&${range}&${query}`)).rows
  const single = dear.length <= most + 1 ? dear : dear.slice(0, most)
  const costs =
    names.length <= fewNames
      ? Map.groupBy(await daily(`by=${by}`), (row) => row[by])
      : new Map(await Promise.all(single.map(async ({ id }) => [id, await daily(`${by}=${encodeURIComponent(id)}`)])))
  const series = single.map(({ cost, id, name }) => ({ name, cost, days: costByDay(costs.get(id) ?? []) }))
  if (single.length === dear.length) return series
  const rest = costByDay(names.length <= fewNames ? [...costs.values()].flat() : await daily(""))
  for (const { days } of series) for (const [at, cost] of days) rest.set(at, add(rest.get(at) ?? 0, -cost))
  return [
    ...series,
    {
      name: `${count(dear.length - most)} others`,
      cost: dear.slice(most).reduce((sum, { cost }) => add(sum, cost), 0),
      days: rest,
    },
  ]
}

const dayText = (start, options = { day: "numeric", month: "short" }) =>
  new Date(start).toLocaleDateString("en", { timeZone: "UTC", ...options })

/** A step of 1, 2 or 5 times a power of ten, of which about four reach the value. */
const stepFor = (value) => {
  const power = 10 ** Math.floor(Math.log10(value / 4))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step * 4 >= value * 0.999)
}

const drawChart = (total) => {
  const { by, from, series } = drawn
  const days = []
  for (let start = from; start <= startOfToday(); start += day) days.push(start)
  const sums = days.map((start) => series.reduce((sum, { days }) => add(sum, days.get(start) ?? 0), 0))
  const highest = Math.max(...sums)
  $("spend-legend").replaceChildren(
    ...series.map(({ cost, name }, index) => h("li", {}, swatch(index), h("span", {}, name), h("b", {}, money(cost)))),
  )
  if (highest === 0) {
    $("spend-chart").replaceChildren(h("p", { class: "quiet" }, "These calls cost nothing."))
    return
  }
  const step = stepFor(highest)
  const top = Math.ceil((highest / step) * 0.999) * step
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step)
  const labels = ticks.map((value) => money(Number(value.toPrecision(12))))
  const width = Math.max(280, $("spend-chart").clientWidth)
  const height = 240
  const left = 12 + 7.2 * Math.max(...labels.map(({ length }) => length))
  const [bottom, ceiling] = [height - 26, 10]
  const column = (width - left) / days.length
  const bar = Math.min(40, Math.max(1.5, column * 0.72))
  const y = (value) => bottom - ((bottom - ceiling) * value) / top
  const every = Math.ceil(days.length / Math.max(2, Math.floor((width - left) / 70)))
  const first = series[0]
  const text =
    `Spend by ${by} and day from ${dayText(from)} to ${dayText(days.at(-1))}: ${money(total)} in all, ` +
    `the most for ${first.name} (${money(first.cost)}), the highest day ${dayText(days[sums.indexOf(highest)])} (${money(highest)}). ` +
    "The table below has the sums."
  const grid = ticks.map((value, index) => [
    svg("line", { x1: left, x2: width, y1: y(value), y2: y(value), class: "grid" }),
    svg("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, labels[index]),
  ])
  const bars = days.map((start, index) => {
    const x = left + column * index
    let base = 0
    const parts = series.flatMap(({ days }, at) => {
      const cost = days.get(start) ?? 0
      if (cost <= 0) return []
      const part = svg("rect", {
        x: x + (column - bar) / 2,
        width: bar,
        y: y(base + cost),
        height: Math.max(0.5, y(base) - y(base + cost)),
        class: `series-${at}`,
      })
      base += cost
      return [part]
    })
    const lines = series.flatMap(({ days, name }) =>
      (days.get(start) ?? 0) > 0 ? [`${name}: ${money(days.get(start))}`] : [],
    )
    const label = dayText(start, { day: "numeric", month: "short", weekday: "short" })
    return svg(
      "g",
      { class: "day" },
      svg("title", {}, [`${label}: ${money(sums[index])}`, ...lines].join("\n")),
      svg("rect", { x, width: column, y: ceiling, height: bottom - ceiling, class: "behind" }),
      parts,
      (days.length - 1 - index) % every === 0
        ? svg(
            "text",
            { x: Math.min(x + column / 2, width - 20), y: height - 6, "text-anchor": "middle" },
            dayText(start),
          )
        : undefined,
    )
  })
  $("spend-chart").replaceChildren(
    svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": text },
      grid.flat(),
      bars,
    ),
  )
}

const swatch = (index) =>
  svg(
    "svg",
    { viewBox: "0 0 10 10", class: "swatch", "aria-hidden": "true" },
    svg("rect", { width: 10, height: 10, rx: 2, class: `series-${index}` }),
  )

let resized
addEventListener("resize", () => {
  clearTimeout(resized)
  resized = setTimeout(() => {
    if (drawn !== undefined && $("spend-chart").closest("[hidden]") === null) drawSpend()
  }, 100)
})

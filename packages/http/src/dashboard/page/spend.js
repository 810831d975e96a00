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
  const query = `by=${by}&every=day&from=${new Date(from).toISOString()}`
  const report = await admin("GET", `spend?${query}`)
  return () => {
    $("spend-by").value = by
    $("spend-over").value = over
    $("spend-csv").href = `admin/spend?${query}&format=csv`
    const names = grouped(report.rows, by)
    if (names.length === 0) {
      notice(
        $("spend-view"),
        h("p", {}, "No call was made in this time. Calls are shown about a second after they end."),
        h("p", {}, "Make one with a key of the gateway, or from ", h("a", { href: "#prompt" }, "the prompt"), "."),
      )
      return
    }
    drawSpend({ by, from, names })
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

/** The rows of each name, the dearest first: their sums, and their cost by the start of the day. */
const grouped = (found, by) => {
  const names = new Map()
  for (const row of found) {
    const id = row[by]
    const group = names.get(id) ?? {
      name: row[`${by}Name`] ?? (id === "" ? nameless[by] : id),
      sums: noSums(),
      days: new Map(),
    }
    names.set(id, group)
    addRow(group.sums, row)
    const start = Date.parse(row.start)
    group.days.set(start, add(group.days.get(start) ?? 0, row.cost))
  }
  return [...names.values()].sort((a, b) => b.sums.cost - a.sums.cost || b.sums.calls - a.sums.calls)
}

let drawn
const drawSpend = (spend) => {
  drawn = spend
  const { by, names } = spend
  const total = noSums()
  for (const { sums } of names) addRow(total, sums)
  const notes = [
    total.estimatedCost === 0 ? "" : `${money(total.estimatedCost)} of it is estimated.`,
    total.unpricedAttempts === 0
      ? ""
      : `${plural(total.unpricedAttempts, "attempt")} used tokens whose price is not known, and count as $0.00.`,
  ]
  $("spend-total").textContent = money(total.cost)
  $("spend-notes").textContent = notes.join(" ")
  const cells = ({ calls, cost, inputTokens, outputTokens }) =>
    [count(calls), count(inputTokens), count(outputTokens), money(cost)].map((text) => h("td", {}, text))
  $("spend-name").textContent = $("spend-by").selectedOptions[0].textContent
  $("spend-rows").replaceChildren(
    ...names.map(({ name, sums }) => h("tr", {}, h("th", { scope: "row" }, name), cells(sums))),
  )
  $("spend-sum").replaceChildren(h("th", { scope: "row" }, "Total"), ...cells(total))
  drawChart({ ...spend, by, total: total.cost })
}

// ----- the chart -----

const seriesOf = (names) => {
  const dear = names.filter(({ sums }) => sums.cost > 0)
  if (dear.length <= most + 1) return dear
  const rest = dear.slice(most)
  const days = new Map()
  const sums = noSums()
  for (const each of rest) {
    addRow(sums, each.sums)
    for (const [start, cost] of each.days) days.set(start, add(days.get(start) ?? 0, cost))
  }
  return [...dear.slice(0, most), { name: `${rest.length} others`, sums, days }]
}

const dayText = (start, options = { day: "numeric", month: "short" }) =>
  new Date(start).toLocaleDateString("en", { timeZone: "UTC", ...options })

/** A step of 1, 2 or 5 times a power of ten, of which about four reach the value. */
const stepFor = (value) => {
  const power = 10 ** Math.floor(Math.log10(value / 4))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step * 4 >= value * 0.999)
}

const drawChart = ({ by, from, names, total }) => {
  const series = seriesOf(names)
  const days = []
  for (let start = from; start <= startOfToday(); start += day) days.push(start)
  const sums = days.map((start) => series.reduce((sum, { days }) => add(sum, days.get(start) ?? 0), 0))
  const highest = Math.max(...sums)
  $("spend-legend").replaceChildren(
    ...series.map(({ name, sums }, index) =>
      h("li", {}, swatch(index), h("span", {}, name), h("b", {}, money(sums.cost))),
    ),
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
    `the most for ${first.name} (${money(first.sums.cost)}), the highest day ${dayText(days[sums.indexOf(highest)])} (${money(highest)}). ` +
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
      if (cost === 0) return []
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
    const lines = series.flatMap(({ days, name }) => (days.has(start) ? [`${name}: ${money(days.get(start))}`] : []))
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
    if (viewName() === "spend" && drawn !== undefined && !$("spend-chart").closest("[hidden]")) drawSpend(drawn)
  }, 100)
})

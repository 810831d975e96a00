/* The overview: traffic, latencies, tokens and cost over time and by name; `states.js` has the deployments. */

const overviewRanges = { 5: 5 * 60_000, 15: 15 * 60_000, 30: 30 * 60_000 }

/** Columns of a chart: about fifty, each of some whole buckets. */
const stepOf = (range) => Math.max(live.bucket, Math.round(range / 50 / live.bucket) * live.bucket)

const overviewChoice = () => {
  const query = viewQuery()
  const over = Object.hasOwn(overviewRanges, query.get("over") ?? "") ? query.get("over") : "15"
  const [kind, ...rest] = (query.get("of") ?? "").split(":")
  const name = rest.join(":")
  const known = { route: live.routes, deployment: live.deployments }[kind]?.get(name)
  return { over, of: known === undefined ? "" : `${kind}:${name}`, kind: known === undefined ? "" : kind, known }
}

const drawOverview = () => {
  if (live.at === undefined || $("overview-view").hidden) return
  const { kind, known, of, over } = overviewChoice()
  const options = (prefix, names) => [...names.keys()].map((name) => [`${prefix}:${name}`, name])
  setChoices($("overview-of"), [
    ["", [["", "All routes"]]],
    ["Routes", options("route", live.routes)],
    ["Deployments", options("deployment", live.deployments)],
  ])
  $("overview-of").value = of
  $("overview-over").value = over
  const range = overviewRanges[over]
  const step = stepOf(range)
  const last = Math.floor(live.at / step) * step
  const steps = []
  for (let start = last - range + step; start <= last; start += step) steps.push(start)
  const from = steps[0]
  const shown = known === undefined ? [...live.routes.values()] : [known]
  const buckets = shown.flatMap((each) => bucketsSince(each, from))
  const byStep = Map.groupBy(buckets, ({ at }) => Math.floor(at / step) * step)
  const columns = steps.map((start) => sumsOf(byStep.get(start) ?? []))
  const unit = kind === "deployment" ? "attempt" : "call"
  const total = sumsOf(buckets)
  const context = { columns, over, step, steps, total, unit }
  drawTraffic(context)
  drawQuantiles($("chart-latency"), context, "latency", `Latency of successful ${unit}s`)
  drawQuantiles($("chart-first-token"), context, "firstToken", "Time to first token of streams")
  drawTokens(context)
  drawTable($("route-rows"), live.routes, "route", from)
  drawTable($("deployment-rows"), live.deployments, "deployment", from)
  drawStates(from, last + step)
  $("overview-gateway").replaceChildren(
    "This gateway alone, ",
    h("b", {}, `${live.gateway.host}, process ${live.gateway.pid}`),
    `, since ${dateTime(new Date(live.gateway.started_at).toISOString())}. Its memory has the last half hour.`,
  )
}
liveDrawers.push(drawOverview)

view("overview", "Overview", async () => drawOverview)

for (const id of ["overview-of", "overview-over"]) {
  $(id).addEventListener("change", () => {
    const query = new URLSearchParams()
    if ($("overview-of").value !== "") query.set("of", $("overview-of").value)
    if ($("overview-over").value !== "15") query.set("over", $("overview-over").value)
    location.hash = query.size === 0 ? "#overview" : `#overview?${query}`
  })
}

let overviewResized
addEventListener("resize", () => {
  clearTimeout(overviewResized)
  overviewResized = setTimeout(drawOverview, 100)
})

// ----- the charts -----

/** The heading of a chart: its main number, and the parts of its legend as `[class, label, text]`. */
const chartHead = (place, main, legend) => {
  const figure = place.closest("figure")
  setText(figure.querySelector("b"), main)
  keyed(
    figure.querySelector("ul"),
    legend,
    ([name]) => name,
    ([name, label]) => h("li", { class: name }, h("span", {}, label), " ", h("i", {})),
    (item, [, , text]) => setText(item.querySelector("i"), text),
  )
}

const drawTraffic = ({ columns, over, step, steps, total, unit }) => {
  const perSecond = total.calls / (overviewRanges[over] / 1000)
  const rate = perSecond >= 1 ? `${perSecond.toPrecision(3)}/s` : `${(perSecond * 60).toPrecision(2)}/min`
  const main = total.calls === 0 ? `No ${unit}s` : `${count(total.calls)} ${unit}${total.calls === 1 ? "" : "s"}`
  chartHead($("chart-traffic"), main, [
    ["success", "succeeded", count(total.success)],
    ["failure", "failed", total.failure === 0 ? "0" : `${count(total.failure)} (${percent(total.failed)})`],
    ["cancelled", "cancelled", count(total.cancelled)],
  ])
  drawTimeChart($("chart-traffic"), {
    kind: "bars",
    step,
    steps,
    format: (value) => count(Math.round(value * 10) / 10),
    series: ["failure", "success", "cancelled"].map((name) => ({
      name,
      label: name,
      values: columns.map((column) => column[name]),
    })),
    summary: `${main} in ${over} minutes, ${rate}: ${count(total.failure)} failed, ${count(total.cancelled)} cancelled.`,
  })
}

const drawQuantiles = (place, { columns, over, step, steps, total }, name, title) => {
  const texts = percentiles.map(([label, share]) => {
    const value = quantile(total[name], share)
    return [label, label, value === undefined ? "–" : duration(value)]
  })
  chartHead(place, texts[0][2], texts)
  drawTimeChart(place, {
    kind: "lines",
    step,
    steps,
    format: duration,
    series: percentiles.map(([label, share]) => ({
      name: label,
      label,
      values: columns.map((column) => quantile(column[name], share)),
    })),
    summary: `${title} in ${over} minutes: ${texts.map(([label, , text]) => `${label} ${text}`).join(", ")}.`,
  })
}

const drawTokens = ({ columns, over, step, steps, total }) => {
  chartHead($("chart-tokens"), money(total.cost_usd), [
    ["input", "input", `${compact(total.input_tokens)} tokens`],
    ["output", "output", `${compact(total.output_tokens)} tokens`],
  ])
  drawTimeChart($("chart-tokens"), {
    kind: "bars",
    step,
    steps,
    format: compact,
    series: ["input", "output"].map((name) => ({
      name,
      label: `${name} tokens`,
      values: columns.map((column) => column[`${name}_tokens`]),
    })),
    summary: `${count(total.input_tokens)} input and ${count(total.output_tokens)} output tokens in ${over} minutes, for ${money(total.cost_usd)}.`,
  })
}

// ----- the tables -----

const drawTable = (place, names, kind, from) => {
  const { of, over } = overviewChoice()
  keyed(
    place,
    [...names.values()],
    ({ name }) => name,
    ({ name }) => {
      const query = new URLSearchParams({ of: `${kind}:${name}`, ...(over === "15" ? {} : { over }) })
      const link = h("a", { href: `#overview?${query}` }, name)
      return h("tr", {}, h("th", { scope: "row" }, link), ...Array.from({ length: 11 }, () => h("td", {})))
    },
    (row, item) => {
      const sums = sumsOf(bucketsSince(item, from))
      const link = row.querySelector("a")
      const isChosen = of === `${kind}:${item.name}`
      const query = new URLSearchParams({
        ...(isChosen ? {} : { of: `${kind}:${item.name}` }),
        ...(over === "15" ? {} : { over }),
      })
      link.setAttribute("href", query.size === 0 ? "#overview" : `#overview?${query}`)
      if (isChosen) link.setAttribute("aria-current", "true")
      else link.removeAttribute("aria-current")
      const quantiles = [sums.latency, sums.firstToken].flatMap((histogram) =>
        percentiles.map(([, share]) => {
          const value = quantile(histogram, share)
          return value === undefined ? "–" : duration(value)
        }),
      )
      const cells = [
        count(sums.calls),
        percent(sums.failed),
        ...quantiles,
        compact(sums.input_tokens),
        compact(sums.output_tokens),
        money(sums.cost_usd),
      ]
      cells.forEach((text, index) => setText(row.children[index + 1], text))
      row.children[2].classList.toggle("bad", (sums.failed ?? 0) > 0)
    },
  )
}

/* Live calls, from `GET /api/calls`: a line for each, which opens into its attempts as a waterfall. */

const callFilters = ["all", "running", "failed", "fallback"]

/** The calls that are shown, by id. `pausedAt`: the gateway's time at which they stand still. */
const callList = { calls: [], at: 0, pausedAt: undefined }

view(
  "calls",
  "Calls",
  async () => {
    const wanted = viewQuery().get("filter")
    const filter = callFilters.includes(wanted) ? wanted : "all"
    const isPaused = callList.pausedAt !== undefined && callList.filter === filter
    const response = isPaused ? undefined : await fetch(`api/calls?limit=50&filter=${filter}`).catch(() => undefined)
    const answer = response?.ok ? await response.json() : undefined
    return () => {
      $("calls-filter").value = filter
      if (answer === undefined) return
      // An open call stays until it is closed.
      const found = new Set(answer.calls.map(({ id }) => id))
      const open = new Set([...$("call-list").querySelectorAll(":scope > [open]")].map((item) => item.dataset.id))
      const kept = callList.calls.filter(({ id }) => open.has(id) && !found.has(id))
      callList.calls = [...answer.calls, ...kept].sort((one, other) => other.started_at - one.started_at)
      callList.at = answer.at
      callList.filter = filter
      drawCalls()
    }
  },
  { every: 1000 },
)

const drawCalls = () => {
  keyed($("call-list"), callList.calls, ({ id }) => id, callItem, updateCall)
  $("calls-none").hidden = callList.calls.length > 0
  setText(
    $("calls-none"),
    callList.filter === "all" ? "No calls yet. They are shown here as they happen." : "No such call is kept.",
  )
}

$("calls-filter").addEventListener("change", ({ target }) => {
  location.hash = target.value === "all" ? "#calls" : `#calls?filter=${target.value}`
})

$("calls-pause").addEventListener("click", () => {
  callList.pausedAt = callList.pausedAt === undefined ? callList.at : undefined
  const isPaused = callList.pausedAt !== undefined
  $("calls-pause").setAttribute("aria-pressed", String(isPaused))
  setText($("calls-pause"), isPaused ? "Resume" : "Pause")
  if (!isPaused) void loadView()
})

const callItem = () => {
  const item = h(
    "details",
    { class: "call" },
    h(
      "summary",
      {},
      h("time", {}),
      h("span", { class: "what" }, h("b", {}), " ", h("small", {})),
      h("span", { class: "result" }),
      h("span", { class: "took" }),
      h("span", { class: "used" }),
      h("span", { class: "spark", "aria-hidden": "true" }),
    ),
    h("div", { class: "waterfall" }),
  )
  item.addEventListener("toggle", () => {
    const call = callList.calls.find(({ id }) => id === item.dataset.id)
    if (call !== undefined) updateCall(item, call)
  })
  return item
}

const attemptsOf = ({ steps }) => steps.filter(({ type }) => type === "attempt")

/** Whether an attempt failed before another answered. */
const isRescued = (call) => call.outcome === "success" && attemptsOf(call).some(({ outcome }) => outcome === "failure")

const resultText = (call) => {
  const attempts = attemptsOf(call)
  switch (call.outcome) {
    case "success":
      if (isRescued(call)) return `answered, ${attempts.length} attempts`
      return attempts.some(({ hedge }) => hedge) ? "answered, hedged" : "answered"
    case "failure": {
      const reason = call.steps.findLast(({ reason }) => (reason ?? null) !== null)?.reason
      return `${call.deployment === null ? "failed" : "interrupted"}${reason === undefined ? "" : `: ${words(reason)}`}`
    }
    case "running":
      return call.steps.at(-1)?.outcome === "waiting" ? "queued" : call.outcome
    default:
      return call.outcome
  }
}

/** The deployment that answers, or is tried now. */
const whoText = (call) => {
  const who = call.deployment ?? attemptsOf(call).findLast(({ outcome }) => outcome === "running")?.deployment
  const by = who === undefined || who === null ? "" : `→ ${who}`
  if (call.shadow_of !== null) return `${by} · shadow of ${call.shadow_of}`
  return call.caller === null ? by : `${by} · ${call.caller}`
}

const tookOf = ({ duration_ms, started_at }) => duration_ms ?? Math.max(0, callList.at - started_at)

const updateCall = (item, call) => {
  const { cost_usd, first_token_ms, input_tokens, outcome, output_tokens, route, started_at } = call
  item.className = `call ${isRescued(call) ? "rescued" : outcome}`
  const time = item.querySelector("time")
  setText(time, clockTime(started_at))
  time.setAttribute("datetime", new Date(started_at).toISOString())
  setText(item.querySelector(".what b"), route)
  setText(item.querySelector(".what small"), whoText(call))
  setText(item.querySelector(".result"), resultText(call))
  const first = first_token_ms === null ? "" : ` · first token ${duration(first_token_ms)}`
  setText(item.querySelector(".took"), `${duration(tookOf(call))}${first}`)
  const tokens =
    input_tokens === null || input_tokens + output_tokens === 0
      ? ""
      : `${count(input_tokens)} + ${count(output_tokens)} tokens`
  setText(
    item.querySelector(".used"),
    [tokens, cost_usd === null ? "" : money(cost_usd)].filter((each) => each !== "").join(" · "),
  )
  drawSpark(item.querySelector(".spark"), call)
  if (item.open) drawWaterfall(item.querySelector(".waterfall"), call)
}

/** When a step ends, in milliseconds of its call. */
const stepEnd = (call, step) =>
  step.start_ms +
  (step.type === "attempt" || step.type === "queued" ? (step.duration_ms ?? tookOf(call) - step.start_ms) : 0)

/** The length of the call's line. It is not less than its steps, whose clock ticks in milliseconds. */
const spanOf = (call) => Math.max(1, tookOf(call), ...call.steps.map((step) => stepEnd(call, step)))

/** Places a bar on its line by custom properties, which the content security policy allows where it forbids `style`. */
const placeBar = (bar, start, end, span) => {
  bar.style.setProperty("--start", String(start / span))
  bar.style.setProperty("--length", String((end - start) / span))
}

const drawSpark = (place, call) => {
  const span = spanOf(call)
  keyed(
    place,
    attemptsOf(call),
    ({ deployment, start_ms }) => `${start_ms} ${deployment}`,
    () => h("i", {}),
    (bar, step) => {
      bar.className = step.hedge ? `${step.outcome} hedge` : step.outcome
      placeBar(bar, step.start_ms, stepEnd(call, step), span)
    },
  )
}

const stepText = (step) => {
  if (step.type === "skip") return `skipped: ${step.text}`
  if (step.type === "cache_hit") return "cached response"
  if (step.type === "queued") {
    if (step.outcome === "waiting") return "waiting for its limits"
    return `waited for its limits for ${duration(step.duration_ms)}${step.outcome === "admitted" ? "" : `: ${words(step.outcome)}`}`
  }
  const injected = step.injected === null ? "" : `injected fault ${step.injected}: `
  const hedge = `${step.hedge ? "hedge, " : ""}${injected}`
  switch (step.outcome) {
    case "running":
      return `${hedge}running`
    case "success":
      return `${hedge}answered in ${duration(step.duration_ms)}`
    case "cancelled":
      return `${hedge}cancelled after ${duration(step.duration_ms)}`
    default:
      return `${hedge}${causeText(step)}, after ${duration(step.duration_ms)}`
  }
}

const drawWaterfall = (place, call) => {
  if (place.firstChild === null) {
    place.append(h("ol", {}), h("p", { class: "axis" }, h("span", {}, "0 ms"), h("span", {})), h("dl", {}))
  }
  const span = spanOf(call)
  keyed(
    place.querySelector("ol"),
    call.steps,
    ({ deployment, start_ms, type }) => `${type} ${start_ms} ${deployment}`,
    ({ deployment, model }) =>
      h(
        "li",
        {},
        h("b", {}, deployment, model === undefined || model === deployment ? undefined : h("small", {}, ` ${model}`)),
        h("span", { class: "bar" }, h("i", {})),
        h("span", { class: "outcome" }),
        h("small", { class: "start" }),
        h("q", {}),
      ),
    (row, step) => {
      row.className = step.type === "attempt" ? step.outcome : step.type
      placeBar(row.querySelector("i"), step.start_ms, stepEnd(call, step), span)
      setText(row.querySelector(".outcome"), stepText(step))
      setText(row.querySelector(".start"), `+${duration(step.start_ms)}`)
      setText(row.querySelector("q"), step.message ?? "")
      row.querySelector("q").hidden = (step.message ?? "") === ""
    },
  )
  setText(place.querySelector(".axis span:last-child"), duration(span))
  const facts = [
    ["Request id", call.id],
    ["Model", call.model],
    ["Protocol", call.protocol === null ? null : `${call.protocol}${call.streaming ? ", streamed" : ""}`],
    ["Key", call.caller],
    ["Team", call.team],
    ["Tags", call.tags.length === 0 ? null : call.tags.join(", ")],
  ].filter(([, value]) => value !== null)
  keyed(
    place.querySelector("dl"),
    facts,
    ([name]) => name,
    ([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)),
    (fact, [, value]) => setText(fact.lastChild, value),
  )
}

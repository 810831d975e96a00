/* The deployments: how each does, its last failure in words, its states over time, and buttons to break and reset it. */

const healthTexts = {
  healthy: "healthy",
  degraded: "some attempts fail",
  failing: "failing",
  idle: "no attempts",
  cooling_down: "cooling down",
  circuit_open: "circuit open",
  half_open: "half open, probing",
}

/** The time until a deployment can be called, which goes on between two readings. */
const remaining = ({ retry_after_ms }) => retry_after_ms - (performance.now() - live.readAt)

const healthText = (deployment) => {
  if (!wasReachable) return "not known"
  const text = healthTexts[deployment.health] ?? words(deployment.health)
  if (deployment.retry_after_ms === 0) return text
  const left = remaining(deployment)
  return left > 0 ? `${text} ${Math.ceil(left / 1000)} s` : healthTexts.half_open
}

/** A failure in words: `rate limited, status 429`. */
const causeText = ({ reason, status }) => (status === null ? words(reason) : `${words(reason)}, status ${status}`)

const failureParts = (failure) => [
  h("b", {}, "Last failure"),
  ` ${distance(new Date(failure.at - gatewayNow() + Date.now()).toISOString())}: ${causeText(failure)}`,
  failure.message === null || failure.message === "" ? "." : h("q", {}, failure.message),
]

const isBroken = ({ simulated }) => simulated !== undefined && Object.keys(simulated).length > 0

const deploymentItem = ({ name }, withStrip) =>
  h(
    "li",
    {},
    h("span", { class: "dot", "aria-hidden": "true" }),
    h("b", {}, name),
    h("span", { class: "health" }),
    h("span", { class: "facts" }),
    h("span", { class: "actions" }),
    withStrip ? h("div", { class: "strip" }) : undefined,
    h("p", { class: "failure" }),
  )

/** Shows a deployment in its item. */
const updateDeployment = (item, deployment) => {
  const { first_token_ms, health, in_flight, last_failure, latency_ms, name } = deployment
  item.className = wasReachable ? health : "idle"
  setText(item.querySelector(".health"), healthText(deployment))
  const facts = [
    latency_ms === null ? "" : `latency ${duration(latency_ms)}`,
    first_token_ms === null ? "" : `first token ${duration(first_token_ms)}`,
    in_flight > 0 ? `${in_flight} in flight` : "",
  ].filter((each) => each !== "")
  keyed(
    item.querySelector(".facts"),
    facts,
    (fact) => fact,
    (fact) => h("span", {}, fact),
    () => {},
  )
  const failure = item.querySelector(".failure")
  failure.hidden = last_failure === null
  if (last_failure !== null) {
    const parts = h("p", {}, ...failureParts(last_failure))
    if (parts.textContent !== failure.textContent) failure.replaceChildren(...parts.childNodes)
  }
  const actions = live.mayChange
    ? [
        ...(deployment.simulated === undefined ? [] : [isBroken(deployment) ? "Mend" : "Break"]),
        ...(deployment.state === "available" || isBroken(deployment) ? [] : ["Reset"]),
      ]
    : []
  keyed(
    item.querySelector(".actions"),
    actions,
    (text) => text,
    (text) =>
      h(
        "button",
        { type: "button", class: "small", "aria-label": `${text} ${name}`, onclick: () => act(text, name) },
        text,
      ),
    () => {},
  )
}

/** What the buttons do. The error is shown where the list is. */
const actRequests = {
  Break: (name) => post(`simulated/${encodeURIComponent(name)}`, { status: 503 }),
  Mend: (name) => post(`simulated/${encodeURIComponent(name)}`, {}),
  Reset: (name) => post(`admin/deployments/${encodeURIComponent(name)}/reset`, {}),
}
const act = async (text, name) => {
  const button = document.activeElement
  const list = button?.closest("[data-deployments]")
  const response = await actRequests[text](name).catch(() => undefined)
  const error = response?.ok ? "" : response === undefined ? "The gateway cannot be reached." : await reasonOf(response)
  for (const place of document.querySelectorAll(".act-error")) setText(place, error)
  await readLiveOften()
  // The button that was used is gone, and another has its place.
  const next = list?.querySelector(`[data-id="${CSS.escape(name)}"] button`)
  if (!document.contains(button)) next?.focus()
}

/** The deployments beside the prompt. */
const drawStanding = () => {
  if ($("prompt-view").hidden) return
  keyed(
    $("providers"),
    [...live.deployments.values()],
    ({ name }) => name,
    (each) => deploymentItem(each, false),
    updateDeployment,
  )
}
liveDrawers.push(drawStanding)

/** The deployments of the overview, with their states from one time to another. */
const drawStates = (from, to) => {
  keyed(
    $("states"),
    [...live.deployments.values()],
    ({ name }) => name,
    (each) => deploymentItem(each, true),
    (item, deployment) => {
      updateDeployment(item, deployment)
      drawStrip(item.querySelector(".strip"), deployment, from, to)
    },
  )
  const changes = live.changes.filter(({ at }) => at >= from).toReversed()
  keyed(
    $("changes"),
    changes.slice(0, 8),
    ({ at, deployment, state }) => `${at} ${deployment} ${state}`,
    ({ at, cause, deployment, retry_after_ms, state }) =>
      h(
        "li",
        { class: state },
        h("time", { datetime: new Date(at).toISOString() }, clockTime(at)),
        h(
          "span",
          {},
          h("b", {}, deployment),
          ` ${changeText(state, retry_after_ms)}`,
          cause === null ? "" : `, after ${causeText(cause)}`,
        ),
      ),
    () => {},
  )
  $("changes-none").hidden = changes.length > 0
}

const changeText = (state, retryAfter) => {
  if (state === "available") return "available again"
  const wait = retryAfter > 0 ? ` for ${duration(retryAfter)}` : ""
  return state === "half_open" ? "half open: one call at a time probes it" : `${words(state)}${wait}`
}

/** Skips that are about a limit, and not about a state that the strip has. */
const limitSkips = ["rate_limited", "concurrency_limited", "over_budget"]

/** The states of a deployment as bands on a line, its failures as marks above, and skips at its limits as marks below. */
const drawStrip = (place, deployment, from, to) => {
  const width = Math.max(240, place.clientWidth)
  const height = 26
  const x = (at) => (width * (Math.min(Math.max(at, from), to) - from)) / (to - from)
  const known = live.changes.filter((change) => change.deployment === deployment.name)
  // A state from before what is kept.
  const changes = known.length > 0 ? known : [{ at: from, state: deployment.state }]
  const bands = changes.flatMap(({ at, state }, index) => {
    const end = changes[index + 1]?.at ?? live.at
    if (state === "available" || end < from) return []
    return svg(
      "rect",
      { class: `band ${state}`, x: x(at), y: 9, width: Math.max(2, x(end) - x(at)), height: 8, rx: 1 },
      svg("title", {}, `${words(state)} from ${clockTime(at)} to ${clockTime(end)}`),
    )
  })
  const marks = bucketsSince(deployment, from).flatMap((bucket) => {
    const column = { x: x(bucket.at), width: Math.max(1.5, x(bucket.at + live.bucket) - x(bucket.at) - 0.5) }
    const attempts = bucket.success + bucket.failure
    const limited = limitSkips.reduce((sum, name) => sum + (bucket.skipped[name] ?? 0), 0)
    const tall = 2 + (6 * bucket.failure) / Math.max(1, attempts)
    return [
      bucket.failure === 0
        ? undefined
        : svg(
            "rect",
            { ...column, class: "mark failed", y: 8 - tall, height: tall },
            svg("title", {}, `${clockTime(bucket.at)}: ${bucket.failure} of ${attempts} attempts failed`),
          ),
      limited === 0
        ? undefined
        : svg(
            "rect",
            { ...column, class: "mark limited", y: 19, height: 5 },
            svg("title", {}, `${clockTime(bucket.at)}: ${limited} calls skipped it at its limit`),
          ),
    ]
  })
  const failures = bucketsSince(deployment, from).reduce((sum, { failure }) => sum + failure, 0)
  const label =
    `${deployment.name}: ${plural(bands.length, "time")} not available, ${plural(failures, "failed attempt")} ` +
    `since ${clockTime(from)}.`
  place.replaceChildren(
    svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
      svg("rect", { class: "track", x: 0, y: 9, width, height: 8, rx: 1 }),
      bands,
      marks.filter(isNumber),
    ),
  )
}

/** The seconds that are left are drawn each second. */
setInterval(() => {
  if (document.hidden || live.at === undefined) return
  for (const item of document.querySelectorAll("[data-deployments] > li")) {
    const deployment = live.deployments.get(item.dataset.id)
    if (deployment !== undefined) setText(item.querySelector(".health"), healthText(deployment))
  }
}, 1000)

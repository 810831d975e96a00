/* A route drawn with its verdicts just now, from `POST /v1/route/explain`, for a request that is typed in. It calls no provider. */

view(
  "routes",
  "Routes",
  async () => {
    await setRouteChoices()
    const wanted = viewQuery().get("route")
    if (wanted !== null && wanted !== routeView.hash && isChoice($("routes-model"), wanted))
      $("routes-model").value = wanted
    routeView.hash = wanted
    const model = modelOf($("routes-model"), $("routes-wildcard"))
    if (model === "") return () => {}
    const tags = listed($("routes-tags").value)
    if (!tags.every((tag) => /^[\x21-\x7e]+$/.test(tag))) {
      return () => drawRoute(undefined, "Tags are ASCII characters without spaces, separated by commas.")
    }
    const response = await fetch("v1/route/explain", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(tags.length === 0 ? {} : { "x-understudy-tags": tags.join(",") }),
      },
      body: JSON.stringify({
        model,
        stream: $("routes-stream").checked,
        messages: [{ role: "user", content: $("routes-prompt").value || "Hello" }],
      }),
    }).catch(() => undefined)
    if (response === undefined) return () => {}
    if (response.status === 401) await enter()
    const answer = await response.json().catch(() => undefined)
    return () => drawRoute(response.ok ? answer : undefined, response.ok ? "" : messageOf(answer))
  },
  { every: 2000 },
)

const routeView = { hash: null, drawn: "" }

for (const id of ["routes-model", "routes-wildcard", "routes-prompt", "routes-tags", "routes-stream"]) {
  $(id).addEventListener(id === "routes-stream" || id === "routes-model" ? "change" : "input", () => {
    toggleWildcard($("routes-model"), $("routes-wildcard"))
    clearTimeout(routeView.typing)
    routeView.typing = setTimeout(loadView, 200)
  })
}
$("routes-form").addEventListener("submit", (event) => {
  event.preventDefault()
  void loadView()
})

// ----- the choice of a route, also beside the prompt -----

/** Sets the routes and deployments that can be chosen here and beside the prompt. */
const setRouteChoices = async () => {
  const response = await fetch("v1/models").catch(() => undefined)
  if (!response?.ok) return
  const models = (await response.json()).data
  const isDeployment = ({ id }) => live.deployments.has(id)
  const options = (found) => found.map(({ id }) => [id, id])
  const groups = [
    [live.isShown ? "Routes" : "", options(models.filter((model) => !isDeployment(model)))],
    ["Deployments", options(models.filter(isDeployment))],
  ].filter(([, found]) => found.length > 0)
  for (const [select, wildcard] of [
    ["routes-model", "routes-wildcard"],
    ["prompt-model", "prompt-wildcard"],
  ]) {
    setChoices($(select), groups)
    toggleWildcard($(select), $(wildcard))
  }
}

const isChoice = (select, value) => [...select.options].some((option) => option.value === value)

/** A name with a `*` stands for many models, of which one is typed. */
const toggleWildcard = (select, input) => {
  input.closest(".field").hidden = !select.value.includes("*")
  input.placeholder = select.value
}

const modelOf = (select, input) => (select.value.includes("*") ? input.value.trim() : select.value)

// ----- the drawing -----

const drawRoute = (explanation, error) => {
  setText($("routes-error"), error)
  const text = JSON.stringify(explanation ?? null)
  if (text === routeView.drawn) return
  routeView.drawn = text
  if (explanation === undefined) return $("route-tree").replaceChildren()
  const { inputTokens, plan, requires, streaming, total } = explanation
  const needs = requires.length === 0 ? "" : `, requiring ${requires.map(words).join(" and ")}`
  setText(
    $("routes-summary"),
    `A ${streaming ? "streamed" : "complete"} call of about ${plural(inputTokens, "input token")}${needs}, at most ${duration(total)} in total.`,
  )
  if (plan === undefined) return $("route-tree").replaceChildren(h("p", {}, "This key may not see deployments."))
  const open = new Set([...$("route-tree").querySelectorAll("details[open]")].map((item) => item.dataset.id))
  const place = { next: 1 }
  $("route-tree").replaceChildren(drawNode(plan, place))
  for (const item of $("route-tree").querySelectorAll("details")) item.open = open.has(item.dataset.id)
}

const strategyTexts = {
  fallback: "in this order, until one answers",
  hedge: "the next starts beside one that is slow; the first output wins",
  latency: "the fastest first",
  "least-busy": "the least busy first",
  cost: "the cheapest first",
  shuffle: "at random, by weight",
  "round-robin": "in turn",
  ordered: "in this order",
}

const drawNode = (node, place) => {
  switch (node.type) {
    case "sequence":
      return h(
        "section",
        { class: `sequence ${node.strategy}` },
        h("p", {}, h("b", {}, node.strategy), ` ${strategyTexts[node.strategy] ?? ""}`),
        h("ol", {}, ...node.plans.map((plan) => h("li", {}, drawNode(plan, place)))),
      )
    case "split":
      return h(
        "section",
        { class: "split" },
        h(
          "p",
          {},
          h("b", {}, `split by ${node.by}`),
          ` ${node.arms.map((arm) => armText(arm, node.arms)).join(", ")}; here:`,
        ),
        drawNode(node.plan, place),
      )
    case "on_error":
      return h(
        "section",
        { class: "branch" },
        drawNode(node.plan, place),
        h("p", {}, h("b", {}, `after ${node.after.map(words).join(" or ")}`)),
        drawNode(node.use, place),
      )
    default:
      return drawDeployment(node, place.next++)
  }
}

const armText = ({ name, share }, arms) =>
  `${name} ${Math.round((share / arms.reduce((sum, arm) => sum + arm.share, 0)) * 10_000) / 100} %`

/** Why a deployment is skipped, in words. */
const availabilityText = ({ capability, context_window, limit, retry_after_ms, tokens, type }) => {
  const wait = retry_after_ms === undefined ? "" : ` for ${duration(retry_after_ms)}`
  switch (type) {
    case "available":
      return "available"
    case "missing_capability":
      return `does not support ${words(capability)}`
    case "context_window_too_small":
      return `${count(tokens)} tokens do not fit its context window of ${count(context_window)}`
    case "rate_limited":
      return `at its ${limit} limit${wait}`
    case "concurrency_limited":
      return "at its concurrency limit"
    case "zero_weight":
      return "weight 0"
    default:
      return `${words(type)}${wait}`
  }
}

const drawDeployment = ({ availability, checks = {}, deployment, model, policies, queue, score }, number) => {
  const isAvailable = availability.type === "available"
  const failed = Object.entries(checks).filter(([, check]) => check.type !== "available")
  const others = failed.filter(([, check]) => check.type !== availability.type)
  return h(
    "div",
    { class: `candidate ${isAvailable ? "available" : "skipped"}` },
    h(
      "p",
      { class: "by" },
      h("span", {}, h("i", { class: "number" }, String(number)), h("b", {}, deployment), " ", h("small", {}, model)),
      h("span", { class: "verdict" }, isAvailable ? "available" : `skipped: ${availabilityText(availability)}`),
    ),
    others.length === 0
      ? undefined
      : h("p", { class: "also" }, `Also ${others.map(([, check]) => availabilityText(check)).join("; ")}.`),
    policies === undefined ? undefined : drawPolicies(deployment, policies, queue, score),
  )
}

const drawPolicies = (deployment, { circuit, limits, retry, timeout }, queue, score) => {
  const facts = [
    ["Score", score === undefined ? undefined : String(Math.round(score * 1000) / 1000)],
    ["Retries", retry.times === 0 ? "none" : `${retry.times}, ${duration(retry.base)} to ${duration(retry.max)} apart`],
    ["Timeouts", `first token ${duration(timeout.firstToken)}, attempt ${duration(timeout.attempt)}`],
    [
      "Circuit",
      `opens after ${"failures" in circuit ? `${circuit.failures} failures in a row` : `${percent(circuit.failureRateThreshold)} of ${circuit.windowSize} fail`}, for ${duration(circuit.open)} to ${duration(circuit.max)}`,
    ],
    [
      "Limits",
      Object.keys(limits).length === 0
        ? undefined
        : Object.entries(limits)
            .map(([name, most]) => `${name} ${count(most)}`)
            .join(", "),
    ],
    [
      "Queue",
      queue === undefined
        ? undefined
        : `${count(queue.waiting)} of at most ${count(queue.max)} calls wait, each up to ${duration(queue.maxWait)}`,
    ],
  ].filter(([, text]) => text !== undefined)
  return h(
    "details",
    { "data-id": deployment },
    h("summary", {}, "Policies"),
    h("dl", {}, ...facts.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text)))),
  )
}

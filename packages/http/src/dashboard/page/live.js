/* What the gateway does, from `GET /api/overview`: read every two seconds, kept for half an hour, and drawn by the views. */

/** What is known. `isShown`: whether the key that is signed in may see it. */
const live = { isShown: false, at: undefined, routes: new Map(), deployments: new Map(), changes: [], faults: [] }

/** Functions that draw what is known, each called when there is something new. */
const liveDrawers = []

/** Whether another process answers: a gateway that was started again, or another behind one address. */
const isAnother = ({ gateway }) =>
  live.gateway?.started_at !== gateway.started_at ||
  live.gateway.pid !== gateway.pid ||
  live.gateway.host !== gateway.host

const takeOverview = (answer) => {
  if (isAnother(answer)) Object.assign(live, { routes: new Map(), deployments: new Map(), changes: [] })
  const oldest = answer.at - answer.window_ms
  const merge = (before, items) =>
    new Map(
      items.map((item) => {
        const buckets = new Map(before.get(item.name)?.buckets)
        for (const bucket of item.buckets) buckets.set(bucket.at, bucket)
        for (const at of buckets.keys()) if (at < oldest) buckets.delete(at)
        return [item.name, { ...item, buckets }]
      }),
    )
  live.routes = merge(live.routes, answer.routes)
  live.deployments = merge(live.deployments, answer.deployments)
  const seen = new Set(live.changes.map(({ at, deployment, state }) => `${at} ${deployment} ${state}`))
  const fresh = answer.changes.filter(({ at, deployment, state }) => !seen.has(`${at} ${deployment} ${state}`))
  live.changes = [...live.changes, ...fresh].filter(({ at }) => at >= oldest)
  live.faults = answer.faults.filter(({ active }) => active !== null)
  live.at = answer.at
  live.bucket = answer.bucket_ms
  live.gateway = answer.gateway
  live.mayChange = answer.role !== "viewer"
  live.readAt = performance.now()
  drawLive()
}

const drawLive = () => {
  for (const drawLiveView of liveDrawers) drawLiveView()
}

/** Says which faults are injected, and until when. */
liveDrawers.push(() => {
  $("injected").hidden = live.faults.length === 0
  keyed(
    $("injected-faults"),
    live.faults,
    ({ active, target }) => `${target} ${active.faults} ${active.until}`,
    ({ active, target }) =>
      h("li", {}, h("b", {}, target), ` ${active.faults.join(", ")}, until ${clockTime(Date.parse(active.until))}`),
    () => {},
  )
  $("injected-off").hidden = live.mayChange !== true
})
$("injected-off").addEventListener("click", async () => {
  await fetch("admin/faults", { method: "DELETE" }).catch(() => undefined)
  await readLiveOften()
})

/** The gateway's time now, in milliseconds. */
const gatewayNow = () => live.at + (performance.now() - live.readAt)

// ----- whether the gateway answers -----

let wasReachable = true
const setReachable = (isReachable) => {
  if (isReachable === wasReachable) return
  wasReachable = isReachable
  $("unreachable").hidden = isReachable
  if (live.at !== undefined) drawLive()
  if (isReachable) return setText($("reachable"), "The gateway answers again.")
  setText($("reachable"), "")
  const since = live.at === undefined ? "" : ` What is shown is from ${clockTime(live.at)}.`
  setText($("unreachable-text"), `It is tried again every two seconds.${since}`)
}

const readLive = async () => {
  const path = live.isShown ? `api/overview?since=${live.at ?? 0}` : "health"
  const response = await fetch(path, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined)
  const isBack = response !== undefined && !wasReachable
  // Behind a proxy, the gateway is gone if the proxy says so.
  setReachable(response !== undefined && ![502, 504].includes(response.status))
  if (response === undefined) return
  if (response.status === 401 || response.status === 403) return enter()
  const answer = response.ok && live.isShown ? await response.json().catch(() => undefined) : undefined
  if (answer !== undefined && live.at !== undefined && isAnother(answer)) {
    // What it has from before was not requested.
    live.at = undefined
    return readLive()
  }
  if (answer !== undefined) takeOverview(answer)
  if (isBack) await loadView()
}

let nextRead
const readLiveOften = async () => {
  clearTimeout(nextRead)
  try {
    if (!document.hidden && !$("stage").hidden) await readLive()
  } finally {
    clearTimeout(nextRead)
    nextRead = setTimeout(readLiveOften, 2000)
  }
}
nextRead = setTimeout(readLiveOften, 2000)
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void readLiveOften()
})

// ----- sums -----

const durationsOf = (name, buckets) => {
  const counts = new Map()
  for (const bucket of buckets) {
    for (const [bound, amount] of bucket[name]) counts.set(bound, (counts.get(bound) ?? 0) + amount)
  }
  return [...counts].sort(([one], [other]) => one - other)
}

/** The bounds of a histogram grow by this factor. */
const growth = 2 ** (1 / 4)

/** The duration below which a share of the durations is; `undefined` without any. */
const quantile = (histogram, share) => {
  const wanted = share * histogram.reduce((sum, [, amount]) => sum + amount, 0)
  let before = 0
  for (const [bound, amount] of histogram) {
    if (before + amount >= wanted && amount > 0) {
      const lower = bound <= 1 ? 0 : bound / growth
      return lower + ((bound - lower) * (wanted - before)) / amount
    }
    before += amount
  }
  return undefined
}

const percentiles = [
  ["p50", 0.5],
  ["p95", 0.95],
  ["p99", 0.99],
]

/** The sums of these buckets. */
const sumsOf = (buckets) => {
  const sums = { success: 0, failure: 0, cancelled: 0, cached: 0, input_tokens: 0, output_tokens: 0, cost_usd: 0 }
  for (const bucket of buckets) for (const name of Object.keys(sums)) sums[name] += bucket[name]
  const finished = sums.success + sums.failure
  return {
    ...sums,
    calls: finished + sums.cancelled,
    failed: finished === 0 ? undefined : sums.failure / finished,
    latency: durationsOf("latency_ms", buckets),
    firstToken: durationsOf("first_token_ms", buckets),
  }
}

const bucketsSince = ({ buckets }, from) => [...buckets.values()].filter(({ at }) => at >= from)

const percent = (share) =>
  share === undefined ? "–" : `${(100 * share).toLocaleString("en-US", { maximumSignificantDigits: 2 })} %`

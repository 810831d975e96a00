/* The prompt, its streamed answer, the activity of its call, and the state of the deployments. */

// ----- provider status -----

let statuses = []
let asOf = 0
const refresh = async () => {
  const response = await fetch("api/providers").catch(() => undefined)
  if (response?.status === 401) await enter()
  else if (response?.ok) show(await response.json())
}
const show = (providers) => {
  statuses = providers
  asOf = performance.now()
  draw()
}
const draw = () => {
  const since = performance.now() - asOf
  rows($("providers"), statuses, (provider) => {
    const left = provider.retry_after_ms - since
    const waits = provider.retry_after_ms > 0
    const state = waits && left <= 0 ? "half_open" : provider.state
    const label = state.replace("_", " ")
    const details = [
      provider.latency_ms === null ? "" : `${Math.round(provider.latency_ms)} ms`,
      provider.in_flight > 0 ? `${provider.in_flight} in flight` : "",
    ]
    return {
      className: state,
      parts: [
        ["b", provider.name],
        ["span", waits && left > 0 ? `${label} ${Math.ceil(left / 1000)} s` : label],
        ["small", details.filter((each) => each !== "").join(" · ")],
      ],
    }
  })
}
setInterval(() => {
  if (!document.hidden && activity !== undefined) draw()
}, 1000)
setInterval(() => {
  if (!document.hidden && activity !== undefined) refresh()
}, 5000)

// ----- the call: its answer and its activity -----

/** Calls of other clients that were in flight before this call. */
const others = new Set()
let call
let refreshTimer
const onActivity = (line) => {
  clearTimeout(refreshTimer)
  refreshTimer = setTimeout(refresh, 150)
  if (call === undefined || (call.id === undefined && others.has(line.call))) {
    if (others.size > 1000) others.clear()
    others.add(line.call)
    return
  }
  call.lines.push(line)
  renderActivity()
}

const renderActivity = () => {
  const live = call.id === undefined ? call.lines : call.lines.filter((line) => line.call === call.id)
  const lines =
    call.log === undefined || live.length >= call.log.length
      ? live
      : call.log.map((text) => live.find((line) => line.text === text) ?? { text })
  const by = call.id === undefined ? undefined : lines.findLast((line) => line.answeredBy)?.answeredBy
  if (by !== undefined) showProvider(by.deployment, by.model)
  $("way").hidden = lines.length === 0
  const began = lines[0]?.at
  rows($("log"), lines, ({ at, kind, text }) => ({
    className: kind ?? "",
    parts: [
      ["span", text],
      ["time", at === undefined ? "" : `+${((at - began) / 1000).toFixed(2)} s`],
    ],
  }))
}

const onAnswer = ({ activity_log: log, model, provider }) => {
  if (log !== undefined) call.log = log
  if (provider !== undefined) showProvider(provider, model)
  renderActivity()
}
const showProvider = (provider, model) => {
  const strong = document.createElement("b")
  strong.textContent = provider
  $("provider").replaceChildren("Answered by ", strong, model === undefined ? "" : ` · ${model}`)
}

const onFailure = (body) => {
  $("error").textContent = messageOf(body)
  onAnswer({ activity_log: body?.activity_log })
}

const ask = async (prompt) => {
  const abort = new AbortController()
  call?.abort.abort()
  for (const { call: id } of call?.lines ?? []) others.add(id)
  const thisCall = (call = { abort, lines: [], id: undefined, log: undefined })
  const isCurrent = () => call === thisCall
  for (const id of ["text", "error", "provider"]) $(id).textContent = ""
  $("answer").hidden = false
  $("answer").setAttribute("aria-busy", "true")
  $("stop").hidden = false
  renderActivity()
  try {
    const response = await post("api/generate", { prompt, stream: true }, { signal: abort.signal })
    if (response.status === 401) return await enter()
    thisCall.id = response.headers.get("x-request-id") ?? undefined
    if (!response.ok) return onFailure(await response.json().catch(() => undefined))
    const by = response.headers.get("x-understudy-deployment")
    onAnswer(by === null ? {} : { provider: decodeURI(by) })
    for await (const event of events(response)) {
      if (!isCurrent()) return
      if (event.text !== undefined) $("text").append(event.text)
      if (event.error !== undefined) onFailure(event)
      else if (event.activity_log !== undefined) onAnswer(event)
    }
  } catch {
    if (isCurrent())
      $("error").textContent = abort.signal.aborted ? "Stopped." : "Connection lost. Send the prompt again."
  } finally {
    if (isCurrent()) {
      $("answer").setAttribute("aria-busy", "false")
      $("stop").hidden = true
      if (activity !== undefined) void refresh()
    }
  }
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (rest + value).split("\n\n")
    rest = blocks.pop()
    for (const block of blocks) if (block.startsWith("data: ")) yield JSON.parse(block.slice(6))
  }
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault()
  void ask($("prompt").value)
})
$("stop").addEventListener("click", () => call?.abort.abort())
$("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
  event.preventDefault()
  $("ask").requestSubmit()
})

view("prompt", "Understudy", async () => () => $("prompt").focus())

/* The prompt: a choice of route, the turns of a conversation, each answer as it streams, what it took, and its activity. */

/** The turns so far, as they are sent with the next prompt, and the call that runs. */
let conversation = []
let running

view("prompt", "Understudy", async () => {
  const wanted = viewQuery().get("route")
  await setRouteChoices()
  return () => {
    if (wanted !== null && isChoice($("prompt-model"), wanted)) $("prompt-model").value = wanted
    toggleWildcard($("prompt-model"), $("prompt-wildcard"))
    drawStanding()
    listen()
    $("prompt").focus()
  }
})

// ----- the activity of a call, while it runs -----

let activity
/** Calls of other clients that ran before the turn's. */
const otherCalls = new Set()
let lastTurn

/** Listens to the activity of all calls, while the prompt is shown. */
const listen = () => {
  if (activity !== undefined || !live.isShown) return
  activity = new EventSource("api/activity")
  activity.addEventListener("message", ({ data }) => {
    const line = JSON.parse(data)
    if (lastTurn === undefined || (lastTurn.id === undefined && otherCalls.has(line.call))) {
      if (otherCalls.size > 1000) otherCalls.clear()
      otherCalls.add(line.call)
      return
    }
    lastTurn.lines.push(line)
    drawLog(lastTurn)
  })
}
addEventListener("hashchange", () => {
  if (viewName() === "prompt") return
  activity?.close()
  activity = undefined
})

$("prompt-model").addEventListener("change", () => toggleWildcard($("prompt-model"), $("prompt-wildcard")))

const newTurn = (prompt) => {
  const parts = {
    text: h("div", { class: "markdown", "aria-live": "polite" }),
    error: h("p", { class: "error", role: "alert" }),
    by: h("p", { class: "by", role: "status" }),
    log: h("ol", { class: "log" }),
  }
  const answer = h("div", { class: "answer", "aria-busy": "true" }, parts.text, parts.error, parts.by)
  const activity = h(
    "details",
    { open: true, hidden: true },
    h("summary", {}, "Activity"),
    h("div", { role: "log" }, parts.log),
  )
  // The activity of earlier turns is there, and out of the way.
  for (const item of $("turns").querySelectorAll("details[open]")) item.open = false
  $("turns").append(h("li", { class: "turn card" }, h("p", { class: "asked" }, prompt), answer, activity))
  for (const { call } of lastTurn?.lines ?? []) otherCalls.add(call)
  lastTurn = { ...parts, answer, activity, lines: [], id: undefined, told: undefined }
  return lastTurn
}

/** Shows the text so far. The longer that takes, the less often it is done. */
const drawerOf = (place) => {
  let text = ""
  let timer
  let cost = 0
  const drawText = () => {
    timer = undefined
    const start = performance.now()
    place.replaceChildren(...markdown(text))
    cost = performance.now() - start
  }
  return {
    add: (piece) => {
      text += piece
      timer ??= setTimeout(drawText, Math.max(16, 4 * cost))
    },
    finish: () => {
      clearTimeout(timer)
      drawText()
      return text
    },
  }
}

const logKinds = [
  [/^Attempting /, "attempt"],
  [/^(Using|Cache hit)/, "answered"],
  [/( failed after |^All attempts failed)/, "failed"],
]

/** The lines that were heard, or those that came with the answer if they are more. */
const drawLog = (turn) => {
  const heard = turn.id === undefined ? turn.lines : turn.lines.filter(({ call }) => call === turn.id)
  const lines =
    turn.told === undefined || heard.length >= turn.told.length
      ? heard
      : turn.told.map((text) => heard.find((line) => line.text === text) ?? { text })
  turn.activity.hidden = lines.length === 0
  keyed(
    turn.log,
    lines.map((line, index) => ({ ...line, index })),
    ({ index }) => String(index),
    () => h("li", {}, h("span", {}), h("time", {})),
    (item, { at, kind, text }) => {
      item.className = kind ?? logKinds.find(([pattern]) => pattern.test(text))?.[1] ?? "skipped"
      setText(item.firstChild, text)
      setText(item.lastChild, at === undefined ? "" : `+${((at - lines[0].at) / 1000).toFixed(2)} s`)
    },
  )
}

/** Who answered, and what it took: as far as it is known. */
const drawBy = (turn, { first, model, provider, took, usage }) => {
  if (provider === undefined) return
  const facts = [
    model,
    took === undefined ? undefined : duration(took),
    first === undefined ? undefined : `first token ${duration(first)}`,
    usage === undefined ? undefined : `${count(usage.input_tokens)} + ${count(usage.output_tokens)} tokens`,
    usage?.cost_usd === undefined ? undefined : money(usage.cost_usd),
  ].filter(isNumber)
  turn.by.replaceChildren("Answered by ", h("b", {}, provider), facts.map((fact) => ` · ${fact}`).join(""))
}

const askPrompt = async (prompt) => {
  running?.abort()
  const abort = (running = new AbortController())
  const turn = newTurn(prompt)
  const drawer = drawerOf(turn.text)
  const known = {}
  const messages = conversation
  const started = performance.now()
  $("stop").hidden = false
  $("again").hidden = false
  const fail = (body) => {
    setText(turn.error, messageOf(body))
    turn.told = body?.activity_log
    drawLog(turn)
  }
  try {
    const model = modelOf($("prompt-model"), $("prompt-wildcard"))
    const body = { prompt, messages, stream: true, ...(model === "" ? {} : { model }) }
    const response = await post("api/generate", body, { signal: abort.signal })
    if (response.status === 401) return await enter()
    turn.id = response.headers.get("x-request-id") ?? undefined
    if (!response.ok) return fail(await response.json().catch(() => undefined))
    for await (const event of eventsOf(response)) {
      if (event.text !== undefined) {
        known.first ??= performance.now() - started
        drawer.add(event.text)
      }
      Object.assign(known, event.provider === undefined ? {} : { provider: event.provider, model: event.model })
      if (event.usage !== undefined) known.usage = event.usage
      if (event.done) known.took = performance.now() - started
      if (event.error !== undefined) fail(event)
      else if (event.activity_log !== undefined) {
        turn.told = event.activity_log
        drawLog(turn)
      }
      if (event.provider !== undefined || event.done) drawBy(turn, known)
      const answer = event.done ? drawer.finish() : ""
      if (answer !== "" && running === abort) {
        conversation = [...messages, { role: "user", content: prompt }, { role: "assistant", content: answer }]
      }
    }
  } catch {
    setText(turn.error, abort.signal.aborted ? "Stopped." : "Connection lost. Send the prompt again.")
  } finally {
    drawer.finish()
    turn.answer.setAttribute("aria-busy", "false")
    if (running === abort) $("stop").hidden = true
    if (live.isShown) void readLiveOften()
  }
}

async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const parts = (rest + value).split("\n\n")
    rest = parts.pop()
    for (const part of parts) if (part.startsWith("data: ")) yield JSON.parse(part.slice(6))
  }
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault()
  const prompt = $("prompt").value.trim()
  if (prompt === "") return
  $("prompt").value = ""
  void askPrompt(prompt)
  $("turns").lastChild.scrollIntoView({ block: "nearest" })
})
$("stop").addEventListener("click", () => running?.abort())
$("again").addEventListener("click", () => {
  running?.abort()
  conversation = []
  $("turns").replaceChildren()
  $("again").hidden = true
  $("prompt").focus()
})
$("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
  event.preventDefault()
  $("ask").requestSubmit()
})

/* Keys: a list with their state, last use, spend and budgets; making, changing, rotating and deleting them. */

/** Keys that are shown at first, and with each "more". */
const page = 100

let keyList = { keys: [], spent: new Map(), budgets: new Map(), routes: [], teams: [] }
let shownKeys = page

view("keys", "Keys", async () => {
  await whoAmI()
  const from = new Date(startOfToday() - 29 * day).toISOString()
  const [keys, budgets, report, routes, teams] = await Promise.all([
    all("keys"),
    all("budgets"),
    admin("GET", `spend?by=key&from=${from}`),
    callable(),
    teamsSeen(),
  ])
  return () => {
    keyList = {
      keys,
      routes,
      teams,
      spent: new Map(report.rows.map(({ cost, key }) => [key, cost])),
      budgets: Map.groupBy(budgets, ({ scope }) => scope.key),
    }
    names.keys = namesOf(keys)
    $("key-new").hidden = !makesKeys()
    $("key-find-row").hidden = keys.length <= 10
    drawKeys()
    if (keys.length === 0) {
      notice(
        $("keys-view"),
        h(
          "p",
          {},
          makesKeys() ? "No keys yet. Make one for each program that calls the gateway." : "There are no keys.",
        ),
      )
    }
  }
})

const stateOf = ({ disabled, expiresAt }) =>
  disabled ? "disabled" : expiresAt !== null && Date.parse(expiresAt) <= Date.now() ? "expired" : "active"

const drawKeys = () => {
  const wanted = $("key-find").value.trim().toLowerCase()
  const found = keyList.keys.filter(({ hint, id, name, tags, team }) =>
    [id, name, hint ?? "", team ?? "", ...tags].some((text) => text.toLowerCase().includes(wanted)),
  )
  $("key-rows").replaceChildren(...found.slice(0, shownKeys).map(keyRow))
  $("key-none").hidden = found.length > 0
  $("key-more").hidden = found.length <= shownKeys
  $("key-more").textContent = `Show more of ${count(found.length)}`
}

const queueText = ({ max = 100, maxWait = "10s", priority = "normal" }) =>
  `queue of ${count(max)} for ${maxWait}, ${priority} priority`

const cell = (label, ...children) => h("td", { role: "cell", "data-label": label }, ...children)

const keyRow = (key) => {
  const { expiresAt, formerKeyUntil, hint, id, lastUsedAt, limits, name, role, routes, source, team } = key
  const state = stateOf(key)
  const until = state === "active" && expiresAt !== null ? `until ${date(expiresAt)}` : ""
  const former =
    formerKeyUntil !== null && Date.parse(formerKeyUntil) > Date.now()
      ? `Its former secret works until ${dateTime(formerKeyUntil)}`
      : ""
  const about = [
    hint === null ? "" : `…${hint}`,
    role === "caller" ? "" : role,
    routes === null ? "" : routes.join(", "),
    ...Object.entries(limits ?? {}).map(([limit, value]) =>
      limit === "queue" ? queueText(value) : `${count(value)} ${limit}`,
    ),
  ]
  const small = (text) => (text === "" ? undefined : h("small", {}, text))
  return h(
    "tr",
    { role: "row", "data-id": id },
    h(
      "th",
      { scope: "row", role: "rowheader" },
      name,
      id === me.id ? h("small", {}, " (this key)") : undefined,
      small(about.filter((each) => each !== "").join(" · ")),
    ),
    cell("Team", team ?? "–"),
    cell("State", h("span", { class: `state ${state}` }, state), small(until), small(former)),
    cell(
      "Last use",
      lastUsedAt === null
        ? source === "database"
          ? "never"
          : "–"
        : h("time", { datetime: lastUsedAt, title: dateTime(lastUsedAt) }, distance(lastUsedAt)),
    ),
    cell("30 days", money(keyList.spent.get(id) ?? 0)),
    cell("Budgets", budgetLines(keyList.budgets.get(id) ?? [])),
    cell("Actions", keyActions(key)),
  )
}

const budgetLines = (budgets) =>
  budgets.length === 0
    ? "–"
    : budgets.map((budget) =>
        h(
          "div",
          { class: "of" },
          `${money(budget.spent)} of ${money(budget.amount)} `,
          h("small", {}, windowText(budget)),
        ),
      )

const keyActions = (key) => {
  const { disabled, id, name, source } = key
  if (source === "configuration") return h("small", {}, "in the configuration")
  const action = (text, onclick) =>
    h("button", { type: "button", class: "text", "aria-label": `${text} ${name}`, onclick }, text)
  const rotates = isManaged(key) || (me.role === "team-admin" && id === me.id)
  return [
    ...(isManaged(key) ? [action("Edit", () => editKey(key))] : []),
    ...(rotates ? [action("Rotate", () => rotateKey(key))] : []),
    ...(isManaged(key)
      ? [
          action(disabled ? "Enable" : "Disable", () =>
            change(() => admin("PATCH", `keys/${id}`, { disabled: !disabled })),
          ),
          action("Delete", () =>
            confirmDeletion(
              `Delete the key ${name}?`,
              "Calls with it are refused from now on, and its budgets are deleted. What it spent stays in the ledger.",
              `keys/${id}`,
            ),
          ),
        ]
      : []),
  ]
}

/** Makes a change that has no form. */
const change = async (run) => {
  try {
    await run()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    $("change-error").textContent = error.message
    return
  }
  $("change-error").textContent = ""
  await loadView()
}

const prepareKeyForm = (title, isNew) => {
  $("key-form-title").textContent = title
  $("key-form-budget").hidden = !isNew
  for (const control of $("key-form-budget").querySelectorAll("[name]")) control.disabled = !isNew
  const teams = keyList.teams.map(({ name }) => [name, name])
  setOptions($("key-team"), me.role === "team-admin" ? teams : [["", "No team"], ...teams], "")
  const roles = me.role === "team-admin" ? ["caller"] : ["caller", "team-admin", "viewer", "admin"]
  setOptions(
    $("key-role"),
    roles.map((role) => [role, role]),
    "",
  )
  setOptions($("key-budget-then"), thenOptions(keyList.routes), "")
  $("key-routes-known").textContent =
    keyList.routes.length === 0
      ? ""
      : `Known: ${keyList.routes.slice(0, 12).join(", ")}${keyList.routes.length > 12 ? ", …" : ""}.`
}

$("key-new").addEventListener("click", () => {
  prepareKeyForm("New key", true)
  const send = once()
  openForm($("key-dialog"), {
    isNew: true,
    values: { "budgets[0].window": "month", role: "caller" },
    submit: async (body) => {
      if (body.budgets !== undefined && body.budgets[0].amount === undefined) delete body.budgets
      showSecret("Key made", await send("keys", body))
    },
  })
})

const editKey = (key) => {
  prepareKeyForm(`Edit ${key.name}`, false)
  if (key.team !== null)
    setOptions(
      $("key-team"),
      [...$("key-team").options].map(({ text, value }) => [value, text]),
      key.team,
    )
  const { limits, routes } = key
  openForm($("key-dialog"), {
    values: {
      name: key.name,
      team: key.team ?? "",
      role: key.role,
      routes: (routes ?? []).join(", "),
      tags: key.tags.join(", "),
      expiresAt: key.expiresAt?.slice(0, 10),
      ...Object.fromEntries(
        ["rpm", "tpm", "rpd", "concurrency"].map((name) => [`limits.${name}`, String(limits?.[name] ?? "")]),
      ),
    },
    submit: (body) => admin("PATCH", `keys/${key.id}`, body),
  })
}

const rotateKey = ({ id, name }) => {
  $("rotate-title").textContent = `Rotate ${name}`
  const send = once()
  openForm($("rotate-dialog"), {
    isNew: true,
    submit: async (body) => showSecret(`${name} has a new secret`, await send(`keys/${id}/rotate`, body)),
  })
}

/** Shows the text of a key, which is not shown again. */
const showSecret = (title, { key, note }) => {
  $("secret-title").textContent = title
  $("secret-text").value = key ?? ""
  $("secret-note").textContent = note ?? "Copy it now: it is shown once, and the gateway keeps only its digest."
  $("secret-copied").textContent = ""
  for (const part of [$("secret-text"), $("secret-copy")]) part.hidden = key === undefined
  $("secret-dialog").showModal()
  $("secret-text").select()
}
$("secret-dialog").addEventListener("close", () => {
  $("secret-text").value = ""
})
$("secret-copy").addEventListener("click", async () => {
  $("secret-text").select()
  // Pages over plain HTTP have no clipboard but the command's.
  const copied =
    (await navigator.clipboard?.writeText($("secret-text").value).then(
      () => true,
      () => false,
    )) === true || document.execCommand("copy")
  $("secret-copied").textContent = copied ? "Copied." : "Press Ctrl+C to copy."
})

$("key-find").addEventListener("input", () => {
  shownKeys = page
  drawKeys()
})
$("key-more").addEventListener("click", () => {
  shownKeys += page
  drawKeys()
})

/* Budgets: bars of what is spent and reserved; making, changing and deleting them. */

/** The names of keys and teams by id, and the names that can be called. */
let names = { keys: new Map(), teams: new Map(), routes: [] }

const isKnown = ({ scope }) => scope === "all" || scope.key === undefined || names.keys.has(scope.key)

view("budgets", "Budgets", async () => {
  await whoAmI()
  const [budgets, routes, teams] = await Promise.all([all("budgets"), callable(), teamsSeen()])
  const keys = budgets.every(isKnown) ? undefined : await all("keys")
  return () => {
    if (keys !== undefined) names.keys = namesOf(keys)
    names.teams = namesOf(teams)
    names.routes = routes
    $("budget-new").hidden = !makesKeys()
    $("budget-list").replaceChildren(...budgets.map(budgetItem))
    if (budgets.length === 0) {
      const text = makesKeys()
        ? "No budgets yet: callers may spend without a limit. Make one for a key, a team, a route, or everything."
        : "No budget limits this key."
      notice($("budgets-view"), h("p", {}, text))
    }
  }
})

const namesOf = (rows) => new Map(rows.map(({ id, name }) => [id, name]))

const scopeText = (scope) => {
  if (scope === "all") return "Everything"
  const [[type, name]] = Object.entries(scope)
  const known = type === "key" ? names.keys.get(name) : type === "team" ? names.teams.get(name) : undefined
  return `${type.charAt(0).toUpperCase()}${type.slice(1)} ${known ?? name}`
}

const isRolling = (window) => /^\d/.test(window)

const windowText = ({ timeZone, window }) => {
  const zone = timeZone === null || timeZone === "UTC" ? "" : ` (${timeZone})`
  if (window === "total") return "in total"
  return isRolling(window) ? `in ${window}` : `a ${window}${zone}`.replace("a hour", "an hour")
}

const thenText = ({ then }) => (then === "refuse" ? "Calls beyond it are refused." : `Calls beyond it use ${then.use}.`)

const resetText = ({ resetsAt, window }) =>
  resetsAt === null
    ? "It does not reset."
    : h(
        "span",
        {},
        isRolling(window) ? "Its oldest hour leaves it " : "It resets ",
        h("time", { datetime: resetsAt }, `${distance(resetsAt)}, ${dateTime(resetsAt)}`),
        ".",
      )

/** What becomes of calls beyond a budget, as the options of a select. */
const thenOptions = (routes) => [["refuse", "refuse calls"], ...routes.map((route) => [`use ${route}`, `use ${route}`])]

const isManagedBudget = ({ scope, source }) =>
  source === "database" && (isAdmin() || (me.role === "team-admin" && scope.key !== undefined && scope.key !== me.id))

const budgetItem = (budget) => {
  const { amount, id, remaining, reserved, spent } = budget
  const title = scopeText(budget.scope)
  const button = (text, onclick) =>
    h("button", { type: "button", class: "text", "aria-label": `${text} the budget of ${title}`, onclick }, text)
  return h(
    "li",
    { class: "card budget", "data-id": id },
    h(
      "div",
      { class: "by" },
      h("h3", {}, title),
      h("span", {}, `${money(amount)} `, h("small", {}, windowText(budget))),
    ),
    budgetBar(budget),
    h(
      "p",
      { class: "parts" },
      h("span", {}, barSwatch("spent"), `${money(spent)} spent`),
      h("span", {}, barSwatch("reserved"), `${money(reserved)} reserved`),
      h("span", {}, barSwatch("left"), `${money(remaining)} left`),
    ),
    h(
      "div",
      { class: "by" },
      h("small", {}, `${thenText(budget)} `, resetText(budget)),
      isManagedBudget(budget)
        ? h(
            "span",
            { class: "actions" },
            button("Edit", () => editBudget(budget)),
            button("Delete", () =>
              confirmDeletion(
                `Delete the budget of ${title}?`,
                `Its limit of ${money(amount)} ${windowText(budget)} no longer holds.`,
                `budgets/${id}`,
              ),
            ),
          )
        : budget.source === "configuration"
          ? h("small", {}, "in the configuration")
          : undefined,
    ),
  )
}

const barSwatch = (part) =>
  svg(
    "svg",
    { viewBox: "0 0 10 10", class: "swatch", "aria-hidden": "true" },
    svg("rect", { width: 10, height: 10, rx: 2, class: part }),
  )

const budgetBar = ({ alerts, amount, reserved, spent }) => {
  const share = (value) => (amount === 0 ? (value > 0 ? 100 : 0) : Math.min(100, (100 * value) / amount))
  const used = share(spent)
  const held = Math.min(100 - used, share(reserved))
  return svg(
    "svg",
    {
      class: used + held >= 100 ? "meter full" : "meter",
      role: "img",
      "aria-label": `${money(spent)} spent and ${money(reserved)} reserved of ${money(amount)}`,
    },
    svg("rect", { class: "left", width: "100%", height: "100%" }),
    svg("rect", { class: "spent", width: `${used}%`, height: "100%" }),
    svg("rect", { class: "reserved", x: `${used}%`, width: `${held}%`, height: "100%" }),
    alerts
      .filter((alert) => alert < 1)
      .map((alert) =>
        svg("line", { class: "alert", x1: `${alert * 100}%`, x2: `${alert * 100}%`, y1: "0", y2: "100%" }),
      ),
  )
}

// ----- forms -----

const prepareBudgetForm = (title, then) => {
  $("budget-form-title").textContent = title
  setOptions($("budget-then"), thenOptions(names.routes), then)
}

const scopeType = $("budget-scope-type")
const scopeName = $("budget-scope-name")
scopeType.addEventListener("change", () => {
  const type = scopeType.value
  const options = {
    key: [...names.keys.values()],
    team: [...names.teams.values()],
    route: names.routes,
    deployment: names.routes,
  }
  $("budget-scope-names").replaceChildren(...(options[type] ?? []).map((value) => h("option", { value })))
  scopeName.closest(".field").hidden = type === "all"
})

$("budget-new").addEventListener("click", async () => {
  names.keys = await all("keys").then(namesOf, () => names.keys)
  prepareBudgetForm("New budget", "refuse")
  $("budget-scope").hidden = false
  scopeName.disabled = false
  setOptions(
    scopeType,
    (isAdmin() ? ["key", "team", "route", "deployment", "vendor", "tag", "all"] : ["key"]).map((type) => [
      type,
      type === "all" ? "everything" : type,
    ]),
    "",
  )
  const send = once()
  openForm($("budget-dialog"), {
    isNew: true,
    values: { window: "month", alerts: "0.5, 0.8, 1" },
    submit: ({ scope, ...body }) =>
      send("budgets", { scope: scopeType.value === "all" ? "all" : { [scopeType.value]: scope ?? "" }, ...body }),
  })
  scopeType.dispatchEvent(new Event("change"))
})

const editBudget = (budget) => {
  const { alerts, amount, id, scope, then, timeZone, window } = budget
  const next = then === "refuse" ? then : `use ${then.use}`
  prepareBudgetForm(`Edit the budget of ${scopeText(scope)}`, next)
  $("budget-scope").hidden = true
  scopeName.disabled = true
  const windows = [...$("budget-window").options].map(({ text, value }) => [value, text])
  setOptions($("budget-window"), windows, window)
  openForm($("budget-dialog"), {
    values: { amount: String(amount), window, timeZone: timeZone ?? "", then: next, alerts: alerts.join(", ") },
    submit: (body) => admin("PATCH", `budgets/${id}`, body),
  })
}

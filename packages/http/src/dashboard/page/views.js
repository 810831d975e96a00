/* The views, each at an address of its own, such as `#overview`. */

/**
 * A view's element, its title, and what loads it: a function that resolves to one that draws what was loaded. A view with `every`
 * loads itself again after so many milliseconds, also while it is used.
 */
const views = new Map()
const view = (name, title, load, { every } = {}) => views.set(name, { element: $(`${name}-view`), title, load, every })

/** What a view reads of its address: `#calls?filter=failed`. */
const viewQuery = () => new URLSearchParams(location.hash.split("?")[1])

const viewName = () => {
  const [name] = location.hash.slice(1).split("?")
  const tab = [...$("tabs").children].find((tab) => tab.getAttribute("href") === `#${name}`)
  return views.has(name) && tab?.hidden === false ? name : "prompt"
}

const showView = async () => {
  if ($("stage").hidden) return
  const current = viewName()
  for (const [name, { element, title }] of views) {
    element.hidden = name !== current
    if (name === current) document.title = name === "prompt" ? title : `${title} · Understudy`
  }
  for (const tab of $("tabs").children) {
    if (tab.getAttribute("href") === `#${current}`) tab.setAttribute("aria-current", "page")
    else tab.removeAttribute("aria-current")
  }
  await loadView()
}

let loads = 0
const loadView = async () => {
  const { element, load } = views.get(viewName())
  const thisLoad = ++loads
  const isCurrent = () => loads === thisLoad
  try {
    const draw = await load()
    if (!isCurrent()) return
    const focus = focusIn(element)
    notice(element)
    draw()
    focus()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    if (isCurrent() && !$("stage").hidden) notice(element, ...explained(error))
  }
}

/** Keeps the focus at the button that has it, though its row is drawn again, or at the view's own if the row is gone. */
const focusIn = (element) => {
  const button = document.activeElement
  const row = element.contains(button) ? button.closest("[data-id]") : null
  if (row === null) return () => {}
  const index = [...row.querySelectorAll("button")].indexOf(button)
  return () => {
    const drawn = element.querySelector(`[data-id="${CSS.escape(row.dataset.id)}"]`)
    const button = drawn?.querySelectorAll("button")[index] ?? element.querySelector(".head button")
    button?.focus()
  }
}

/** Shows a message in place of a view's content; without one, the content. */
const notice = (element, ...children) => {
  const content = element.querySelector(".content")
  if (content === null) return
  content.hidden = children.length > 0
  const place = element.querySelector(".notice")
  place.hidden = children.length === 0
  place.replaceChildren(...children)
}

const explained = ({ status, message }) =>
  status === 501
    ? [
        h("p", {}, "Spend, keys and budgets need a database. Add one to the configuration, and restart the gateway:"),
        h("pre", {}, 'database: "sqlite:./understudy.db"'),
        h("p", {}, "Several gateways share one with ", h("code", {}, "postgres://…"), ". See ", docs("database"), "."),
      ]
    : [h("p", {}, message), h("button", { type: "button", class: "quiet", onclick: loadView }, "Try again")]

const docs = (section) => h("code", {}, `docs/configuration.md#${section}`)

addEventListener("hashchange", showView)

/** Loads the view again from time to time. What takes long is loaded less often. */
const poll = async () => {
  const { element, every } = views.get(viewName())
  const isUsed = document.querySelector("dialog[open]") !== null || element.contains(document.activeElement)
  const start = performance.now()
  try {
    const isDue = every !== undefined || (!isUsed && viewName() !== "prompt")
    if (!document.hidden && isDue && !$("stage").hidden) await loadView()
  } finally {
    const wait = views.get(viewName()).every ?? 5000
    setTimeout(poll, wait + 20 * (performance.now() - start))
  }
}
setTimeout(poll, 1000)

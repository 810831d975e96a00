/* Requests to `/admin`, and the forms that send them. */

/** A request that was refused. `errors`: `{ field, message }` of each invalid field. */
class Refused extends Error {
  constructor(status, { detail, errors = [] } = {}) {
    super(detail ?? `The gateway returned status ${status}.`)
    this.status = status
    this.errors = errors
  }
}

const admin = async (method, path, body, headers) => {
  const response = await fetch(`admin/${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch(() => undefined)
  if (response === undefined) throw new Refused(0, { detail: "The gateway cannot be reached." })
  const answer = response.status === 204 ? undefined : await response.json().catch(() => undefined)
  if (response.ok) return answer
  if (response.status === 401) await enter()
  throw new Refused(response.status, answer)
}

/** All rows of a list. */
const all = async (path) => {
  const found = []
  for (let cursor = ""; ;) {
    const { data, next } = await admin("GET", `${path}?limit=1000${cursor}`)
    found.push(...data)
    if (next === null) return found
    cursor = `&cursor=${encodeURIComponent(next)}`
  }
}

// ----- who is signed in -----

/** The key that is signed in; `operator` has the role of that name. */
let me
const whoAmI = async () => (me ??= await admin("GET", "keys/me"))

const isAdmin = () => me.role === "operator" || me.role === "admin"
const seesAll = () => isAdmin() || me.role === "viewer"
const makesKeys = () => isAdmin() || (me.role === "team-admin" && me.teamId !== null)

/** Whether a key is one that may be changed here. */
const isManaged = ({ id, role, source, teamId }) => {
  if (source !== "database") return false
  if (me.role === "admin") return role !== "admin" || id === me.id
  return me.role === "operator" || (me.role === "team-admin" && role === "caller" && teamId === me.teamId)
}

/** The teams that may be seen: those of a caller's key are its own. */
const teamsSeen = async () => {
  if (seesAll() || (me.role === "team-admin" && me.teamId !== null)) return all("teams")
  return me.teamId === null ? [] : [{ id: me.teamId, name: me.team }]
}

/** The names that keys and budgets may allow or go on to. */
const callable = async () => {
  const response = await fetch("v1/models").catch(() => undefined)
  return response?.ok ? (await response.json()).data.map(({ id }) => id) : []
}

// ----- forms -----

/** A list of texts, separated by commas. */
const listed = (text) =>
  text
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "")

/** A number, or the text that is none: the gateway says what is wrong with it. */
const numeric = (text) => (Number.isNaN(Number(text)) ? text : Number(text))

/** How the text of a field is sent. */
const sent = {
  text: (text) => text,
  number: numeric,
  list: listed,
  numbers: (text) => listed(text).map(numeric),
  then: (text) => (text === "refuse" ? text : { use: text.slice("use ".length) }),
}

const controls = (form) => [...form.querySelectorAll("[name]")]

/** Sets a field by its path, such as `limits.rpm` and `budgets[0].amount`. */
const put = (body, path, value) => {
  const names = path.split(/[.[\]]+/).filter((name) => name !== "")
  names.reduce((place, name, index) => {
    if (index === names.length - 1) place[name] = value
    else place[name] ??= /^\d+$/.test(names[index + 1]) ? [] : {}
    return place[name]
  }, body)
}

/** The fields of a form that differ from what it was opened with. An emptied field is null. */
const changesOf = (form) => {
  const body = {}
  for (const control of controls(form)) {
    const text = control.value.trim()
    if (text === (control.dataset.before ?? "") || control.disabled) continue
    put(body, control.name, text === "" ? null : sent[control.dataset.as ?? "text"](text))
  }
  return body
}

/** Options of a select; the value is one of them, whether or not it is listed. */
const setOptions = (select, options, value) => {
  const missing = value === "" || options.some(([known]) => known === value) ? [] : [[value, value]]
  select.replaceChildren(...[...options, ...missing].map(([value, text]) => h("option", { value }, text)))
}

/**
 * Opens a dialog with these texts in its fields, until `submit` succeeds or it is closed. Fields that the gateway refuses say
 * why. `isNew`: all fields are sent, not only those that change.
 */
const openForm = (dialog, { values = {}, isNew = false, submit }) => {
  const form = dialog.querySelector("form")
  form.reset()
  for (const control of controls(form)) {
    if (values[control.name] !== undefined) control.value = values[control.name]
    control.dataset.before = isNew ? "" : control.value.trim()
  }
  showErrors(form)
  submits.set(form, submit)
  if (!dialog.open) dialog.showModal()
}

/** What the form of each open dialog sends. */
const submits = new WeakMap()
for (const form of document.querySelectorAll("dialog form")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault()
    const button = form.querySelector('[type="submit"]')
    button.disabled = true
    try {
      await submits.get(form)(changesOf(form))
      form.closest("dialog").close()
      await loadView()
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      showErrors(form, error)
    } finally {
      button.disabled = false
    }
  })
}

/** The control that a field of the request belongs to: that of `limits` for `limits.rpm`, if there is none for it. */
const controlOf = (form, field) =>
  controls(form)
    .filter(({ name }) => field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`))
    .sort((a, b) => b.name.length - a.name.length)[0]

const showErrors = (form, { errors = [], message } = {}) => {
  for (const error of form.querySelectorAll(".field .error")) error.remove()
  for (const control of form.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid")
    control.removeAttribute("aria-describedby")
  }
  const elsewhere = []
  let first
  for (const { field, message } of errors) {
    const control = controlOf(form, field)
    if (control === undefined) {
      elsewhere.push(field === "" ? message : `${field}: ${message}`)
      continue
    }
    const id = `${control.id}-error`
    if ($(id) === null) control.closest(".field").append(h("p", { id, class: "error" }, sentence(message)))
    control.setAttribute("aria-invalid", "true")
    control.setAttribute("aria-describedby", id)
    first ??= control
  }
  const rest = message === undefined ? "" : errors.length === 0 ? message : elsewhere.join("\n")
  form.querySelector('[role="alert"]').textContent =
    rest === "" && errors.length > 0 ? `${plural(errors.length, "field")} must be corrected.` : rest
  first?.focus()
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`

/** Sends a change so that it is made once: the same change again is the same request. */
const once = () => {
  let last
  let key
  return (path, body) => {
    const text = JSON.stringify([path, body])
    if (text !== last) {
      last = text
      key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")
    }
    return admin("POST", path, body, { "idempotency-key": key })
  }
}

/** Asks before something is deleted. */
const confirmDeletion = (title, text, path) => {
  $("delete-title").textContent = title
  $("delete-text").textContent = text
  openForm($("delete-dialog"), { submit: () => admin("DELETE", path) })
}

for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close())
}

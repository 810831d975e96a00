/* What all views use: elements, requests, and the texts of amounts and times. */
"use strict"

const $ = (id) => document.getElementById(id)

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value)
    else element.setAttribute(name, value === true ? "" : value)
  }
  element.append(...children.flat().filter((child) => child !== undefined))
  return element
}
const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children)
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children)

/** Sets the text of an element, which is not touched if it has that text. */
const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text
}

/** Updates the children of a list: one for each item, by its id. `make` makes a child, `update` shows an item in it. */
const keyed = (list, items, idOf, make, update) => {
  const known = new Map([...list.children].map((child) => [child.dataset.id, child]))
  items.forEach((item, index) => {
    const id = idOf(item)
    const child = known.get(id) ?? make(item)
    known.delete(id)
    child.dataset.id = id
    update(child, item)
    if (list.children[index] !== child) list.insertBefore(child, list.children[index] ?? null)
  })
  for (const child of known.values()) child.remove()
}

/** Sets the options of a select to these values, and keeps the chosen one. */
const setChoices = (select, groups) => {
  const before = JSON.stringify(groups)
  if (select.dataset.choices === before) return
  select.dataset.choices = before
  const { value } = select
  const optionOf = ([value, text]) => h("option", { value }, text)
  select.replaceChildren(
    ...groups.flatMap(([label, options]) =>
      label === "" ? options.map(optionOf) : h("optgroup", { label }, options.map(optionOf)),
    ),
  )
  if (groups.some(([, options]) => options.some(([each]) => each === value))) select.value = value
}

// ----- requests -----

const post = (path, body, options) =>
  fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...options,
  })
const messageOf = (body) => body?.error?.message ?? body?.error ?? "The gateway returned no error message."
const reasonOf = (response) => response.json().then(messageOf, () => `The gateway returned status ${response.status}.`)

// ----- texts -----

/** US dollars: with cents, and small amounts with two digits that are not zero. */
const money = (dollars) => {
  const digits = dollars === 0 || Math.abs(dollars) >= 1 ? 2 : 1 - Math.floor(Math.log10(Math.abs(dollars)))
  return dollars.toLocaleString("en-US", {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: 2,
    maximumFractionDigits: Math.min(9, Math.max(2, digits)),
  })
}

const count = (number) => number.toLocaleString("en-US")

const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`

/** A time in milliseconds: `842 ms`, `1.24 s`, `2 min 5 s`. */
const duration = (millis) => {
  if (millis < 1000) return `${Math.round(millis)} ms`
  if (millis < 60_000) return `${(millis / 1000).toPrecision(3)} s`
  const seconds = Math.round((millis % 60_000) / 1000)
  return `${Math.floor(millis / 60_000)} min${seconds === 0 ? "" : ` ${seconds} s`}`
}

/** A number with a unit of thousands: `12.4k`. */
const compact = (number) => {
  const digits = number < 1000 ? 0 : 1
  const options = { notation: "compact", minimumFractionDigits: digits, maximumFractionDigits: digits }
  return number.toLocaleString("en-US", options)
}

/** The time of day: `17:04:20`. */
const clockTime = (millis) => new Date(millis).toLocaleTimeString("en-GB")

/** `rate_limited` as words. */
const words = (name) => name.replaceAll("_", " ")

const dateTime = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })

const date = (iso) => new Date(iso).toLocaleDateString(undefined, { dateStyle: "medium" })

const units = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
]

/** How far a time is away: `3 hours ago`, `in 2 days`. */
const distance = (iso) => {
  const millis = Date.parse(iso) - Date.now()
  const [unit, length] = units.find(([, length]) => Math.abs(millis) >= length) ?? ["second", 1000]
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(millis / length), unit)
}

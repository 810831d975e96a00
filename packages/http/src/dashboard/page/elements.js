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

/** Updates the items of a list. Unchanged elements are not touched. */
const rows = (list, items, row) => {
  items.forEach((item, index) => {
    const { className, parts } = row(item)
    const li = list.children[index] ?? list.appendChild(document.createElement("li"))
    if (li.className !== className) li.className = className
    parts.forEach(([tag, text], part) => {
      const element = li.children[part] ?? li.appendChild(document.createElement(tag))
      if (element.textContent !== text) element.textContent = text
    })
  })
  while (list.children.length > items.length) list.lastChild.remove()
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

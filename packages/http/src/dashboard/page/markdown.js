/*
 * Markdown as elements: headings, paragraphs, lists, quotes, tables, code, emphasis, links. It makes elements and texts, never HTML, so
 * that nothing in an answer is markup of this page. Links lead only to http, https and mailto.
 */

const fenceStart = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/
const headingStart = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/
const itemStart = /^( *)([-*+]|\d{1,9}[.)])( +|$)(.*)$/
const rule = /^ {0,3}([-*_])( *\1){2,} *$/
const tableRule = /^ *\|? *:?-+:? *(\| *:?-+:? *)*\|? *$/

/** The elements of a text in Markdown. */
const markdown = (text) => blocks(text.replaceAll("\r\n", "\n").split("\n"), 0)

/** Quotes and lists in more levels than these are texts. */
const deepest = 8

const blocks = (lines, depth) => {
  const made = []
  let paragraph = []
  const flush = () => {
    if (paragraph.length > 0) made.push(h("p", {}, inline(paragraph.join("\n"))))
    paragraph = []
  }
  for (let at = 0; at < lines.length;) {
    const line = lines[at]
    const fence = fenceStart.exec(line)
    const heading = headingStart.exec(line)
    const item = depth < deepest ? itemStart.exec(line) : null
    if (line.trim() === "") {
      flush()
      at++
    } else if (fence !== null) {
      flush()
      const rest = lines.slice(at + 1)
      const length = rest.findIndex((each) => each.trim().startsWith(fence[1]))
      const code = length < 0 ? rest : rest.slice(0, length)
      made.push(codeBlock(code.join("\n"), fence[2]))
      at += code.length + 2
    } else if (heading !== null) {
      flush()
      // The page has two levels of headings above.
      made.push(h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2])))
      at++
    } else if (rule.test(line)) {
      flush()
      made.push(h("hr", {}))
      at++
    } else if (depth < deepest && /^ {0,3}>/.test(line)) {
      flush()
      const end = lines.findIndex((each, index) => index > at && !/^ {0,3}>/.test(each))
      const quoted = lines.slice(at, end < 0 ? undefined : end)
      made.push(
        h(
          "blockquote",
          {},
          blocks(
            quoted.map((each) => each.replace(/^ {0,3}> ?/, "")),
            depth + 1,
          ),
        ),
      )
      at += quoted.length
    } else if (item !== null && (paragraph.length === 0 || /^([-*+]|1[.)])$/.test(item[2]))) {
      flush()
      const { end, list } = listFrom(lines, at, depth)
      made.push(list)
      at = end
    } else if (line.includes("|") && tableRule.test(lines[at + 1] ?? "")) {
      flush()
      const end = lines.findIndex((each, index) => index > at + 1 && !each.includes("|"))
      const rows = lines.slice(at, end < 0 ? undefined : end)
      made.push(table(rows))
      at += rows.length
    } else {
      paragraph.push(line.trimStart())
      at++
    }
  }
  flush()
  return made
}

const codeBlock = (code, language) =>
  h(
    "pre",
    { tabindex: "0", role: "region", "aria-label": language === "" ? "Code" : `Code in ${language}` },
    h("code", {}, code),
  )

/** The list that begins at a line, and the line after it. Lines that are further in belong to the item before. */
const listFrom = (lines, at, depth) => {
  const [, indent, marker] = itemStart.exec(lines[at])
  const isOrdered = /\d/.test(marker)
  const items = []
  let end = at
  while (end < lines.length) {
    const found = itemStart.exec(lines[end])
    const isNext = found !== null && found[1].length <= indent.length + 1
    const isIn = lines[end].trim() !== "" && /^ */.exec(lines[end])[0].length > indent.length
    if (isNext && /\d/.test(found[2]) === isOrdered && !rule.test(lines[end])) items.push([found[4]])
    else if (isIn && items.length > 0 && !isNext)
      items.at(-1).push(lines[end].slice(Math.min(indent.length + 2, /^ */.exec(lines[end])[0].length)))
    else if (lines[end].trim() === "" && isContinued(lines, end, indent.length)) items.at(-1).push("")
    else break
    end++
  }
  const made = items.map((item) => {
    const parts = blocks(item, depth + 1)
    // An item of one paragraph needs no space around it.
    const [first] = parts
    return h("li", {}, ...(first?.tagName === "P" ? [...first.childNodes, ...parts.slice(1)] : parts))
  })
  const start = isOrdered ? Number.parseInt(marker, 10) : 1
  return { end, list: h(isOrdered ? "ol" : "ul", start === 1 ? {} : { start }, ...made) }
}

/** Whether a list goes on after an empty line. */
const isContinued = (lines, at, indent) => {
  const next = lines.slice(at + 1).find((line) => line.trim() !== "")
  if (next === undefined) return false
  return /^ */.exec(next)[0].length > indent || itemStart.test(next)
}

const cellsOf = (line) =>
  line
    .trim()
    .replace(/^\|/, "")
    .replace(/\|$/, "")
    .split(/(?<!\\)\|/)
    .map((text) => text.replaceAll("\\|", "|").trim())

const table = ([head, , ...rows]) => {
  const names = cellsOf(head)
  return h(
    "div",
    { class: "scrolls", role: "region", tabindex: "0", "aria-label": "Table" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col" }, inline(name))))),
      h(
        "tbody",
        {},
        ...rows.map((row) => h("tr", {}, ...names.map((_, index) => h("td", {}, inline(cellsOf(row)[index] ?? ""))))),
      ),
    ),
  )
}

// ----- texts -----

/** Marks around texts, and the elements that they make. The longer come first. */
const marks = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "del"],
  ["*", "em"],
  ["_", "em"],
]

const isWord = (character) => character !== undefined && /[\p{L}\p{N}]/u.test(character)

/** The elements and texts of a line. */
const inline = (text) => {
  const made = []
  let plainText = ""
  const push = (element) => {
    if (plainText !== "") made.push(plainText)
    plainText = ""
    made.push(element)
  }
  for (let at = 0; at < text.length;) {
    const found = codeAt(text, at) ?? linkAt(text, at) ?? addressAt(text, at) ?? markAt(text, at)
    if (found !== undefined) {
      push(found.element)
      at = found.end
    } else if (text[at] === "\\" && /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "")) {
      plainText += text[at + 1]
      at += 2
    } else if (text[at] === "\n") {
      if (plainText.endsWith("  ")) push(h("br", {}))
      else plainText += "\n"
      at++
    } else plainText += text[at++]
  }
  return plainText === "" ? made : [...made, plainText]
}

const codeAt = (text, at) => {
  if (text[at] !== "`" || text[at - 1] === "`") return undefined
  const [ticks] = /^`+/.exec(text.slice(at, at + 20))
  const rest = text.slice(at + ticks.length, at + 10_000)
  const length = rest.indexOf(ticks)
  return length < 0
    ? undefined
    : { element: h("code", {}, rest.slice(0, length).trim()), end: at + length + 2 * ticks.length }
}

/** Where a link may lead. */
const isSafe = (address) => /^(https?:\/\/|mailto:)/i.test(address) && URL.canParse(address)

const linkTo = (address, children) =>
  isSafe(address)
    ? h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, children)
    : h("span", {}, children)

const linkAt = (text, at) => {
  if (text[at] !== "[") return undefined
  const found = /^\[([^[\]]{1,1000})\]\(\s*([^\s()]{1,2000})[^()]{0,200}\)/.exec(text.slice(at, at + 3300))
  if (found === null) return undefined
  return { element: linkTo(found[2], inline(found[1])), end: at + found[0].length }
}

const addressAt = (text, at) => {
  if (text[at] !== "h" || isWord(text[at - 1])) return undefined
  const found = /^https?:\/\/[^\s<>"'`]{1,500}/.exec(text.slice(at, at + 510))
  if (found === null) return undefined
  const address = found[0].replace(/[.,;:!?)\]*_~]+$/, "")
  return isSafe(address) ? { element: linkTo(address, [address]), end: at + address.length } : undefined
}

/** A text between two marks, which do not stand inside a word if they are `_`. */
const markAt = (text, at) => {
  for (const [mark, tag] of marks) {
    if (!text.startsWith(mark, at)) continue
    const start = at + mark.length
    if (/^\s?$/.test(text[start] ?? "") || (mark.includes("_") && isWord(text[at - 1]))) continue
    const near = text.slice(0, at + 2000)
    for (let end = near.indexOf(mark, start + 1); end >= 0; end = near.indexOf(mark, end + 1)) {
      const isOpen = /\s/.test(text[end - 1]) || (mark.includes("_") && isWord(text[end + mark.length]))
      const isOther = mark.length === 1 && (text[end + 1] === mark || text[end - 1] === mark)
      if (isOpen || isOther) continue
      return { element: h(tag, {}, inline(text.slice(start, end))), end: end + mark.length }
    }
  }
  return undefined
}

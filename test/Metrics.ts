/** The metrics as docs/operations.md lists them, and what PromQL names of them. */
import { readFileSync } from "node:fs"

/** Labels by metric. */
export type Listed = ReadonlyMap<string, ReadonlySet<string>>

/** Those of the tables of docs/operations.md. Their rows have a name, its labels and a description. */
export const documented = (): Listed => {
  const text = readFileSync(new URL("../docs/operations.md", import.meta.url), "utf8")
  const [, section = ""] = /^## Metrics$([^]*?)^## /m.exec(text) ?? []
  const rows = [...section.matchAll(/^\| `([a-z_]+)` +\| ([^|]*?) *\|/gm)]
  return new Map(rows.map(([, name = "", labels = ""]) => [name, new Set(labels.match(/[a-z_]+/g) ?? [])]))
}

/** Labels that Prometheus adds to every series of a scrape, and to those of histograms. */
const added: ReadonlySet<string> = new Set(["job", "instance", "le"])

/** Series of a scrape that no gateway has. */
const ofPrometheus: ReadonlySet<string> = new Set(["up"])

/** What an expression names that is not listed: metrics, and labels of metrics. `recorded`: the series of recording rules. */
export const unknownNames = (expr: string, listed: Listed, recorded: ReadonlySet<string>): ReadonlyArray<string> => {
  const unknown: Array<string> = []
  const allowed = new Set(added)
  const selectors = expr.matchAll(/(?<![\w:"$])([a-z_:][\w:]*)(?:\{([^}]*)\})?(?=\s*(?:\[|[^\w\s(]|\s|$))/g)
  for (const [, name = "", matchers = ""] of selectors) {
    if (!/^(?:understudy|process)_/.test(name) && !name.includes(":") && !ofPrometheus.has(name)) continue
    if (name.includes(":")) {
      if (!recorded.has(name)) unknown.push(name)
      for (const label of ["route", "budget"]) allowed.add(label)
      continue
    }
    const labels = listed.get(name) ?? listed.get(name.replace(/_(?:bucket|sum|count)$/, ""))
    if (labels === undefined && !ofPrometheus.has(name)) unknown.push(name)
    for (const label of labels ?? []) allowed.add(label)
    for (const [, label = ""] of matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g))
      if (labels?.has(label) !== true && !added.has(label)) unknown.push(`${name}{${label}}`)
  }
  for (const [, by = ""] of expr.matchAll(/\b(?:by|on|without)\s*\(([^)]*)\)/g))
    for (const label of by.match(/[a-z_]+/g) ?? []) if (!allowed.has(label)) unknown.push(`by (${label})`)
  return unknown
}

/**
 * The report of an import: every setting that was not taken over, in groups by what its loss means. All imports use it.
 */
import type { Problem } from "../config/ConfigError.ts"

/**
 * - `safety`: who may call, what may be spent, what is protected.
 * - `models`: a model, a fallback or a route that is not served, or not as it was.
 * - `harmless`: everything else, such as logging. Notes on what was taken over differently, too.
 */
export type Group = "safety" | "models" | "harmless"

/** The groups with their titles, the most serious first. */
export const groups: ReadonlyArray<{ readonly group: Group; readonly title: string }> = [
  { group: "safety", title: "safety and money" },
  { group: "models", title: "models not served" },
  { group: "harmless", title: "harmless" },
]

/** A setting that was not taken over, or not as it was, by its path in the source document. */
export interface NotImported extends Problem {
  readonly group: Group
}

/** The group of a setting that the import does not know, by its name and the sections around it. */
export const groupOf = (path: string): Group => {
  const [name = path] = /[^.[\]]+(?:\[\d+\])*$/.exec(path) ?? []
  if (notes.test(name)) return "harmless"
  return protects.test(name) || sections.test(path) ? "safety" : "harmless"
}

const notes = /logs?$|logging|callback|max_fallbacks|allowed_?fails/i

const sections = /budget|rate_limit|governance|guardrail/i

const protects =
  /budget|spend|cost|pric(?:e|ing)|limit|quota|parallel_req|\brpm\b|\btpm\b|auth|guard|moderat|\bpii\b|redact|secret|credential|passw|allow|block|deny|\bban|role|permission|team|\buser|customer|tls|ssl|cert|verify|keys?\b/i

/** The settings of each group that has any, in the order of the groups. */
export const grouped = (
  report: ReadonlyArray<NotImported>,
): ReadonlyArray<{ readonly group: Group; readonly title: string; readonly items: ReadonlyArray<NotImported> }> =>
  groups
    .map(({ group, title }) => ({ group, title, items: report.filter((each) => each.group === group) }))
    .filter(({ items }) => items.length > 0)

/** Whether anything is left that a strict import refuses: all but what is harmless. */
export const isIncomplete = (report: ReadonlyArray<NotImported>): boolean =>
  report.some(({ group }) => group !== "harmless")

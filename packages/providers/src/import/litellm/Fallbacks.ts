/**
 * LiteLLM's fallbacks between model groups, and the aliases of groups.
 */
import * as Wildcard from "@understudy/core/internal/route/Wildcard"
import * as Predicate from "effect/Predicate"
import { keyPath } from "../../config/ConfigError.ts"
import { ImportReader } from "../ImportReader.ts"
import type { ModelEntry } from "./ModelList.ts"

/** The fallback groups of each group. */
export type Fallbacks = ReadonlyMap<string, ReadonlyArray<string>>

/** The model groups and the fallbacks between them. Each name is a group's or a deployment's id. */
export interface Graph {
  readonly groups: ReadonlyMap<string, ReadonlyArray<ModelEntry>>
  readonly fallbacks: Fallbacks
  readonly onContextWindow: Fallbacks
  readonly onContentPolicy: Fallbacks
  readonly aliases: ReadonlyMap<string, string>
  /** The group for unknown model names. */
  readonly otherwise: string | undefined
}

/** The sections with settings. The first one takes precedence. */
type Settings = readonly [ImportReader, ...ReadonlyArray<ImportReader>]

/** Reads the graph of `entries` from `settings`. */
export const read = (entries: ReadonlyArray<ModelEntry>, settings: Settings): Graph => {
  const groups = new ModelGroups(entries)
  readAliases(groups, settings)
  const own = readFallbacks(groups, settings, "fallbacks")
  const onContextWindow = readFallbacks(groups, settings, "context_window_fallbacks").byGroup
  const onContentPolicy = readFallbacks(groups, settings, "content_policy_fallbacks").byGroup
  const defaults = readDefaults(groups, settings, own.others)
  const byGroup = groups.withWildcards(own.byGroup)
  const others = defaults.length > 0 ? defaults : own.others
  return {
    groups: groups.entries,
    fallbacks: new Map(groups.names.map((name) => [name, byGroup.get(name) ?? others])),
    onContextWindow: groups.withWildcards(onContextWindow),
    onContentPolicy: groups.withWildcards(onContentPolicy),
    aliases: groups.aliases,
    otherwise: groups.entries.has("*") ? undefined : defaults[0],
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Groups
// ---------------------------------------------------------------------------------------------------------------------

/** The model groups by name. A name that only a wildcard group matches becomes a group of its own when it is resolved. */
class ModelGroups {
  readonly entries: Map<string, ReadonlyArray<ModelEntry>>
  readonly aliases = new Map<string, string>()
  readonly #ids: ReadonlySet<string>
  /** The wildcard group from which a group was made, by the group's name. */
  readonly #origins = new Map<string, string>()

  constructor(entries: ReadonlyArray<ModelEntry>) {
    this.entries = Map.groupBy(entries, ({ group }) => group)
    this.#ids = new Set(entries.flatMap(({ id }) => id ?? []))
  }

  get names(): ReadonlyArray<string> {
    return [...this.entries.keys()]
  }

  /** The group or deployment id that `name` refers to: by itself, as an alias, or through a wildcard group. */
  resolve(name: string): string | undefined {
    const resolved = this.aliases.get(name) ?? name
    if (this.entries.has(resolved) || this.#ids.has(resolved)) return resolved
    const pattern = Wildcard.find(this.names.filter(Wildcard.hasWildcard), resolved)
    const wildcard = pattern === undefined ? undefined : this.entries.get(pattern)
    if (pattern === undefined || wildcard === undefined) return undefined
    this.#origins.set(resolved, pattern)
    this.entries.set(
      resolved,
      wildcard.map((entry) => {
        const model = Wildcard.substitute(entry.deployment.model, pattern, resolved)
        return { ...entry, group: resolved, id: undefined, deployment: { ...entry.deployment, model } }
      }),
    )
    return resolved
  }

  /** `fallbacks`, in which groups made from a wildcard group have its fallbacks, except those that are wildcards. */
  withWildcards(fallbacks: Fallbacks): Fallbacks {
    return new Map(
      this.names.flatMap((name) => {
        const inherited = fallbacks.get(this.#origins.get(name) ?? "")?.filter((to) => !Wildcard.hasWildcard(to))
        const targets = fallbacks.get(name) ?? inherited
        return targets === undefined ? [] : [[name, targets] as const]
      }),
    )
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Aliases
// ---------------------------------------------------------------------------------------------------------------------

const readAliases = (groups: ModelGroups, settings: Settings): void => {
  for (const section of settings) {
    for (const key of ["model_group_alias", "model_alias_map"]) {
      const mapping = section.mapping(key)
      for (const alias of mapping.keys) readAlias(groups, mapping, alias)
    }
  }
}

const readAlias = (groups: ModelGroups, mapping: ImportReader, alias: string): void => {
  const value = mapping.take(alias)
  const { hidden, model } = Predicate.isObject(value)
    ? (value as { hidden?: unknown; model?: unknown })
    : { model: value }
  const target = Predicate.isString(model) ? groups.resolve(model) : undefined
  if (groups.entries.has(alias)) {
    mapping.warn(alias, "is also the name of a model group, which takes precedence: not imported", "models")
  } else if (target === undefined) mapping.warn(alias, "is an alias of no model group: not imported", "models")
  else if (Wildcard.countWildcards(target) > Wildcard.countWildcards(alias)) mapping.warn(alias, ambiguous, "models")
  else groups.aliases.set(alias, target)
  if (hidden === true) mapping.warn(alias, "is hidden in LiteLLM, but GET /v1/models lists every name", "harmless")
}

// ---------------------------------------------------------------------------------------------------------------------
// Fallbacks
// ---------------------------------------------------------------------------------------------------------------------

/** The lists of one key: by group, and for `others`, the groups that have no list of their own. */
interface FallbackLists {
  readonly byGroup: Fallbacks
  readonly others: ReadonlyArray<string>
}

/** Reads lists such as `[{ gpt-4o: [sonnet, gemini] }, { "*": [sonnet] }]`. */
const readFallbacks = (groups: ModelGroups, settings: Settings, key: string): FallbackLists => {
  const byGroup = new Map<string, ReadonlyArray<string>>()
  let others: ReadonlyArray<string> | undefined
  const { list, section } = sectionWith(settings, key)
  const entries = list.flatMap((entry) => Object.entries(Predicate.isObject(entry) ? entry : {}))
  // The lists of a group's own name take precedence over those of its aliases.
  const ordered = [
    ...entries.filter(([from]) => !groups.aliases.has(from)),
    ...entries.filter(([from]) => groups.aliases.has(from)),
  ]
  for (const [from, to] of ordered) {
    const targets = Array.isArray(to) ? to : [to]
    const group = from === "*" && !groups.entries.has("*") ? undefined : groups.resolve(from)
    if (from === "*" && group === undefined) {
      if (others !== undefined) section.warn(key, `"*" appears twice: the last list is used`, "models")
      others = readTargets(groups, section, key, "", targets)
    } else if (group === undefined || !groups.entries.has(group)) {
      section.warn(key, `"${from}" is not a model group: not imported`, "models")
    } else if (byGroup.has(group)) {
      section.warn(
        key,
        groups.aliases.has(from)
          ? `"${from}" is an alias of "${group}", whose own list applies to both: not imported`
          : `"${from}" appears twice: the first list is used`,
        "models",
      )
    } else {
      if (groups.aliases.has(from))
        section.warn(key, `"${from}" is an alias of "${group}": the list applies to both`, "harmless")
      byGroup.set(group, readTargets(groups, section, key, group, targets))
    }
  }
  return { byGroup, others: others ?? [] }
}

/** The groups of `default_fallbacks`. They replace `others`, the fallbacks of `"*"`. */
const readDefaults = (
  groups: ModelGroups,
  settings: Settings,
  others: ReadonlyArray<string>,
): ReadonlyArray<string> => {
  const { list, section } = sectionWith(settings, "default_fallbacks")
  const defaults = readTargets(groups, section, "default_fallbacks", "", list)
  if (defaults.length > 0 && others.length > 0 && JSON.stringify(defaults) !== JSON.stringify(others)) {
    section.warn("fallbacks", 'default_fallbacks replace those of "*": not imported', "models")
  }
  return defaults
}

/** The list of the first section that has `key`. Different lists of other sections are reported. */
const sectionWith = (
  settings: Settings,
  key: string,
): { readonly section: ImportReader; readonly list: ReadonlyArray<unknown> } => {
  const [first, ...others] = settings
    .map((section) => ({ section, list: section.list(key) }))
    .filter(({ section }) => section.has(key))
  for (const { list, section } of others) {
    if (JSON.stringify(list) !== JSON.stringify(first?.list)) {
      section.warn(key, `${first?.section.path}.${key} takes precedence: not imported`, "models")
    }
  }
  return first ?? { section: settings[0], list: [] }
}

/** The groups in a list of fallbacks of the group `from`. */
const readTargets = (
  groups: ModelGroups,
  section: ImportReader,
  key: string,
  from: string,
  to: ReadonlyArray<unknown>,
): ReadonlyArray<string> =>
  to.flatMap((each) => {
    const item = Predicate.isObject(each)
      ? new ImportReader(each, keyPath(section.path, key), section.report)
      : undefined
    const name = item === undefined ? each : item.text("model")
    item?.warnUnread()
    const target = Predicate.isString(name) ? groups.resolve(name) : undefined
    if (target === undefined)
      return section.warn(key, `${quoted(name)} is not a model group: not imported`, "models") ?? []
    if (Wildcard.countWildcards(target) > Wildcard.countWildcards(from)) {
      return section.warn(key, `"${target}" ${ambiguous}`, "models") ?? []
    }
    return [target]
  })

const ambiguous = "stands for many models and does not name one: not imported"

const quoted = (name: unknown): string => (Predicate.isString(name) ? `"${name}"` : "an entry")

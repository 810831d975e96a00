/**
 * Where LiteLLM goes from one model group to others, and by which other names a group is known.
 */
import * as Wildcard from "@understudy/core/internal/route/Wildcard"
import * as Predicate from "effect/Predicate"
import { keyPath } from "../../config/ConfigError.ts"
import { ImportReader } from "../ImportReader.ts"
import type { ModelEntry } from "./ModelList.ts"

/** Groups by the group whose failure leads to them. */
export type Fallbacks = ReadonlyMap<string, ReadonlyArray<string>>

/** The groups of a document, and all that leads from one to another. Every name in it is a group's or a deployment's id. */
export interface Graph {
  readonly groups: ReadonlyMap<string, ReadonlyArray<ModelEntry>>
  readonly fallbacks: Fallbacks
  readonly onContextWindow: Fallbacks
  readonly onContentPolicy: Fallbacks
  readonly aliases: ReadonlyMap<string, string>
  /** Who answers for a name that nobody has. */
  readonly otherwise: string | undefined
}

/** Reads the graph from the settings, of which the first comes first. */
export const read = (
  members: ReadonlyArray<ModelEntry>,
  places: readonly [ImportReader, ...ReadonlyArray<ImportReader>],
): Graph => {
  const groups = new Map<string, Array<ModelEntry>>()
  for (const member of members) {
    const group = groups.get(member.group)
    if (group === undefined) groups.set(member.group, [member])
    else group.push(member)
  }
  const ids = new Set(members.flatMap(({ id }) => id ?? []))
  /** By its name, the group with a `*` that one was made of. */
  const origins = new Map<string, string>()
  const aliases = new Map<string, string>()

  /** The group that is meant: by its name, an alias, a deployment's id, or as one of those that a `*` stands for. */
  const meant = (name: string): string | undefined => {
    const named = aliases.get(name) ?? name
    if (groups.has(named) || ids.has(named)) return named
    const pattern = Wildcard.find([...groups.keys()].filter(Wildcard.hasWildcard), named)
    const many = pattern === undefined ? undefined : groups.get(pattern)
    if (pattern === undefined || many === undefined) return undefined
    origins.set(named, pattern)
    groups.set(
      named,
      many.map((member) => {
        const model = Wildcard.substitute(member.deployment.model, pattern, named)
        return { ...member, group: named, id: undefined, deployment: { ...member.deployment, model } }
      }),
    )
    return named
  }

  for (const place of places) {
    for (const key of ["model_group_alias", "model_alias_map"]) {
      const mapping = place.mapping(key)
      for (const alias of mapping.keys) {
        const value = mapping.take(alias)
        const { hidden, model } = Predicate.isObject(value)
          ? (value as { hidden?: unknown; model?: unknown })
          : { model: value }
        const target = Predicate.isString(model) ? meant(model) : undefined
        if (groups.has(alias)) mapping.tell(alias, "is the name of a model group too, which keeps it: left out")
        else if (target === undefined) mapping.tell(alias, "stands for nobody: left out")
        else if (Wildcard.countWildcards(target) > Wildcard.countWildcards(alias)) mapping.tell(alias, ambiguous)
        else aliases.set(alias, target)
        if (hidden === true) mapping.tell(alias, "is listed by GET /v1/models like every name")
      }
    }
  }

  const targets = (place: ImportReader, key: string, from: string, to: ReadonlyArray<unknown>): ReadonlyArray<string> =>
    to.flatMap((each) => {
      const item = Predicate.isObject(each) ? new ImportReader(each, keyPath(place.path, key), place.report) : undefined
      const name = item === undefined ? each : item.text("model")
      item?.rest()
      const target = Predicate.isString(name) ? meant(name) : undefined
      if (target === undefined) return place.tell(key, `${quoted(name)} is no model group: left out`) ?? []
      if (Wildcard.countWildcards(target) > Wildcard.countWildcards(from))
        return place.tell(key, `"${target}" ${ambiguous}`) ?? []
      return [target]
    })

  /** The list of the first place that has one: it replaces the others', which are named. */
  const chosen = (key: string): { readonly place: ImportReader; readonly list: ReadonlyArray<unknown> } => {
    const [first, ...others] = places
      .map((place) => ({ place, list: place.list(key) }))
      .filter(({ place }) => place.has(key))
    for (const { list, place } of others) {
      if (JSON.stringify(list) !== JSON.stringify(first?.list)) {
        place.tell(key, `${first?.place.path}.${key} stands in its place: left out`)
      }
    }
    return first ?? { place: places[0], list: [] }
  }

  /** The lists of `[{ from: [to, to] }]`; `"*"` stands for whoever has none of their own. */
  const edges = (
    key: string,
  ): { readonly of: Map<string, ReadonlyArray<string>>; readonly rest: ReadonlyArray<string> } => {
    const of = new Map<string, ReadonlyArray<string>>()
    let rest: ReadonlyArray<string> = []
    const { list: entries, place } = chosen(key)
    const all = entries.flatMap((entry) => Object.entries(Predicate.isObject(entry) ? entry : {}))
    const repeated = new Set<string>()
    // A group's own come before those of its aliases.
    for (const [from, to] of [
      ...all.filter(([from]) => !aliases.has(from)),
      ...all.filter(([from]) => aliases.has(from)),
    ]) {
      const list = Array.isArray(to) ? to : [to]
      const group = from === "*" && !groups.has("*") ? undefined : meant(from)
      if (from === "*" && group === undefined) {
        if (repeated.has(from)) place.tell(key, `"*" stands in it twice, and the last one holds`)
        repeated.add(from)
        rest = targets(place, key, "", list)
      } else if (group === undefined || !groups.has(group)) {
        place.tell(key, `"${from}" is no model group: left out`)
      } else if (of.has(group)) {
        place.tell(
          key,
          aliases.has(from)
            ? `"${from}" is an alias of "${group}", whose own hold for both: left out`
            : `"${from}" stands in it twice, and the first one holds`,
        )
      } else {
        if (aliases.has(from)) place.tell(key, `"${from}" is an alias of "${group}": they hold for that too`)
        of.set(group, targets(place, key, group, list))
      }
    }
    return { of, rest }
  }

  /** What is said of a group with a `*` is said of those made of it, as far as it says whom. */
  const spread = (of: Fallbacks): Fallbacks =>
    new Map(
      [...groups.keys()].flatMap((name) => {
        const origin = of.get(origins.get(name) ?? "")?.filter((target) => !Wildcard.hasWildcard(target))
        const targets = of.get(name) ?? origin
        return targets === undefined ? [] : [[name, targets] as const]
      }),
    )

  const own = edges("fallbacks")
  const onContextWindow = edges("context_window_fallbacks").of
  const onContentPolicy = edges("content_policy_fallbacks").of
  const { list, place } = chosen("default_fallbacks")
  const defaults = targets(place, "default_fallbacks", "", list)
  const others = defaults.length > 0 ? defaults : own.rest
  if (defaults.length > 0 && own.rest.length > 0 && JSON.stringify(defaults) !== JSON.stringify(own.rest)) {
    place.tell("fallbacks", 'default_fallbacks stand in the place of those of "*": left out')
  }
  const otherwise = groups.has("*") ? undefined : defaults[0]
  const followed = spread(own.of)
  return {
    groups,
    fallbacks: new Map([...groups.keys()].map((name) => [name, followed.get(name) ?? others])),
    onContextWindow: spread(onContextWindow),
    onContentPolicy: spread(onContentPolicy),
    aliases,
    otherwise,
  }
}

const ambiguous = "stands for many models, of which none is said: left out"

const quoted = (name: unknown): string => (Predicate.isString(name) ? `"${name}"` : "one of them")

/**
 * LiteLLM's model groups as routes: a group is a balance, its `order`s the tiers of a fallback, other groups follow.
 */
import type { Strategy } from "@understudy/core/internal/route/Strategy"
import type { Document, Written } from "../ImportReader.ts"
import { isList, keeping, isSet, unused } from "../ImportReader.ts"
import type { Fallbacks, Graph } from "./Fallbacks.ts"
import type { ModelEntry } from "./ModelList.ts"
import { sharing } from "./ModelList.ts"

export interface Routing {
  readonly strategy: Strategy
  /** Retries by group, where a group has its own. */
  readonly retries: ReadonlyMap<string, number>
  /** How every route keeps its answers, if any does. */
  readonly cache: Document | undefined
}

/** The `deployments` and `routes` of a graph. */
export const write = (
  graph: Graph,
  { cache, retries, strategy }: Routing,
): { deployments: Document; routes: Document } => {
  const deployments: Record<string, unknown> = {}
  const routes: Record<string, Written> = {}
  const taken = new Set([...graph.groups.keys(), ...graph.aliases.keys()])

  const branches = [graph.onContextWindow, graph.onContentPolicy]

  /** A group and all that these lead to from it. */
  const reach = (name: string, by: ReadonlyArray<Fallbacks>, seen = new Set<string>()): ReadonlySet<string> => {
    if (seen.has(name)) return seen
    seen.add(name)
    for (const edges of by) for (const next of led(edges, name)) reach(next, by, seen)
    return seen
  }

  /** A group's members in their tiers: named once they are needed, since one alone may take the group's own name. */
  const tiers = new Map<string, Written>()
  for (const [name, members] of graph.groups) {
    const [only, ...others] = members
    const alone =
      others.length === 0 &&
      only?.id === undefined &&
      !retries.has(name) &&
      cache === undefined &&
      [graph.fallbacks, ...branches].every((edges) => led(edges, name).length === 0)
    const named = members.map((member) => {
      const wish = member.id ?? `${name}@${member.label}`
      return { ...member, name: alone ? name : unused(taken, wish) }
    })
    const ranked = strategy === "shuffle" ? weighed(named) : named.map((member) => ({ ...member, weight: undefined }))
    for (const { deployment, name, weight } of ranked) deployments[name] = { ...deployment, ...isSet({ weight }) }
    const orders = [...new Set(ranked.map(({ order }) => order))].toSorted((a, b) => a - b)
    const [first = name, ...rest] = orders.map((order): Written => {
      const across = ranked.filter((each) => each.order === order).map(({ name }) => name)
      return across.length === 1 ? across[0]! : { balance: strategy, across }
    })
    tiers.set(name, rest.length === 0 ? first : [first, ...rest])
  }

  /** The route of a group, in which whoever is `seen` has failed already, and `within` leads back to nobody. */
  const routeOf = (name: string, seen: Set<string>, within: ReadonlyArray<string>): Written => {
    seen.add(name)
    const own = tiers.get(name) ?? name
    const follow = led(graph.fallbacks, name).flatMap((next) => flat(named(next, seen, [...within, name])))
    const branch = (edges: Fallbacks): Written | undefined => {
      const failed = new Set([...within, name])
      const [first, ...others] = led(edges, name).flatMap((next) => named(next, failed, [...within, name]) ?? [])
      return first === undefined || others.length === 0 ? first : [first, ...others]
    }
    const beside = isSet({
      fallbackOn: follow.length === 0 ? undefined : "any",
      onContextWindow: branch(graph.onContextWindow),
      onContentPolicy: branch(graph.onContentPolicy),
      retry: isSet({ times: retries.get(name) }),
    })
    const all = [...(isList(own) ? own : [own]), ...follow]
    if (beside === undefined) return all.length === 1 ? own : all
    return isBalance(own) && follow.length === 0 ? { ...own, ...beside } : { fallback: all, ...beside }
  }

  /** A group by its name; spelt out where its route would lead back to who has failed; nothing if it has itself. */
  const named = (name: string, seen: Set<string>, within: ReadonlyArray<string>): Written | undefined => {
    if (seen.has(name)) return undefined
    const all = reach(name, [graph.fallbacks, ...branches])
    if ([...all].some((each) => seen.has(each))) return routeOf(name, seen, within)
    // Whoever stands in a branch of it has not been asked for anything else.
    for (const each of reach(name, [graph.fallbacks])) seen.add(each)
    return name
  }

  for (const name of graph.groups.keys()) {
    const route = routeOf(name, new Set(), [])
    if (route !== name) routes[name] = keeping(route, cache)
  }
  for (const [alias, target] of graph.aliases) routes[alias] = keeping(target, cache)
  if (graph.otherwise !== undefined) routes["*"] = keeping(graph.otherwise, cache)
  return { deployments, routes }
}

/** A fallback in a fallback is part of it, where it says nothing else. */
const flat = (route: Written | undefined): ReadonlyArray<Written> => {
  if (route === undefined) return []
  if (isList(route)) return route
  if (typeof route === "string") return [route]
  const {
    fallback,
    fallbackOn: _,
    ...others
  } = route as { readonly fallback?: ReadonlyArray<Written>; readonly fallbackOn?: unknown }
  return fallback === undefined || Object.keys(others).length > 0 ? [route] : fallback
}

const led = (edges: Fallbacks, name: string): ReadonlyArray<string> =>
  edges.get(name)?.filter((each) => each !== name) ?? []

const isBalance = (route: Written): route is Document => !isList(route) && typeof route === "object"

/**
 * What `simple-shuffle` makes of a group: the shares are of the first kind that any of an order has; whoever has none of
 * that kind comes after those who have.
 */
const weighed = <M extends ModelEntry>(
  members: ReadonlyArray<M>,
): ReadonlyArray<M & { readonly weight: number | undefined }> =>
  members.map((member) => {
    const equals = members.filter(({ order }) => order === member.order)
    const kind = sharing.find((kind) => equals.some(({ shares }) => shares[kind] !== undefined))
    if (kind === undefined) return { ...member, weight: undefined }
    const share = member.shares[kind] ?? 0
    const uneven = equals.some(({ shares }) => shares[kind] !== share)
    if (share === 0) return { ...member, order: member.order + 0.5, weight: undefined }
    return { ...member, weight: uneven ? share : undefined }
  })

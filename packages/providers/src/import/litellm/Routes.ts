/**
 * LiteLLM's model groups as routes: a group becomes a balance, its `order`s the tiers of a fallback, followed by the groups
 * it falls back to.
 */
import type { Strategy } from "@understudy/core/Route"
import type { Document, RouteDocument } from "../ImportReader.ts"
import { compact, isList, uniqueName, withCache } from "../ImportReader.ts"
import type { Fallbacks, Graph } from "./Fallbacks.ts"
import type { ModelEntry } from "./ModelList.ts"
import { sharing } from "./ModelList.ts"

/** The settings of all routes. */
export interface Routing {
  readonly strategy: Strategy
  /** The retries by reason of groups that set their own. */
  readonly retries: ReadonlyMap<string, Document>
  /** The `cache` of every route. */
  readonly cache: Document | undefined
  /** The `affinity` of every balance. */
  readonly affinity: Document | undefined
}

/** The `deployments` and `routes` of a graph, and the budgets of its deployments. */
export const write = (
  graph: Graph,
  routing: Routing,
): { deployments: Document; routes: Document; budgets: ReadonlyArray<Document> } => {
  const { budgets, deployments, tiers } = writeGroups(graph, routing)
  const writer: RouteWriter = { graph, routing, tiers }
  const routes: Record<string, RouteDocument> = {}
  for (const name of graph.groups.keys()) {
    const route = groupRoute(writer, name, new Set(), [])
    if (route !== name) routes[name] = withCache(route, routing.cache)
  }
  for (const [alias, target] of graph.aliases) routes[alias] = withCache(target, routing.cache)
  if (graph.otherwise !== undefined) routes["*"] = withCache(graph.otherwise, routing.cache)
  return { deployments, routes, budgets }
}

// ---------------------------------------------------------------------------------------------------------------------
// Deployments
// ---------------------------------------------------------------------------------------------------------------------

/** The deployments, and for each group the route over its own deployments, without fallbacks to other groups. */
interface Groups {
  readonly deployments: Document
  readonly budgets: ReadonlyArray<Document>
  readonly tiers: ReadonlyMap<string, RouteDocument>
}

const writeGroups = (graph: Graph, routing: Routing): Groups => {
  const taken = new Set([...graph.groups.keys(), ...graph.aliases.keys()])
  const deployments: Record<string, unknown> = {}
  const budgets: Array<Document> = []
  const tiers = new Map<string, RouteDocument>()
  for (const [group, entries] of graph.groups) {
    const alone = needsNoRoute(graph, routing, group, entries)
    const named = entries.map((entry) => ({
      ...entry,
      name: alone ? group : uniqueName(taken, entry.id ?? `${group}@${entry.label}`),
    }))
    const weighted =
      routing.strategy === "shuffle" ? withWeights(named) : named.map((entry) => ({ ...entry, weight: undefined }))
    for (const { budget, deployment, name, weight } of weighted) {
      deployments[name] = { ...deployment, ...compact({ weight }) }
      if (budget !== undefined) budgets.push({ deployment: name, ...budget })
    }
    tiers.set(group, tiersOf(group, weighted, routing))
  }
  return { deployments, budgets, tiers }
}

/** Whether the group is one deployment without anything around it, which can have the group's name. */
const needsNoRoute = (
  { fallbacks, onContentPolicy, onContextWindow }: Graph,
  { cache, retries }: Routing,
  group: string,
  [only, ...others]: ReadonlyArray<ModelEntry>,
): boolean =>
  others.length === 0 &&
  only?.id === undefined &&
  !retries.has(group) &&
  cache === undefined &&
  [fallbacks, onContextWindow, onContentPolicy].every((edges) => targetsOf(edges, group).length === 0)

/** A balance for each `order`, the lowest first. */
const tiersOf = (
  group: string,
  entries: ReadonlyArray<{ readonly name: string; readonly order: number }>,
  { affinity, strategy }: Pick<Routing, "affinity" | "strategy">,
): RouteDocument => {
  const orders = [...new Set(entries.map(({ order }) => order))].toSorted((a, b) => a - b)
  const [first = group, ...rest] = orders.map((order): RouteDocument => {
    const across = entries.filter((each) => each.order === order).map(({ name }) => name)
    return across.length === 1 ? across[0]! : { balance: strategy, across, ...compact({ affinity }) }
  })
  return rest.length === 0 ? first : [first, ...rest]
}

// ---------------------------------------------------------------------------------------------------------------------
// Routes
// ---------------------------------------------------------------------------------------------------------------------

interface RouteWriter {
  readonly graph: Graph
  readonly routing: Routing
  readonly tiers: Groups["tiers"]
}

/**
 * The route of a group. `seen` are the groups already tried, to which this one is added; `within` are the groups around it,
 * to which its error branches must not return.
 */
const groupRoute = (
  writer: RouteWriter,
  name: string,
  seen: Set<string>,
  within: ReadonlyArray<string>,
): RouteDocument => {
  const { graph, routing, tiers } = writer
  seen.add(name)
  const path = [...within, name]
  const own = tiers.get(name) ?? name
  const next = targetsOf(graph.fallbacks, name).flatMap((target) =>
    flattened(fallbackRoute(writer, target, seen, path)),
  )
  const branch = (edges: Fallbacks): RouteDocument | undefined => {
    const failed = new Set(path)
    const [first, ...others] = targetsOf(edges, name).flatMap((to) => fallbackRoute(writer, to, failed, path) ?? [])
    return first === undefined || others.length === 0 ? first : [first, ...others]
  }
  const policies = compact({
    fallbackOn: next.length === 0 ? undefined : "any",
    onContextWindow: branch(graph.onContextWindow),
    onContentPolicy: branch(graph.onContentPolicy),
    retry: compact({ timesByReason: routing.retries.get(name) }),
  })
  const all = [...(isList(own) ? own : [own]), ...next]
  if (policies === undefined) return all.length === 1 ? own : all
  return isBalance(own) && next.length === 0 ? { ...own, ...policies } : { fallback: all, ...policies }
}

/**
 * A reference to the group, or its route in full where its own route would return to a group in `seen`; `undefined` where
 * the group itself is in `seen`.
 */
const fallbackRoute = (
  writer: RouteWriter,
  name: string,
  seen: Set<string>,
  within: ReadonlyArray<string>,
): RouteDocument | undefined => {
  if (seen.has(name)) return undefined
  const { fallbacks, onContentPolicy, onContextWindow } = writer.graph
  const all = reachable(name, [fallbacks, onContextWindow, onContentPolicy])
  if ([...all].some((each) => seen.has(each))) return groupRoute(writer, name, seen, within)
  // Groups in its error branches are not tried for other errors.
  for (const each of reachable(name, [fallbacks])) seen.add(each)
  return name
}

/** The group and all groups that `edges` lead to from it. */
const reachable = (name: string, edges: ReadonlyArray<Fallbacks>, seen = new Set<string>()): ReadonlySet<string> => {
  if (seen.has(name)) return seen
  seen.add(name)
  for (const each of edges) for (const target of targetsOf(each, name)) reachable(target, edges, seen)
  return seen
}

/** The items of a fallback that has no other policies, to be part of an outer fallback. */
const flattened = (route: RouteDocument | undefined): ReadonlyArray<RouteDocument> => {
  if (route === undefined) return []
  if (isList(route)) return route
  if (typeof route === "string") return [route]
  const {
    fallback,
    fallbackOn: _,
    ...others
  } = route as { readonly fallback?: ReadonlyArray<RouteDocument>; readonly fallbackOn?: unknown }
  return fallback === undefined || Object.keys(others).length > 0 ? [route] : fallback
}

/** The groups that `edges` lead to, without the group itself. */
const targetsOf = (edges: Fallbacks, name: string): ReadonlyArray<string> =>
  edges.get(name)?.filter((each) => each !== name) ?? []

const isBalance = (route: RouteDocument): route is Document => !isList(route) && typeof route === "object"

/**
 * The weights of `simple-shuffle`: of the first kind in `sharing` that any entry of an order has. An entry without a share of
 * that kind is tried after those with one.
 */
const withWeights = <M extends ModelEntry>(
  entries: ReadonlyArray<M>,
): ReadonlyArray<M & { readonly weight: number | undefined }> =>
  entries.map((entry) => {
    const peers = entries.filter(({ order }) => order === entry.order)
    const kind = sharing.find((kind) => peers.some(({ shares }) => shares[kind] !== undefined))
    if (kind === undefined) return { ...entry, weight: undefined }
    const share = entry.shares[kind] ?? 0
    const uneven = peers.some(({ shares }) => shares[kind] !== share)
    if (share === 0) return { ...entry, order: entry.order + 0.5, weight: undefined }
    return { ...entry, weight: uneven ? share : undefined }
  })

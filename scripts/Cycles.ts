/** Cycles in a directed graph: which edges lie on one, and the shortest cycle through each. Pure. */

/** Each node with the nodes it has an edge to. A node without edges of its own need not be a key. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>

/** An edge that lies on a cycle. */
export interface CyclicEdge {
  readonly from: string
  readonly to: string
  /** The shortest cycle through the edge: `from`, `to`, …, `from`. */
  readonly cycle: ReadonlyArray<string>
}

const none: ReadonlySet<string> = new Set()

/** The shortest path between two nodes, both included; `undefined` if there is none. Breadth first. */
const shortestPath = (graph: Graph, from: string, to: string): ReadonlyArray<string> | undefined => {
  const previous = new Map<string, string | undefined>([[from, undefined]])
  // A Map's keys grow while they are iterated: this is the queue too.
  for (const node of previous.keys()) {
    if (node === to) {
      const path: Array<string> = []
      for (let at: string | undefined = node; at !== undefined; at = previous.get(at)) path.unshift(at)
      return path
    }
    for (const next of graph.get(node) ?? none) if (!previous.has(next)) previous.set(next, node)
  }
  return undefined
}

/** Every edge that lies on a cycle, sorted; an edge from a node to itself is one. */
export const cyclicEdges = (graph: Graph): ReadonlyArray<CyclicEdge> =>
  [...graph.keys()].sort().flatMap((from) =>
    [...(graph.get(from) ?? none)].sort().flatMap((to): ReadonlyArray<CyclicEdge> => {
      const back = shortestPath(graph, to, from)
      return back === undefined ? [] : [{ from, to, cycle: [from, ...back] }]
    }),
  )

/** The graph of groups of nodes: an edge where any two members have one. Edges within a group are left out. */
export const grouped = (graph: Graph, groupOf: (node: string) => string): Graph => {
  const groups = new Map<string, Set<string>>()
  for (const [node, targets] of graph) {
    const from = groupOf(node)
    const edges = groups.get(from) ?? new Set()
    groups.set(from, edges)
    for (const to of [...targets].map(groupOf)) if (to !== from) edges.add(to)
  }
  return groups
}

/** No import cycles, type imports included: between files anywhere, between folders in the packages that have them. */
import { assert, describe, it } from "@effect/vitest"
import type { CyclicEdge, Graph } from "../scripts/Cycles.ts"
import * as Cycles from "../scripts/Cycles.ts"
import { imports } from "../scripts/Imports.ts"
import * as Project from "../scripts/Project.ts"
import { layers } from "./Layers.ts"

/** `graph("a b", "b c")`: an edge from a to b, one from b to c. */
const graph = (...edges: ReadonlyArray<string>): Graph =>
  edges.reduce((graph, edge) => {
    const [from = "", to = ""] = edge.split(" ")
    return graph.set(from, new Set([...(graph.get(from) ?? []), to]))
  }, new Map<string, Set<string>>())

const cycles = (graph: Graph) => Cycles.cyclicEdges(graph).map(({ cycle }) => cycle.join(" "))

describe("Cycles", () => {
  it("finds no cycle in an acyclic graph", () => {
    assert.deepStrictEqual(cycles(graph("a b", "a c", "b d", "c d")), [])
    assert.deepStrictEqual(cycles(graph()), [])
  })

  it("finds a planted cycle, and names only the edges on it", () => {
    assert.deepStrictEqual(cycles(graph("a b", "b c", "c d", "d b", "c e")), ["b c d b", "c d b c", "d b c d"])
  })

  it("finds an edge from a node to itself", () => {
    assert.deepStrictEqual(cycles(graph("a a", "a b")), ["a a"])
  })

  it("shows the shortest cycle through each edge", () => {
    assert.deepStrictEqual(cycles(graph("a b", "b a", "b c", "c a")), ["a b a", "b a b", "b c a b", "c a b c"])
  })

  it("finds cycles that share no node", () => {
    assert.deepStrictEqual(cycles(graph("a b", "b a", "c d", "d c")), ["a b a", "b a b", "c d c", "d c d"])
  })

  it("finds a cycle of groups where the nodes have none, and none of groups for a cycle within one", () => {
    const folder = (file: string) => file.split("/")[0] ?? ""
    const between = graph("x/a y/b", "y/c x/d")
    assert.deepStrictEqual(cycles(between), [])
    assert.deepStrictEqual(cycles(Cycles.grouped(between, folder)), ["x y x", "y x y"])
    assert.deepStrictEqual(cycles(Cycles.grouped(graph("x/a x/b", "x/b x/a", "x/a y/c"), folder)), [])
  })
})

/**
 * The imports that lie on a cycle today, by file name. This list only becomes shorter: an import that is not on it
 * fails the test, and so does a line that is no longer true.
 */
const known: ReadonlyArray<string> = []

/** The same between folders, and files beside them. */
const knownFolders: ReadonlyArray<string> = []

/** `packages/core/src/route/Plan.ts` to `Plan`. */
const name = (node: string) => node.slice(node.lastIndexOf("/") + 1).replace(/\.ts$/, "")

/** `core: Plan → Route`: a file that moves within its package keeps its line. */
const line = ({ from, to }: Pick<CyclicEdge, "from" | "to">) =>
  `${from.replace(/^packages\//, "").split("/")[0]}: ${name(from)} → ${name(to)}`

const edgesOf = (cycle: ReadonlyArray<string>): ReadonlyArray<string> =>
  cycle.slice(1).map((to, index) => line({ from: cycle[index] ?? "", to }))

/**
 * What differs from the list, empty if nothing does: each new cycle once, the shortest first, with its edges that the list
 * lacks and `detail` of each; which edge makes all of these cycles; the lines of the list that are true no more.
 */
const report = (
  found: ReadonlyArray<CyclicEdge>,
  listed: ReadonlyArray<string>,
  detail: (edge: CyclicEdge) => string = () => "",
): string => {
  const lines = new Set(found.map(line))
  const unlisted = found.filter((edge) => !listed.includes(line(edge)))
  const byCycle = Map.groupBy(unlisted, ({ cycle }) => [...new Set(cycle)].sort().join())
  const shortestFirst = [...byCycle.values()]
    .flatMap(([first, ...others]) => (first === undefined ? [] : [{ cycle: first.cycle, edges: [first, ...others] }]))
    .sort((a, b) => a.cycle.length - b.cycle.length)
  const [shortest, ...longer] = shortestFirst.map(({ cycle }) => edgesOf(cycle))
  const onAll = (shortest ?? []).filter((edge) => longer.length > 0 && longer.every((edges) => edges.includes(edge)))
  return [
    ...shortestFirst.flatMap(({ cycle, edges }) => [
      `Import cycle: ${cycle.join("\n            → ")}`,
      ...edges.map((edge) => `  not in the list: "${line(edge)}"${detail(edge)}`),
    ]),
    ...onAll.map((edge) => `All of these cycles go through: "${edge}"`),
    ...listed
      .filter((known) => !lines.has(known))
      .map((known) => `On no cycle any more, remove from the list: "${known}"`),
  ].join("\n")
}

describe("the report on imports", () => {
  const found = Cycles.cyclicEdges(
    graph("packages/p/src/x/A.ts packages/p/src/B.ts", "packages/p/src/B.ts packages/p/src/x/A.ts"),
  )

  it("is empty when every import on a cycle is listed", () => {
    assert.strictEqual(report(found, ["p: A → B", "p: B → A"]), "")
  })

  it("shows a cycle that is not listed, once, and the line of each import on it", () => {
    assert.strictEqual(
      report(found, []),
      `Import cycle: packages/p/src/B.ts
            → packages/p/src/x/A.ts
            → packages/p/src/B.ts
  not in the list: "p: B → A"
  not in the list: "p: A → B"`,
    )
  })

  it("shows the shortest cycle first, and the import that all of them go through", () => {
    const found = Cycles.cyclicEdges(graph("p/A p/B", "p/B p/C", "p/C p/D", "p/D p/A", "p/B p/E", "p/E p/A"))
    const [first, ...others] = report(found, []).split("\n")
    assert.strictEqual(first, "Import cycle: p/A")
    assert.include(others.slice(0, 3).join(), "p/E")
    assert.include(others, 'All of these cycles go through: "p: A → B"')
    assert.notInclude(others, 'All of these cycles go through: "p: B → C"')
  })

  it("names a line that is true no more", () => {
    assert.strictEqual(
      report(found, ["p: A → B", "p: B → A", "p: B → C"]),
      'On no cycle any more, remove from the list: "p: B → C"',
    )
  })
})

describe("imports", () => {
  const files = Project.read((project) =>
    imports(project, /^(packages\/[^/]+\/src|scorecard|bench|scripts|examples)\//),
  )

  it("have no cycle of files", () => {
    assert.isAbove(files.size, 100)
    assert.strictEqual(report(Cycles.cyclicEdges(files), known), "")
  })

  it("have no cycle of folders in packages/core/src and packages/http/src", () => {
    const src = /^packages\/(?:core|http)\/src\/[^/]+/
    const within = new Map([...files].filter(([file]) => src.test(file)))
    // A folder is one node with all that is below it; a file beside the folders is a node of its own.
    const folderOf = (file: string) => src.exec(file)?.[0] ?? file
    const folders = Cycles.grouped(within, folderOf)
    assert.isAbove(folders.size, 10)
    const found = Cycles.cyclicEdges(folders).filter(({ cycle }) => cycle.some((node) => !node.endsWith(".ts")))
    const importsOf = ({ from, to }: CyclicEdge) =>
      [...within]
        .filter(([file]) => folderOf(file) === from)
        .flatMap(([file, targets]) =>
          [...targets].filter((target) => folderOf(target) === to).map((target) => `\n    ${file} → ${target}`),
        )
        .join("")
    assert.strictEqual(report(found, knownFolders, importsOf), "")
  })

  it("go down the layers of packages/core/src, never up", () => {
    const layerOf = (file: string) => layers.indexOf(/^packages\/core\/src\/([\w-]+)\//.exec(file)?.[1] ?? "")
    const upward = [...files].flatMap(([file, targets]) =>
      [...targets]
        .filter((target) => layerOf(file) >= 0 && (layerOf(target) < 0 || layerOf(target) > layerOf(file)))
        .map((target) => `${file} → ${target}`),
    )
    assert.deepStrictEqual(upward, [])
  })
})

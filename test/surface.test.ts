/** Each package's surface.txt says what the package exports: a change of it shows in the diff. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Declarations from "../scripts/Declarations.ts"
import * as Project from "../scripts/Project.ts"
import { changes, fileOf, surface } from "../scripts/surface.ts"

const fixture = Declarations.packageIn(join(import.meta.dirname, "fixtures", "package"))

const read = Project.read((project) => ({
  packages: Declarations.declarations(project, Declarations.packages),
  fixture: Declarations.declarations(project, [fixture]),
}))

describe("the surface", () => {
  for (const one of Declarations.packages) {
    it(`of ${one.name} is what its surface.txt says`, () => {
      const found = changes(readFileSync(fileOf(one), "utf8"), surface(one, read.packages))
      assert.strictEqual(found.join("\n"), "", "The surface has changed. If it should: npm run surface")
    })
  }

  it("has each export with its kind and type, each member, and where a re-export comes from", () => {
    assert.strictEqual(
      surface(fixture, read.fixture),
      `What @fixture/package exports. Written by: npm run surface

# @fixture/package
re-export Draw = * from @fixture/package { Draw }
re-export Point from @fixture/package/Shape
re-export Shape = * from @fixture/package/Shape
re-export areaOf = area from @fixture/package/Shape
const version: \`\${number}.\${number}\`

# @fixture/package/Shape
class Color extends Schema.Opaque<Color>
  readonly red: number
  readonly name?: string | undefined
type Figure =
  | { readonly type: "line"; readonly line: typeof Line.Type; }
  | { readonly type: "circle"; readonly center: Point; readonly radius: number; }
const Line: Schema.Struct<{ … }>
  readonly label: Schema.optional<Schema.String>
  readonly points: Schema.$Array<typeof Point>
const Point: Schema.Struct<{ … }>
  readonly x: Schema.Finite
  readonly y: Schema.Finite
type Point = typeof Point.Type
const area: (figure: Figure, pi?: number) => number

# @fixture/package { Draw }
interface Options<Ink = string> extends Iterable<Ink>
  readonly ink: Ink
  readonly digits?: number | undefined
  readonly [key: \`x-\${string}\`]: unknown
class Pen<Ink> extends Set<Ink>
  static readonly empty: Pen<never>
  title?: string
  constructor(inks: ReadonlyArray<Ink>, options?: Options<Ink>)
  readonly drawn: number
  draw: (...figures: ReadonlyArray<Figure>) => this
type Style = Options & { … }
  readonly width: number
`,
    )
  })
})

/** The types that a module imports from files of its package, and that its exports mention. */
const mentioned = (path: string, exported: ReadonlyArray<Declarations.Declaration>): ReadonlyArray<string> => {
  const signatures = exported
    .flatMap(({ members, signature }) => [signature, ...members.map((member) => member.signature)])
    .join("\n")
    .replace(/"[^"]*"/g, "")
  return [...readFileSync(path, "utf8").matchAll(/^import (?:type )?(\{[^}]*\}|\* as \w+) from "\.[^"]*"/gm)].flatMap(
    ([, names = ""]) =>
      names.startsWith("*")
        ? [...signatures.matchAll(new RegExp(`\\b${names.slice("* as ".length)}\\.([A-Z]\\w*)`, "g"))].map(
            ([, name = ""]) => name,
          )
        : (names.match(/\b[A-Z]\w*(?=\s*[,}])/g) ?? []).filter((name) =>
            new RegExp(`(?<![.\\w])${name}\\b`).test(signatures),
          ),
  )
}

describe("the types in public signatures", () => {
  /** They take types of the engine's own: not for users. */
  const internal = ["RouterError: FailedStep"]

  it("can be imported from a public module", () => {
    const core = Declarations.packages.filter(({ folder }) => folder === "core")
    const modules = read.packages.filter((module) => module.package === "core")
    const names = new Set(modules.flatMap((module) => module.exports.map(({ name }) => name)))
    const files = new Map(
      core.flatMap(({ exports, path }) =>
        Declarations.subpaths(exports).modules.map(([subpath, file]) => [subpath.slice(2), join(path, file)]),
      ),
    )
    const missing = modules.flatMap(({ exports, name }) => {
      const path = files.get(name === "index" ? "" : name)
      const own = exports.filter((one) => one.kind !== "re-export")
      return path === undefined
        ? []
        : mentioned(path, own)
            .filter((type) => !names.has(type))
            .map((type) => `${name}: ${type}`)
    })
    assert.isAbove(files.size, 20)
    assert.deepStrictEqual(
      [...new Set(missing)].filter((each) => !internal.includes(each)),
      [],
    )
  })
})

describe("subpaths", () => {
  it("are those that name a TypeScript module", () => {
    const exports = {
      "./b": "./src/b/B.ts",
      ".": "./src/index.ts",
      "./closed/*": null,
      "./internal/*": "./src/*.ts",
      "./package.json": "./package.json",
      "./*": "./src/*.ts",
    }
    assert.deepStrictEqual(Declarations.subpaths(exports), {
      modules: [
        [".", "./src/index.ts"],
        ["./b", "./src/b/B.ts"],
      ],
      wildcards: ["./*"],
    })
  })
})

describe("changes", () => {
  const before = `What p exports

# p
class A extends B
  readonly a: string
const c: number

# p/q
const c: number
`

  it("are none between a surface and itself", () => {
    assert.deepStrictEqual(changes(before, before), [])
  })

  it("name the module, and of a member what it is a member of", () => {
    const after = before.replace("a: string", "a: boolean").replace(/const c: number\n$/, "const d: number\n")
    assert.deepStrictEqual(changes(before, after), [
      "- p: class A: readonly a: string",
      "- p/q: const c: number",
      "+ p: class A: readonly a: boolean",
      "+ p/q: const d: number",
    ])
  })

  it("report another order too", () => {
    const after = before.replace("const c: number\n\n", "\n").replace("# p\n", "# p\nconst c: number\n")
    assert.deepStrictEqual(changes(before, after), ["the order of the lines"])
  })
})

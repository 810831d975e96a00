/** docs/api says what the docstrings say, and every link in it leads somewhere. */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, sep } from "node:path"
import type { Pages } from "../scripts/api.ts"
import { brokenLinks, folder, formatted, pages } from "../scripts/api.ts"
import type { Declaration, Module } from "../scripts/Declarations.ts"
import * as Declarations from "../scripts/Declarations.ts"
import * as Project from "../scripts/Project.ts"

const fixture = Declarations.packageIn(join(import.meta.dirname, "fixtures", "package"))

const read = Project.read((project) => ({
  packages: Declarations.declarations(project, Declarations.packages),
  fixture: Declarations.declarations(project, [fixture]),
}))

/** The pages in a folder. */
const kept = (folder: string): Pages =>
  new Map(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".md"))
      .map((file) => [file.split(sep).join("/"), readFileSync(join(folder, file), "utf8")]),
  )

const assertSame = (found: Pages, expected: Pages) => {
  assert.deepStrictEqual([...found.keys()].sort(), [...expected.keys()].sort())
  for (const [path, text] of expected) assert.strictEqual(found.get(path), text, path)
}

describe("docs/api", () => {
  const { pages: written, unresolved } = pages(read.packages, Declarations.packages)

  it("has no {@link} that names nothing", () => {
    assert.deepStrictEqual(unresolved, [])
  })

  it("has no link that leads nowhere", () => {
    assert.isAbove(written.size, Declarations.packages.length)
    const broken = brokenLinks(written, (path) => existsSync(join(folder, path)))
    assert.deepStrictEqual(broken, [])
  })

  it("is what `npm run api` writes", () => formatted(written).then((expected) => assertSame(kept(folder), expected)))
})

describe("pages", () => {
  it("have a section for each name, with its source and docstring, and links to what they name", () =>
    formatted(pages(read.fixture, [fixture]).pages).then((found) => assertSame(found, kept(join(fixture.path, "api")))))

  const declaration = (name: string, documentation: string): Declaration => ({
    kind: "const",
    name,
    signature: ": 1",
    source: `const ${name}: 1`,
    documentation,
    members: [],
  })
  const module = (name: string, ...exports: ReadonlyArray<Declaration>): Module => ({
    package: "p",
    specifier: `p/${name}`,
    namespace: undefined,
    name,
    documentation: "",
    exports,
  })
  const written = (...modules: ReadonlyArray<Module>) => pages(modules, [{ ...fixture, folder: "p" }])

  it("tell of each {@link} that names nothing, or more than one thing", () => {
    const { unresolved } = written(
      module("A", declaration("a", "{@link b} {@link B.c | text} {@link twice}"), declaration("own", "")),
      module("B", declaration("b", "{@link A.own} {@link a.member}"), declaration("twice", "")),
      module("C", declaration("twice", "{@link twice}")),
    )
    assert.deepStrictEqual(unresolved, [
      "p/A.md: {@link B.c | text}",
      "p/A.md: {@link twice}",
      "p/B.md: {@link a.member}",
    ])
  })

  it("have an anchor for each of two names that differ in case alone", () => {
    const { pages } = written(module("A", declaration("Name", "{@link name}"), declaration("name", "{@link A.Name}")))
    assert.include(pages.get("p/A.md"), "[`name`](#name-1)")
    assert.include(pages.get("p/A.md"), "[`A.Name`](#name)")
    assert.deepStrictEqual(
      brokenLinks(pages, () => false),
      [],
    )
  })
})

describe("broken links", () => {
  it("are those to no page, no heading and no file", () => {
    const found = brokenLinks(
      new Map([
        [
          "README.md",
          "# API\n[a](p/A.md) [a](p/A.md#b) [a](p/A.md#c) [web](https://example.com) [d](../d.md) [e](../e.md)",
        ],
        [
          "p/A.md",
          "# A\n## B\n[here](#b) [here](#c) [up](../README.md#api) [B](B.md)\n```ts\n# C\n[in code](C.md)\n```",
        ],
      ]),
      (path) => path === "../d.md",
    )
    assert.deepStrictEqual(found, ["README.md: p/A.md#c", "README.md: ../e.md", "p/A.md: #c", "p/A.md: B.md"])
  })
})

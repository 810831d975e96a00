/** ARCHITECTURE.md names what exists: its layers are folders, the steps of its diagram files. imports.test.ts holds the order. */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { layers } from "./Layers.ts"

const root = join(import.meta.dirname, "..")

describe("The layers of core", () => {
  it("are its folders, but for the bridge to effect/ai", () => {
    const src = join(root, "packages", "core", "src")
    const folders = readdirSync(src).filter((name) => statSync(join(src, name)).isDirectory())
    assert.deepStrictEqual([...layers, "effect-ai"].toSorted(), folders.toSorted())
  })
})

describe("The diagram of a call", () => {
  const [, diagram = ""] =
    /^```mermaid\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, "ARCHITECTURE.md"), "utf8")) ?? []
  const steps = [...diagram.matchAll(/^ {2}\w+[[{]"([\w/-]+).*?"[\]}]:::(core|http)$/gm)]

  it("has steps in core and http", () => {
    assert.isAbove(steps.filter(([, , name]) => name === "core").length, 8)
    assert.isAbove(steps.filter(([, , name]) => name === "http").length, 2)
  })

  for (const [, path = "", name = ""] of steps) {
    it(`names the file ${name}/src/${path}.ts`, () => {
      assert.isTrue(existsSync(join(root, "packages", name, "src", `${path}.ts`)))
    })
  }
})

/** `docs/endpoints.md` against the code: every endpoint, every operation, and the vendors that have it. */
import { assert, describe, it } from "@effect/vitest"
import { names } from "@understudy/core/Operation"
import * as Compatible from "@understudy/providers/internal/openai/Compatible"
import { readFileSync } from "node:fs"
import * as Files from "../../src/api/Files.ts"
import * as Operations from "../../src/api/Operations.ts"

const document = readFileSync(new URL("../../../../docs/endpoints.md", import.meta.url), "utf8")

/** The first two cells of each row of tables. */
const rows = [...document.matchAll(/^\| (.*?) +\| (.*?) +\|/gm)].map(([, first = "", second = ""]) => [first, second])

const codes = (text: string): ReadonlyArray<string> => [...text.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code)

describe("docs/endpoints.md", () => {
  it("lists every endpoint with its operation", () => {
    for (const { operation, path } of Operations.rows) {
      const row = rows.find(([first = ""]) => codes(first).some((code) => code === `POST ${path}` || code === path))
      assert.deepStrictEqual(codes(row?.[1] ?? ""), [operation], path)
    }
    const paths = rows.flatMap(([first = ""]) => codes(first))
    for (const { method, path } of Files.rows) {
      assert.include(paths, `${method} ${path.replace(":id", "{id}")}`)
    }
  })

  it("lists the operations of every vendor", () => {
    const expand = (text: string): ReadonlyArray<string> => {
      if (!text.startsWith("all")) return codes(text)
      const others = new Set(codes(text))
      return names.filter((name) => !others.has(name))
    }
    const listed = new Map(
      rows.flatMap(([first = "", second = ""]) => codes(first).map((code) => [code, expand(second)])),
    )
    for (const [name, { operations }] of Object.entries(Compatible.vendors)) {
      assert.deepStrictEqual(listed.get(name)?.toSorted(), [...operations].toSorted(), name)
    }
    assert.deepStrictEqual(listed.get("azure")?.toSorted(), [...Compatible.ofAzure].toSorted())
  })
})

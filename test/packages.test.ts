/** What is published is what is exported here: the same names, built. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

interface Manifest {
  readonly exports: Readonly<Record<string, string | null>>
  readonly publishConfig: { readonly exports: Readonly<Record<string, unknown>> }
}

const built = (source: string | null) => {
  if (source === null) return null
  const path = source.replace("./src/", "./dist/")
  return { types: path.replace(/\.ts$/, ".d.ts"), default: path.replace(/\.ts$/, ".js") }
}

describe("packages", () => {
  for (const name of ["core", "providers", "http"]) {
    it(`@understudy/${name} publishes what it exports`, () => {
      const { exports, publishConfig } = JSON.parse(
        readFileSync(new URL(`../packages/${name}/package.json`, import.meta.url), "utf8"),
      ) as Manifest
      const expected = Object.entries(exports).map(([subpath, source]): [string, unknown] => [subpath, built(source)])
      assert.deepStrictEqual(Object.entries(publishConfig.exports), expected)
    })
  }
})

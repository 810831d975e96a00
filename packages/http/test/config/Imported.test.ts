/**
 * Whatever a document of another gateway has in it, its import is either refused with reasons, or a configuration that loads: no
 * value of it crashes an import, or leads to a result that `check` refuses. Each value of the fixtures is replaced by odd ones, or
 * left out.
 *
 * Here with a share of them. With all of them:
 *
 *     IMPORTED=all vitest run packages/http/test/config/Imported.test.ts
 */
import { assert, describe, it } from "@effect/vitest"
import type { Problem } from "@understudy/providers/Config"
import * as Formats from "@understudy/providers/internal/import/Formats"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import * as Config from "../../src/Config.ts"
import * as ConfigText from "../../src/config/ConfigText.ts"
import * as YamlText from "../../src/config/YamlText.ts"

const read = (name: string) => readFileSync(new URL(`../fixtures/import/${name}`, import.meta.url), "utf8")

const fixtures = ["litellm.yaml", "portkey.json", "bifrost.json", "tensorzero.toml"]

const environment = (name: string): string =>
  /_BASE$|_ENDPOINT$/.test(name) ? "https://resource.example" : `value of ${name}`

const left = Symbol("left out")

const odd: ReadonlyArray<unknown> = [
  left,
  null,
  "",
  "odd text",
  -1,
  0,
  1.5,
  1e12,
  true,
  [],
  {},
  ["*"],
  [{}],
  { a: { b: [null] } },
]

type Path = ReadonlyArray<string>

/** The paths of all values, mappings and lists included. */
const paths = (value: unknown, path: Path = []): ReadonlyArray<Path> => {
  const inner = Predicate.isObjectOrArray(value)
    ? Object.entries(value).flatMap(([key, each]) => paths(each, [...path, key]))
    : []
  return path.length === 0 ? inner : [path, ...inner]
}

/** The value with another one at a path. */
const replaced = (value: unknown, [key = "", ...rest]: Path, by: unknown): unknown => {
  if (Array.isArray(value)) {
    return value.flatMap((each: unknown, index) =>
      String(index) !== key ? [each] : rest.length > 0 ? [replaced(each, rest, by)] : by === left ? [] : [by],
    )
  }
  if (!Predicate.isObject(value)) return value
  const { [key]: own, ...others } = value as Readonly<Record<string, unknown>>
  return rest.length > 0
    ? { ...others, [key]: replaced(own, rest, by) }
    : by === left
      ? others
      : { ...others, [key]: by }
}

const problemsOf = (document: unknown): ReadonlyArray<Problem> =>
  Result.match(Config.decode(document, environment), { onSuccess: () => [], onFailure: (problems) => problems })

const text = (problems: ReadonlyArray<Problem>) => problems.map(({ message, path }) => `${path}: ${message}`)

describe("an import", { timeout: 120_000 }, () => {
  for (const file of fixtures) {
    it.effect(`of ${file} loads, however its values differ`, () =>
      Effect.gen(function* () {
        const { syntax, value } = yield* ConfigText.parse(read(file))
        const format = Formats.detect(value, syntax)
        assert.isDefined(format)
        const reader = yield* format.read
        const every = process.env["IMPORTED"] === "all" ? 1 : 5
        let [imported, count] = [0, 0]
        for (const path of paths(value)) {
          for (const by of odd) {
            if (count++ % every !== 0) continue
            const document = replaced(value, path, by)
            if (!Predicate.isObject(document)) continue
            const result = reader(document as Readonly<Record<string, unknown>>)
            if (Result.isFailure(result)) {
              assert.isNotEmpty(result.failure)
              continue
            }
            imported++
            const printed = YamlText.parse(YamlText.print(result.success.document))
            const where = `${path.join(".")} is ${by === left ? "left out" : JSON.stringify(by)}`
            assert.deepStrictEqual(text(problemsOf(Result.getOrThrow(printed))), [], where)
          }
        }
        assert.isAbove(imported, 100)
      }),
    )
  }
})

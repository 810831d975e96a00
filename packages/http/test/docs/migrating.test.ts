/** `docs/migrating.md` against the imports: what it says that others' documents are in our words, they are. */
import { assert, describe, it } from "@effect/vitest"
import * as Formats from "@understudy/providers/internal/import/Formats"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import * as Config from "../../src/Config.ts"
import * as ConfigText from "../../src/config/ConfigText.ts"
import * as YamlText from "../../src/config/YamlText.ts"

const text = readFileSync(new URL("../../../../docs/migrating.md", import.meta.url), "utf8")

/** The blocks under a heading: theirs, and ours. */
const blocks = (heading: string): readonly [theirs: string, ours: string] => {
  const [, section = ""] = text.split(`\n## ${heading}\n`)
  const [own = ""] = section.split("\n## ")
  const [theirs = "", ours = ""] = [...own.matchAll(/^```(?:yaml|json|toml)\n([^]*?)^```$/gm)].map(([, block]) => block)
  return [theirs, ours]
}

/** What the import of their block leaves. The result is what is written under it, and can be used. */
const left = Effect.fnUntraced(function* (heading: string, format: Formats.Format) {
  const [theirs, ours] = blocks(heading)
  const { syntax, value } = yield* ConfigText.parse(theirs)
  assert.strictEqual(Formats.detect(value, syntax)?.name, format.name)
  assert.isTrue(format.is(value))
  const read = yield* format.read
  const { document, report } = Result.getOrThrow(read(value as Readonly<Record<string, unknown>>))
  const written = Result.getOrThrow(YamlText.parse(ours))
  assert.deepStrictEqual(document, written)
  const decoded = Config.decode(written, (name) => `value of ${name}`)
  assert.deepStrictEqual(Result.isFailure(decoded) ? decoded.failure : [], [])
  return report.map(({ path }) => path)
})

describe("docs/migrating.md", () => {
  const sections: ReadonlyArray<readonly [heading: string, format: Formats.Format, left: ReadonlyArray<string>]> = [
    ["From LiteLLM", Formats.litellm, []],
    ["From Portkey", Formats.portkey, ["targets[0].targets[0].virtual_key"]],
    ["From Bifrost", Formats.bifrost, []],
    ["From TensorZero", Formats.tensorzero, []],
    ["From a list of providers", Formats.priorities, []],
  ]
  for (const [heading, format, paths] of sections) {
    it.effect(`shows what a configuration becomes: ${heading}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* left(heading, format), paths)
      }),
    )
  }

  it("has a section for each format", () => {
    assert.lengthOf(sections, Formats.all.length)
    assert.deepStrictEqual(
      [...text.matchAll(/^## (From .*)$/gm)].map(([, heading]) => heading),
      sections.map(([heading]) => heading),
    )
  })
})

/** `docs/migrating.md` against the imports: what it says that others' documents are in our words, they are. */
import { assert, describe, it } from "@effect/vitest"
import type { Problem } from "@understudy/providers/Config"
import type { Imported } from "@understudy/providers/internal/import/ImportReader"
import * as Formats from "@understudy/providers/internal/import/Formats"
import * as Litellm from "@understudy/providers/internal/import/litellm/Litellm"
import * as Portkey from "@understudy/providers/internal/import/portkey/Portkey"
import * as Priorities from "@understudy/providers/internal/import/priorities/Priorities"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import * as Config from "../../src/Config.ts"
import * as YamlText from "../../src/config/YamlText.ts"

const text = readFileSync(new URL("../../../../docs/migrating.md", import.meta.url), "utf8")

const blocks = [...text.matchAll(/^```(?:yaml|json)\n([^]*?)^```$/gm)].map(([, block = ""]) => block)

const parsed = (block: string | undefined) => Result.getOrThrow(YamlText.parse(block ?? ""))

/** Whether it becomes what is written under it, which can be used. */
const becomes = (imported: Result.Result<Imported, ReadonlyArray<Problem>>, ours: unknown): ReadonlyArray<Problem> => {
  const { document, report } = Result.getOrThrow(imported)
  assert.deepStrictEqual(document, ours)
  const decoded = Config.decode(ours, () => "set")
  assert.deepStrictEqual(Result.isFailure(decoded) ? decoded.failure : [], [])
  return report
}

describe("docs/migrating.md", () => {
  it("shows the conversion of LiteLLM configurations", () => {
    const theirs = parsed(blocks[0])
    assert.isTrue(Formats.litellm.is(theirs))
    if (Formats.litellm.is(theirs)) assert.deepStrictEqual(becomes(Litellm.read(theirs), parsed(blocks[1])), [])
  })

  it("shows the conversion of Portkey configurations", () => {
    const report = becomes(Portkey.read(JSON.parse(blocks[2] ?? "")), parsed(blocks[3]))
    assert.deepStrictEqual(
      report.map(({ path }) => path),
      ["targets[0].targets[0].virtual_key"],
    )
  })

  it("shows the conversion of a list of providers", () => {
    const theirs = parsed(blocks[4])
    assert.isTrue(Formats.priorities.is(theirs))
    if (Formats.priorities.is(theirs)) assert.deepStrictEqual(becomes(Priorities.read(theirs), parsed(blocks[5])), [])
    assert.strictEqual(blocks.length, 6)
  })
})

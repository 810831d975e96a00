/** The snippets of docs/library.md with an output below them print that output. They are compiled by documentation.test.ts. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"

const root = join(import.meta.dirname, "..")
const markdown = readFileSync(join(root, "docs", "library.md"), "utf8")

/** Each snippet by the file name in its first line, with the text block below it. */
const snippets = [
  ...markdown.matchAll(/^```ts\n(\/\/ ([\w.-]+\.ts)\n[\s\S]*?)^```$(?:\n\n```text\n([\s\S]*?)^```$)?/gm),
].map(([, text = "", name = "", output]) => ({ name, output, text }))

describe("docs/library.md", () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "understudy-library-"))
    // The dependencies of examples are those of an application.
    symlinkSync(join(root, "examples", "node_modules"), join(folder, "node_modules"))
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }))
    for (const { name, text } of snippets) writeFileSync(join(folder, name), text)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("names each of its files once", () => {
    const names = snippets.map(({ name }) => name)
    assert.strictEqual(markdown.match(/^```ts$/gm)?.length, names.length)
    assert.deepStrictEqual([...new Set(names)], names)
  })

  for (const { name, output } of snippets) {
    if (output === undefined) continue
    it.concurrent(`${name} prints its output`, async () => {
      assert.deepStrictEqual(fit(await run(folder, name), output), output.trimEnd().split("\n"))
    })
  }
})

const run = (folder: string, name: string): Promise<string> =>
  new Promise((resolve, reject) =>
    execFile(process.execPath, [name], { cwd: folder, env: {}, timeout: 25_000 }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${name}: ${stderr}`)),
    ),
  )

/** A line that ends in … in the document stands for every line that begins like it. */
const fit = (printed: string, output: string): ReadonlyArray<string> => {
  const expected = output.trimEnd().split("\n")
  return printed
    .trimEnd()
    .split("\n")
    .map((line, at) => {
      const beginning = expected[at]?.match(/^(.*)…$/)?.[1]
      return beginning !== undefined && line.startsWith(beginning) ? `${beginning}…` : line
    })
}

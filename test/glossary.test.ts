/** CONTRIBUTING.md's glossary: its names exist, and the words it replaced are gone. */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")

/** Words that are no longer used, and the term to use. A word in small letters is retired in capitals too. */
const retired: ReadonlyArray<readonly [word: RegExp, term: string]> = [
  [/unsaid/i, "droppedParams, dropped parameters; in imports: not imported"],
  [/unsayable/i, "requiredUnsupported"],
  [/held[ -]?back/i, "buffered"],
  [/holdback/i, "StreamBuffer, buffer"],
  [/free-?form/i, "custom (tool)"],
  [/passedOver|pass(?:es|ed|ing)? over/i, "skipped, to skip"],
  [/\bmoveOn\b/, "fallbackOn"],
  [/\bresting\b/i, "cooling down, CoolingDown"],
  [/patience|\bpatient\b/i, "maxRetryAfter, timeout, policies"],
  [/\brecalled\b/i, "cache hit"],
  [/kept from before/i, "cache hit"],
  [/foyer/i, "public paths"],
  [/\bstrangers?\b/i, "content of other vendors, unknown client"],
  [/: Compiled\b|<Compiled\b|\btype Compiled\b/, "BoundRoute"],
  [/\brescues?\b/i, "OnError, error branch"],
  [/\bMiss\b/, "FailedStep"],
  [/\bVerdict\b/, "Availability, SkipReason, CheckResult"],
  [/\bunheard\b/i, "not yet logged, unknown"],
  [/\bwhoever\b/i, "the deployment, the client, the provider that …"],
  [/\bnobody\b/i, "no deployment, no client"],
  [/\bsomebody\b/i, "a deployment, a client"],
  [/\banybody\b/i, "any client, any caller"],
  [/\beverybody\b/i, "all clients, all callers"],
]

/** Where the words are retired. */
const patterns = [
  "packages/*/src/**/*.{ts,js,html}",
  "packages/*/README.md",
  "docs/*.md",
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "deploy/**/*",
  "examples/**/*.{ts,md,yaml}",
]

const files = patterns
  .flatMap((pattern) => globSync(pattern, { cwd: root, exclude: (name) => name.includes("node_modules") }))
  .filter((file) => /\.\w+$|Dockerfile$/.test(file))

/** Text that may have retired words: sections about words, and what programs printed when docs/clients.md was written. */
const exempt: Readonly<Record<string, RegExp>> = {
  "CONTRIBUTING.md": /^## (?:Glossary|Prose)\n[\s\S]*?(?=^## )/gm,
  "docs/clients.md": /^<!-- clients: begin -->$[\s\S]*^<!-- clients: end -->$/m,
}

/** The lines of a file, empty where they are exempt. */
const linesOf = (file: string): ReadonlyArray<string> => {
  const text = readFileSync(join(root, file), "utf8")
  const section = exempt[file]
  return (section === undefined ? text : text.replace(section, (found) => found.replaceAll(/[^\n]/g, ""))).split("\n")
}

describe("retired words", () => {
  it("are looked for where there are files", () => {
    for (const pattern of patterns) assert.isNotEmpty(globSync(pattern, { cwd: root }), pattern)
    assert.isAbove(files.length, 300)
  })

  it("are found in a line that has one", () => {
    const found = (line: string) => retired.filter(([word]) => word.test(line)).length
    assert.strictEqual(found("the passedOver candidate, Resting since"), 2)
    assert.strictEqual(found("a candidate that was skipped: the next deployment"), 0)
  })

  it("are used nowhere", () => {
    const found = files.flatMap((file) =>
      linesOf(file).flatMap((line, at) =>
        retired
          .filter(([word]) => word.test(line))
          .map(([word, term]) => `${file}:${at + 1}: "${word.exec(line)?.[0]}" is: ${term}`),
      ),
    )
    assert.strictEqual(found.join("\n"), "", `${found.length} retired words`)
  })
})

describe("The glossary", () => {
  const [, glossary = ""] = readFileSync(join(root, "CONTRIBUTING.md"), "utf8").split(/^## (?:Glossary|Prose)$/m)
  const rows = glossary.split("\n").flatMap((line) => {
    const [, term = "", , where = ""] = line.split("|").map((cell) => cell.trim())
    return line.startsWith("|") && !/^-+$|^term$/.test(term)
      ? [{ term, names: where.match(/(?<=`)[^`, ]+(?=`)/g) ?? [] }]
      : []
  })
  const sources = globSync("packages/*/src/**/*.ts", { cwd: root })
    .map((file) => `${file}\n${readFileSync(join(root, file), "utf8")}`)
    .join("\n")

  it("has each term once, in a row with names", () => {
    assert.isAbove(rows.length, 30)
    assert.strictEqual(new Set(rows.map(({ term }) => term)).size, rows.length)
    for (const { names, term } of rows) assert.isNotEmpty(names, term)
  })

  for (const { names, term } of rows) {
    it(`names what exists for ${term}`, () => {
      for (const name of names) {
        // `Route.fallback` is the export `fallback` of Route.ts; what JSON calls `cooling_down` is the tag `CoolingDown`.
        const word = name
          .replace(/^[A-Z]\w+\./, "")
          .replace(/^[a-z]+(?:_[a-z]+)+$/, (tag) => (tag.startsWith("understudy_") ? tag : pascal(tag)))
        assert.isTrue(new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(sources), `${name} is in no source file`)
      }
    })
  }
})

const pascal = (tag: string): string => tag.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())

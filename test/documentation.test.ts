/** What the documentation shows is true: its TypeScript compiles, its YAML is a configuration, its links lead somewhere. */
import { assert, describe, it } from "@effect/vitest"
import * as Config from "@understudy/http/Config"
import * as YamlText from "@understudy/http/internal/config/YamlText"
import * as ScenarioFile from "@understudy/http/internal/rehearsal/ScenarioFile"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const root = join(import.meta.dirname, "..")

const documents = [
  ...readdirSync(root).filter((file) => file.endsWith(".md")),
  ...readdirSync(join(root, "docs")).map((file) => join("docs", file)),
  join("examples", "README.md"),
  join("bench", "README.md"),
  ...["core", "providers", "http"].map((name) => join("packages", name, "README.md")),
].filter((file) => file.endsWith(".md"))

interface Block {
  readonly document: string
  readonly language: string
  readonly text: string
}

const blocks: ReadonlyArray<Block> = documents.flatMap((document) =>
  [...readFileSync(join(root, document), "utf8").matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
    ([, language = "", text = ""]) => ({ document, language, text }),
  ),
)

const title = ({ document, text }: Block, index: number) => `${document} #${index}: ${text.split("\n")[0]}`

describe("YAML in the documentation", () => {
  blocks
    // packages/http/test/docs looks after these two: one is all of the grammar, the other has foreign ones too.
    .filter(
      ({ document, language, text }) =>
        language === "yaml" &&
        !isScenario(text) &&
        ![join("docs", "configuration.md"), join("docs", "migrating.md")].includes(document),
    )
    .forEach((block, index) => {
      it(title(block, index), () => {
        const document = Result.getOrThrow(YamlText.parse(block.text))
        const problems = Result.match(
          Config.decode(complete(document), (name) => name),
          {
            onSuccess: () => [],
            onFailure: (problems) => problems,
          },
        )
        assert.deepStrictEqual(problems, [])
      })
    })
})

const isScenario = (text: string): boolean => text.startsWith("# A scenario\n")

describe("scenarios in the documentation", () => {
  for (const { document, text } of blocks.filter(({ text }) => isScenario(text))) {
    it(document, () => {
      assert.deepStrictEqual(Result.getFailure(ScenarioFile.parse(text, document)), Option.none())
    })
  }
})

/** A block may show one section alone: what it does not say is filled in. */
const complete = (document: unknown): unknown => {
  const given = document as Record<string, unknown>
  const { deployments = { "gpt-4o": { provider: "openai", model: "gpt-4o" } } } = given
  return { ...given, deployments }
}

const snippets = blocks.filter(({ language }) => language === "ts")

describe("TypeScript in the documentation", () => {
  it("imports public modules only", () => {
    for (const { document, text } of snippets) {
      for (const [, path = ""] of text.matchAll(/from "(@understudy\/[^"]+)"/g)) {
        const [, name = "", subpath] = /^@understudy\/(\w+)(?:\/(.+))?$/.exec(path) ?? []
        const { exports } = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8")) as {
          readonly exports: Readonly<Record<string, string>>
        }
        assert.property(exports, subpath === undefined ? "." : `./${subpath}`, `${document} imports ${path}`)
      }
    }
  })

  it("compiles", { timeout: 60_000 }, () => {
    // In examples/, whose dependencies are those of our users.
    const folder = join(root, "examples", ".snippets")
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
    try {
      for (const [index, { document, text }] of snippets.entries()) {
        // A document's files import each other by the names in their first lines.
        const own = join(folder, document.replaceAll(/\W/g, "-"))
        mkdirSync(own, { recursive: true })
        const name = /^\/\/ ([\w.-]+\.ts)\n/.exec(text)?.[1] ?? `snippet-${index}.ts`
        writeFileSync(join(own, name), `${text}\nexport {}\n`)
      }
      writeFileSync(
        join(folder, "tsconfig.json"),
        JSON.stringify({
          extends: "../../tsconfig.base.json",
          compilerOptions: { noEmit: true, noUnusedLocals: false },
          include: ["**/*.ts"],
        }),
      )
      execFileSync(join(root, "node_modules", ".bin", "tsc"), ["-p", folder], { encoding: "utf8", stdio: "pipe" })
    } catch (error) {
      assert.fail((error as { readonly stdout?: string }).stdout ?? String(error))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it("is the example that is run, where it is one", () => {
    const library = readFileSync(join(root, "examples", "library.ts"), "utf8").replace(/^\/\*\*.*\*\/\n/, "")
    const shown = blocks.find(({ document, text }) => document === "README.md" && text.includes("RouterLive"))
    assert.strictEqual(shown?.text, library)
  })
})

/** The anchors of a document's headings, as GitHub makes them. */
const anchorsOf = (document: string): ReadonlySet<string> => {
  const headings = readFileSync(document, "utf8")
    .replaceAll(/^```[\s\S]*?^```$/gm, "")
    .matchAll(/^#+ (.+)$/gm)
  const anchor = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-")
  return new Set([...headings].map(([, heading = ""]) => anchor(heading)))
}

describe("links in the documentation", () => {
  for (const document of documents) {
    it(document, () => {
      const text = readFileSync(join(root, document), "utf8")
      for (const [, target = "", anchor] of text.matchAll(/\]\(([^)#\s]*)(?:#([^)]*))?\)/g)) {
        if (/^[a-z]+:/.test(target)) continue
        const file = target === "" ? join(root, document) : join(root, dirname(document), target)
        assert.isTrue(existsSync(file), `${document} links to ${target}`)
        if (anchor !== undefined && file.endsWith(".md"))
          assert.isTrue(anchorsOf(file).has(anchor), `${document} links to ${target}#${anchor}`)
      }
    })
  }
})

describe("The map of the repository", () => {
  const [, map = ""] = readFileSync(join(root, "CONTRIBUTING.md"), "utf8").split(/^## The map$|^## Adding$/m)
  const sections = map.split(/^\| `(?:packages\/|(?=examples`))/m)
  for (const name of ["core", "providers", "http"]) {
    it(`names all that stands in packages/${name}/src once`, () => {
      const section = sections.find((each) => each.startsWith(`${name}\``)) ?? ""
      // The first column says what is where; the second what it is.
      const where = section.split("\n").map((row) => row.split("|")[row.startsWith("|") ? 1 : 0] ?? "")
      const named = where.flatMap((cell) =>
        [...cell.matchAll(/`(?:src\/)?([\w-]+)(?:\.[jt]s|\/)?`/g)].map(([, each]) => each),
      )
      const stand = readdirSync(join(root, "packages", name, "src")).map((file) => file.replace(/\.[jt]s$/, ""))
      assert.deepStrictEqual(
        named.filter((each) => each !== name).toSorted(),
        stand.filter((each) => each !== "index").toSorted(),
      )
    })
  }
})

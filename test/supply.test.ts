/** What builds, publishes and ships this project is named by what it holds: nothing can be changed behind a name. */
import { assert, describe, it } from "@effect/vitest"
import * as Yaml from "effect/encoding/Yaml"
import { existsSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")
const parse = <Shape>(path: string): Shape => Yaml.parse(read(path)) as Shape

type Permissions = Readonly<Record<string, string>>

interface Workflow {
  readonly permissions?: Permissions
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly permissions?: Permissions
        readonly steps: ReadonlyArray<{
          readonly uses?: string
          readonly run?: string
          readonly with?: Readonly<Record<string, unknown>>
        }>
      }
    >
  >
}

const workflows = globSync(".github/workflows/*.yml", { cwd: root })
const images = globSync("{deploy,examples/*}/Dockerfile", { cwd: root })

/** What a job may do beyond reading, in which workflow. */
const granted: Readonly<Record<string, Permissions>> = {
  "release.yml publish": { "id-token": "write" },
  "release.yml note": { contents: "write" },
}

describe("workflows", () => {
  it("are there", () => {
    assert.sameMembers(
      workflows.map((path) => path.replace(/.*[\\/]/, "")),
      ["ci.yml", "release.yml"],
    )
  })

  for (const path of workflows) {
    const file = path.replace(/.*[\\/]/, "")
    const { jobs, permissions } = parse<Workflow>(path)

    it(`${file} names each action by its commit, and says which version that is`, () => {
      const uses = read(path).match(/^.*\buses:.*$/gm) ?? []
      assert.isAbove(uses.length, 0)
      for (const line of uses) assert.match(line, /uses: [\w.-]+\/[\w./-]+@[\da-f]{40} # v\d+\.\d+\.\d+$/)
    })

    it(`${file} reads, and each job may do no more than it has to`, () => {
      assert.deepStrictEqual(permissions, { contents: "read" })
      for (const [name, job] of Object.entries(jobs)) {
        assert.deepStrictEqual(job.permissions, granted[`${file} ${name}`], name)
        for (const { uses, with: options } of job.steps) {
          if (uses?.startsWith("actions/checkout@") === true) assert.isFalse(options?.["persist-credentials"], name)
        }
      }
    })

    it(`${file} runs no code of a dependency where something may be written`, () => {
      for (const [name, { permissions, steps }] of Object.entries(jobs)) {
        if (permissions === undefined) continue
        for (const { run = "", uses = "" } of steps) {
          assert.notMatch(run, /\bnpx\b|npm (run|ci|install|test)|\.ci\/run/, name)
          assert.notMatch(uses, /checkout/, name)
        }
      }
    })
  }

  it("publish what was tested, with its provenance, and say what it brings along", () => {
    const release = read(".github/workflows/release.yml")
    assert.include(release, "npm publish")
    assert.include(release, "--provenance")
    for (const name of ["core", "providers", "http"])
      assert.isTrue(existsSync(join(root, "packages", name, "package.json")))
    assert.match(release, /pnpm@\S+ sbom .*--sbom-format cyclonedx/)
    // No token that could be taken: the registry trusts the workflow itself.
    assert.notMatch(release, /secrets\.|NODE_AUTH_TOKEN/)
  })
})

describe("images", () => {
  it("are there", () => assert.isAtLeast(images.length, 2))

  for (const path of images) {
    const text = read(path)

    it(`${path} stands on a base named by its digest, of the Node that the project runs on`, () => {
      const { devDependencies } = JSON.parse(read("package.json")) as { devDependencies: { node: string } }
      const bases = [...text.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base ?? "")
      assert.isNotEmpty(bases)
      // `scratch` is empty: what is in such an image comes from the bases of its other stages.
      for (const base of bases.filter((base) => base !== "scratch")) {
        assert.match(base, /^node:\d+\.\d+\.\d+-[\w-]+@sha256:[\da-f]{64}$/)
        assert.isTrue(base.startsWith(`node:${devDependencies.node}-`), base)
      }
    })

    it(`${path} holds nothing that is for developers, and runs as a user without privileges`, () => {
      assert.match(text, /pnpm@\d+\.\d+\.\d+ install --prod --frozen-lockfile/)
      assert.match(text, /^USER (node|1000:1000)$/m)
      const ignored = read(`${path}.dockerignore`).split("\n")
      assert.strictEqual(ignored[0], "**")
      for (const each of ["**/.env", "**/node_modules", "packages/*/test"]) assert.include(ignored, each)
    })
  }
})

describe("SECURITY.md", () => {
  const promises =
    read("SECURITY.md")
      .split(/^## What it does not$/m)[0]
      ?.match(/^- [^]*?(?=^- |(?![^]))/gm) ?? []

  it("promises", () => assert.isAtLeast(promises.length, 9))

  for (const promise of promises) {
    it(`names the test that holds: ${promise.slice(2, 60).split("\n")[0]}`, () => {
      const tests = promise.match(/(?:packages\/\w+\/)?test\/[\w/]+\.test\.ts/g) ?? []
      assert.isNotEmpty(tests)
      for (const path of tests) assert.isTrue(existsSync(join(root, path)), path)
    })
  }
})

interface Dependabot {
  readonly updates: ReadonlyArray<{
    readonly "package-ecosystem": string
    readonly directories?: ReadonlyArray<string>
    readonly groups?: object
  }>
}

describe("updates", () => {
  it("are proposed for packages, actions and images, in groups", () => {
    const { updates } = parse<Dependabot>(".github/dependabot.yml")
    assert.sameMembers(
      updates.map((update) => update["package-ecosystem"]),
      ["npm", "github-actions", "docker"],
    )
    for (const { groups } of updates) assert.isNotEmpty(Object.keys(groups ?? {}))
    const docker = updates.find((update) => update["package-ecosystem"] === "docker")
    assert.sameMembers(
      [...(docker?.directories ?? [])],
      images.map((path) => `/${path.replaceAll("\\", "/").replace(/\/Dockerfile$/, "")}`),
    )
  })
})

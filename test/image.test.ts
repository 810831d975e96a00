/** What `deploy/image.sh` puts into the image: Node with its libraries, which run by themselves, and no more of packages than they need. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const deploy = join(import.meta.dirname, "..", "deploy")
const folder = mkdtempSync(join(tmpdir(), "understudy-image-"))
const target = join(folder, "root")

const write = (path: string) => {
  const file = join(folder, "app", path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, path)
}

// It runs in Debian's image of Node.
const isDebian = existsSync("/etc/debian_version")
if (!isDebian) process.stderr.write("this is no Debian: the test of the image's content is SKIPPED\n")

describe.skipIf(!isDebian)("the content of the image", () => {
  beforeAll(() => {
    for (const path of [
      "node_modules/.pnpm/effect@4.1.0/node_modules/effect/index.js",
      "node_modules/.pnpm/openai@1.0.0/node_modules/openai/index.mjs",
      "node_modules/.pnpm/openai@1.0.0/node_modules/openai/index.d.ts",
      "node_modules/.pnpm/openai@1.0.0/node_modules/openai/index.mjs.map",
      "node_modules/.pnpm/openai@1.0.0/node_modules/openai/LICENSE",
      "packages/http/node_modules/.keep",
      "packages/http/bundle/main.js",
      "packages/http/src/dashboard/page.html",
      "packages/http/src/App.ts",
      "packages/http/package.json",
      "packages/http/LICENSE",
      "packages/core/src/Router.ts",
    ]) {
      write(path)
    }
    const { status, stderr } = spawnSync("sh", [join(deploy, "image.sh"), join(folder, "app"), target], {
      encoding: "utf8",
    })
    assert.strictEqual(status, 0, stderr)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("is the bundle, the page and the packages without what is for developers", () => {
    assert.sameMembers(
      readdirSync(join(target, "app"), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(join(target, "app").length + 1)),
      [
        "node_modules/.pnpm/openai@1.0.0/node_modules/openai/index.mjs",
        "node_modules/.pnpm/openai@1.0.0/node_modules/openai/LICENSE",
        "packages/http/node_modules/.keep",
        "packages/http/bundle/main.js",
        "packages/http/src/dashboard/page.html",
        "packages/http/package.json",
        "packages/http/LICENSE",
      ],
    )
  })

  it("has a Node that runs with the libraries beside it alone", () => {
    const [loader = ""] = globSync(["lib64/ld-linux-*", "lib/ld-linux-*"], { cwd: target })
    const libraries = globSync("lib/*-linux-gnu", { cwd: target }).map((path) => join(target, path))
    const node = [join(target, "usr/local/bin/node"), "--print", "process.report.getReport().sharedObjects.join()"]
    const { status, stderr, stdout } = spawnSync(
      join(target, loader),
      ["--library-path", libraries.join(":"), "--inhibit-cache", ...node],
      { encoding: "utf8" },
    )
    assert.strictEqual(status, 0, stderr)
    const loaded = stdout
      .trim()
      .split(",")
      .filter((path) => /\.so/.test(path) && !path.startsWith("linux-vdso"))
    assert.isNotEmpty(loaded)
    for (const path of loaded) assert.isTrue(path.startsWith(target), path)
  })

  it("is what the Dockerfile's last stage copies into an empty image", () => {
    const last =
      readFileSync(join(deploy, "Dockerfile"), "utf8")
        .split(/^FROM /m)
        .at(-1) ?? ""
    assert.match(last, /^scratch$/m)
    assert.match(last, /^COPY --from=installed \/root-of-image \/$/m)
    assert.match(last, /^USER 1000:1000$/m)
    assert.match(last, /^HEALTHCHECK .*CMD/m)
    assert.match(last, /^VOLUME \/data$/m)
    const [, main] = /ENTRYPOINT .*"\/app\/([^"]*)"/.exec(last) ?? []
    assert.strictEqual(main, "packages/http/bundle/main.js")
  })
})

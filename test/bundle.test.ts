/** The bundle of the command, as the package publishes it and the image runs it. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { ChildProcess } from "node:child_process"
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const folder = mkdtempSync(join(tmpdir(), "understudy-bundle-"))
const children: Array<ChildProcess> = []

beforeAll(() => void execFileSync(process.execPath, ["scripts/bundle.ts"], { cwd: root }), 60_000)

afterAll(() => {
  for (const child of children) child.kill("SIGKILL")
  rmSync(folder, { recursive: true, force: true })
})

/** The gateway's address, and the modules that it loaded. */
const serve = (args: ReadonlyArray<string>) => {
  const preload = join(root, "packages/http/test/cli/loaded.js")
  const main = join(root, "packages/http/bundle/main.js")
  const child = spawn(process.execPath, ["--import", preload, main, "serve", "--port", "0", ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"] },
  })
  children.push(child)
  return new Promise<{ readonly url: string; readonly loaded: ReadonlyArray<string> }>((resolve, reject) => {
    let printed = ""
    const look = (text: Buffer) => {
      printed += text.toString()
      const [, url] = /serves (\S+)\/v1/.exec(printed) ?? []
      if (url !== undefined)
        resolve({ url, loaded: [...printed.matchAll(/^loaded (.*)$/gm)].map(([, url = ""]) => url) })
    }
    child.stdout.on("data", look)
    child.stderr.on("data", look)
    child.once("close", () => reject(new Error(`the gateway ended\n${printed}`)))
  })
}

describe("the bundle", { timeout: 60_000 }, () => {
  it("serves the page and an answer", async () => {
    const { url } = await serve([])
    const page = await fetch(url)
    assert.match(await page.text(), /<title>/)
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "Hello" }] }),
    })
    assert.strictEqual(answer.status, 200)
  })

  it("loads the chunks and the packages of one vendor for its deployment", async () => {
    writeFileSync(join(folder, "one.yaml"), "deployments:\n  only: { provider: openai, model: gpt-4o, apiKey: x }\n")
    const { loaded } = await serve(["--config", "one.yaml"])
    const packages = new Set(loaded.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []))
    assert.sameMembers([...packages], ["openai", "undici", "ws"])
    const chunks = loaded.flatMap((url) => /\/bundle\/chunks\/(\w+)-[\w-]{8}\.js$/.exec(url)?.[1] ?? [])
    assert.include(chunks, "OpenAi")
    for (const name of ["Anthropic", "Azure", "Bedrock", "Gemini", "Simulated", "RedisState", "Litellm", "CrossRegion"])
      assert.notInclude(chunks, name)
  })

  it("keeps no asynchronous context in fibres, as the sources do", () => {
    const preload = join(root, "packages/http/test/cli/asyncResources.js")
    const args = ["--import", preload, join(root, "packages/http/bundle/main.js"), "draw", "assistant"]
    assert.match(execFileSync(process.execPath, args, { encoding: "utf8", cwd: folder }), /resources of fibres: 0$/m)
  })

  it("contains the licence of each package in it", () => {
    const text = readFileSync(join(root, "packages/http/bundle/LICENSES.txt"), "utf8")
    for (const name of ["effect", "@effect/platform-node", "@pydantic/genai-prices"])
      assert.match(text, new RegExp(`^${name} \\S+ \\(MIT\\)$`, "m"))
    assert.match(text, /Permission is hereby granted/)
  })

  it("is the published command", () => {
    const { files, publishConfig } = JSON.parse(readFileSync(join(root, "packages/http/package.json"), "utf8"))
    assert.deepStrictEqual(publishConfig.bin, { understudy: "./bundle/main.js" })
    assert.includeMembers(files, ["bundle", "src"])
  })
})

/** `understudy explain` and `understudy draw`, as processes of their own, where no provider could be reached. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const main = join(import.meta.dirname, "..", "..", "src", "main.js")

const folder = mkdtempSync(join(tmpdir(), "understudy-explain-"))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

// One could not start for want of a key, the other would have to be reached.
writeFileSync(
  join(folder, "two.yaml"),
  `
deployments:
  sonnet: { provider: anthropic, model: claude-sonnet-4-5, capabilities: { contextWindow: 10 }, limits: { rpm: 60 } }
  local: { provider: openai, model: llama3, baseUrl: "http://127.0.0.1:1/v1" }
routes:
  assistant: { fallback: [sonnet, local], retry: { times: 1, base: 100ms } }
  picky:
    when:
      - { if: { tags: [vip, eu], headers: { x-understudy-tier: gold } }, use: sonnet }
      - { if: { keys: [team-a], metadata: { plan: paid } }, use: sonnet }
    else: local
keys: [{ id: team-a, key: sk-a }]
guardrails: [{ name: pii, url: "http://127.0.0.1:1/", on: [before], routes: [assistant] }]
`,
)

const understudy = (...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number; readonly out: string; readonly err: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      { cwd: folder, env: { PATH: process.env["PATH"], NO_COLOR: "1" } },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })

describe.concurrent("understudy explain", { timeout: 30_000 }, () => {
  it("prints the plan of a call, and starts no provider", async () => {
    const { code, out } = await understudy("explain", "assistant", "--config", "two.yaml", "--message", "x".repeat(99))
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(out.trimEnd().split("\n"), [
      "assistant: a non-streamed call of about 25 input tokens; at most 5m in total; guardrails: pii",
      "fallback",
      "  1. sonnet (claude-sonnet-4-5): skipped: 25 tokens do not fit its context window of 10",
      "       1 retry, 100ms to 8s apart, Retry-After up to 5s",
      "       at most 1m an attempt",
      "       circuit opens after 3 failures in a row, for 5s to 30s",
      "       limits: rpm 60",
      "  2. local (llama3): available",
      "       1 retry, 100ms to 8s apart, Retry-After up to 5s",
      "       at most 5m an attempt",
      "       circuit opens after 3 failures in a row, for 5s to 30s",
    ])
  })

  it("applies tags, headers, metadata and keys to conditions", async () => {
    const who = async (...flags: ReadonlyArray<string>) => {
      const { out } = await understudy("explain", "picky", "--config", "two.yaml", "--json", ...flags)
      return JSON.parse(out).plan.deployment
    }
    assert.strictEqual(await who("--tag", "vip", "--header", "x-understudy-tier=gold"), "local")
    assert.strictEqual(await who("--tag", "vip", "--tag", "eu", "--header", "X-Understudy-Tier=gold"), "sonnet")
    assert.strictEqual(await who("--caller", "team-a", "--metadata", "plan=paid"), "sonnet")
  }, 60_000)

  it("prints JSON with --json, of the simulation without a file", async () => {
    const { code, out } = await understudy("explain", "balanced", "--json", "--stream")
    assert.strictEqual(code, 0)
    const tree = JSON.parse(out)
    assert.deepStrictEqual([tree.route, tree.streaming, tree.plan.strategy], ["balanced", true, "least-busy"])
    assert.deepStrictEqual(
      tree.plan.plans.map(({ deployment, score }: { deployment: string; score: number }) => [deployment, score]),
      [
        ["primary", 0],
        ["backup", 0],
      ],
    )
  })

  it("lists the routes for an unknown route", async () => {
    for (const command of ["explain", "draw"]) {
      const { code, err, out } = await understudy(command, "asistant", "--config", "two.yaml")
      assert.deepStrictEqual([code, out], [1, ""])
      assert.include(
        err,
        'no route or deployment called "asistant": did you mean "assistant"? This router serves: assistant, picky, sonnet, local.',
      )
    }
  })

  it("prints every problem of an invalid configuration", async () => {
    writeFileSync(join(folder, "wrong.yaml"), "deployments: { a: { provider: opnai, model: x } }\n")
    for (const command of ["explain", "draw"]) {
      const { code, err } = await understudy(command, "a", "--config", "wrong.yaml")
      assert.strictEqual(code, 1)
      assert.match(err, /wrong\.yaml: 1 problem\n {2}deployments\.a\.provider: /)
    }
  })
})

describe.concurrent("understudy draw", { timeout: 30_000 }, () => {
  it("prints only the Mermaid flowchart", async () => {
    const { code, out } = await understudy("draw", "assistant", "--config", "two.yaml")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(out.trimEnd().split("\n"), [
      "flowchart LR",
      '  call(["assistant"]) --> n3',
      '  subgraph n3["retry.times 1, retry.base 100ms"]',
      '    n1["sonnet"]',
      '    n2["local"]',
      "    n1 -. else .-> n2",
      "  end",
    ])
  })
})

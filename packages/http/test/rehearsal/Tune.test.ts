/** `understudy tune`, as a process of its own, where no provider could be reached. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as YamlText from "@understudy/http/internal/config/YamlText"
import * as Result from "effect/Result"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const main = join(import.meta.dirname, "..", "..", "src", "main.js")

const folder = mkdtempSync(join(tmpdir(), "understudy-tune-"))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

writeFileSync(
  join(folder, "understudy.yaml"),
  `
deployments:
  sonnet: { provider: anthropic, model: claude-sonnet-4-5, apiKey: sk-secret-a }
  gpt: { provider: openai, model: gpt-4o, apiKey: "\${GPT_KEY}" }
routes: { assistant: [sonnet, gpt] }
`,
)
writeFileSync(join(folder, ".env"), "GPT_KEY=sk-secret-b\n")

const tune = (...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number; readonly out: string; readonly err: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [main, "tune", ...args],
      { cwd: folder, env: { PATH: process.env["PATH"], NO_COLOR: "1" } },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })

const outage = ["--scenario", "vendor-outage", "--rate", "1/s", "--for", "5m"]

interface Point {
  readonly changes: ReadonlyArray<{ readonly path: string; readonly value: number }>
  readonly yaml: string
  readonly pareto: boolean
  readonly availability: number
  readonly latency: { readonly p95: number }
  readonly cost: number
}

const pointsOf = (out: string): ReadonlyArray<Point> => JSON.parse(out).points

const isAsGood = (one: Point, other: Point): boolean =>
  one.availability >= other.availability && one.latency.p95 <= other.latency.p95 && one.cost <= other.cost

describe.concurrent("understudy tune", { timeout: 180_000 }, () => {
  it("prints the configuration, the Pareto front, and the YAML that each point changes", async () => {
    const { code, err, out } = await tune(...outage, "--vary", "retry.times=0..2,circuit.failures=1,5")
    assert.strictEqual(err, "")
    assert.strictEqual(code, 0)
    assert.match(out, /^vendor-outage: .*\n5m, 1 calls a second, seed 1\n\n +availability +p95 +cost\n/)
    assert.match(out, /\nunderstudy\.yaml +\d+\.\d{3} % +\d+\.\d\d s +\$\d+\.\d{3}/)
    assert.match(out, /\n\n1\n {2}defaults:\n {4}retry: \{ times: \d \}\n {4}circuit: \{ failures: \d \}\n/)
    assert.match(out, /\nOn the Pareto front: \d of 6 variants\./)
    assert.notInclude(out, "secret")
  })

  it("plays the same calls for every variant, and shows by --all what the front beats", async () => {
    const given = [...outage, "--vary", "retry.times=0..2", "--vary", "circuit.failures=1,5", "--json"]
    const [some, all, again] = await Promise.all([tune(...given), tune(...given, "--all"), tune(...given, "--all")])
    assert.strictEqual(all.out, again.out)
    const points = pointsOf(all.out)
    assert.strictEqual(points.length, 7)
    assert.deepStrictEqual(points[0]?.changes, [])
    assert.deepStrictEqual(
      pointsOf(some.out),
      points.filter(({ pareto }, index) => index === 0 || pareto),
    )
    const front = points.filter(({ pareto }) => pareto)
    const others = points.filter(({ pareto }) => !pareto)
    assert.isAbove(others.length, 0)
    for (const other of others) assert.isTrue(front.some((point) => isAsGood(point, other)))
    for (const { changes, yaml } of points.slice(1)) {
      const [times, failures] = changes.map(({ value }) => value)
      assert.deepStrictEqual(
        YamlText.parse(yaml),
        Result.succeed({ defaults: { retry: { times }, circuit: { failures } } }),
      )
    }
    assert.notInclude(all.out, "secret")
  })

  it("says which value cannot be, before it rehearses anything", async () => {
    const wrong = async (...args: ReadonlyArray<string>) => {
      const { code, err, out } = await tune(...args)
      assert.strictEqual(code, 1)
      assert.strictEqual(out, "")
      return err.trimEnd()
    }
    assert.strictEqual(
      await wrong("--vary", "circuit.failures=3,0"),
      "understudy.yaml: 1 problem\n  defaults.circuit.failures: expected a whole number above 0, found 0",
    )
    assert.strictEqual(
      await wrong("--vary", "hedge.after=1s"),
      "--vary hedge.after: no route of the configuration has a hedge",
    )
    assert.match(await wrong("--vary", "retry.times=0..5", "--max", "5"), /^--vary 6 variants are more than 5/)
  })
})

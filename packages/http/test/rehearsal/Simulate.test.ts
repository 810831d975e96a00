/** `understudy simulate`, as a process of its own, where no provider could be reached. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const main = join(import.meta.dirname, "..", "..", "src", "main.js")

const folder = mkdtempSync(join(tmpdir(), "understudy-simulate-"))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const deployments = `
deployments:
  sonnet: { provider: anthropic, model: claude-sonnet-4-5, apiKey: a }
  gpt: { provider: openai, model: gpt-4o, apiKey: b }
`

writeFileSync(join(folder, "alone.yaml"), `${deployments}\nroutes: { assistant: [sonnet] }\n`)
writeFileSync(
  join(folder, "both.yaml"),
  `${deployments}
routes: { assistant: [sonnet, gpt] }
keys: [{ id: team-a, key: sk-a, limits: { rpm: 20 } }, { id: team-b, key: sk-b }]
database: sqlite:./books.db
budgets: { list: [{ all: true, amount: 2, window: day }] }
`,
)
writeFileSync(
  join(folder, "broken.yaml"),
  "incidents: [{ from: 5m, for: 10m, where: { vendor: azure }, outage: true }]\n",
)

const simulate = (...args: ReadonlyArray<string>) => simulateIn({}, ...args)

const simulateIn = (env: NodeJS.ProcessEnv, ...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number; readonly out: string; readonly err: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [main, "simulate", ...args],
      { cwd: folder, env: { PATH: process.env["PATH"], NO_COLOR: "1", ...env } },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })

describe.concurrent("understudy simulate", { timeout: 180_000 }, () => {
  it("prints two configurations side by side: with a backup, an outage of the first vendor is rescued", async () => {
    const { code, err, out } = await simulate("both.yaml", "--against", "alone.yaml", "--rate", "1/s", "--for", "30m")
    assert.strictEqual(err, "")
    assert.strictEqual(code, 0)
    assert.match(
      out,
      /^vendor-outage: The first vendor cannot be reached for an hour\.\n30m, 1 calls a second, seed 1\n/,
    )
    for (const name of ["both", "alone"]) {
      assert.match(
        out,
        new RegExp(
          `\n${name}\\.yaml\nuntil +calls +availability +attempts a call +cost\n1m +\\d+ .*\n10m +\\d+ .*\n\n`,
        ),
      )
    }
    assert.match(out, /\n +both\.yaml +alone\.yaml\n/)
    assert.match(out, /\nfailovers of both\.yaml\n +sonnet +to +gpt +\d+/)
    assert.match(out, /\nworst minutes of alone\.yaml\n/)
  })

  it("keeps the limits of keys and the budgets of the configuration", async () => {
    const { out } = await simulate("both.yaml", "--scenario", "calm", "--rate", "1/s", "--for", "30m", "--json")
    const { reports, scenario } = JSON.parse(out)
    assert.strictEqual(scenario, "calm")
    const [{ calls, cost, errors }] = reports
    assert.isAbove(calls, 1600)
    assert.isAbove(errors.RateLimited, 200)
    assert.isAbove(errors.BudgetExceeded, 100)
    assert.isAtMost(cost, 2)
    assert.isAbove(cost, 1.8)
  })

  it("has the same bytes for the same seed, whatever the language and the time zone are", async () => {
    const hours = join(folder, "hours.yaml")
    writeFileSync(
      hours,
      "traffic: { rate: 2, hours: [9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] }\n",
    )
    const run = (env: NodeJS.ProcessEnv, ...args: ReadonlyArray<string>) =>
      simulateIn(env, "both.yaml", "--scenario", hours, "--for", "5m", "--seed", "7", ...args)
    const elsewhere = { TZ: "Asia/Tokyo", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" }
    const [one, other, text, otherText] = await Promise.all([
      run({}, "--json"),
      run(elsewhere, "--json"),
      run({}),
      run(elsewhere),
    ])
    assert.strictEqual(one.out, other.out)
    assert.strictEqual(text.out, otherText.out)
    assert.isAbove(one.out.length, 1000)
    assert.isAbove(text.out.length, 1000)
  })

  it("lists the scenarios, one name a line", async () => {
    const { out } = await simulate("--scenarios")
    assert.deepStrictEqual(out.trimEnd().split("\n").slice(0, 2), ["calm", "vendor-outage"])
  })

  it("says what is wrong with its options and with a scenario", async () => {
    const wrong = async (...args: ReadonlyArray<string>) => {
      const { code, err } = await simulate("alone.yaml", ...args)
      assert.strictEqual(code, 1)
      return err.trimEnd()
    }
    assert.match(await wrong("--scenario", "monday"), /^--scenario monday: there is no such scenario/)
    assert.match(await wrong("--for", "long"), /^--for long: expected a duration above 0/)
    assert.match(await wrong("--rate", "-1"), /rate/)
    assert.strictEqual(
      await wrong("--scenario", "broken.yaml"),
      'incidents[0].where.vendor: "azure" matches no deployment: there is "sonnet", "gpt"',
    )
  })
})

/** `understudy demo`, as processes of its own, offline: the tables are those of the originals, to the figure where that is certain. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"

const main = join(import.meta.dirname, "..", "..", "src", "main.js")

const demo = (...args: ReadonlyArray<string>) =>
  promisify(execFile)(process.execPath, [main, "demo", ...args], {
    timeout: 110_000,
    env: { PATH: process.env["PATH"], NO_COLOR: "1" },
  }).then(({ stdout }) => stdout)

const lines = (text: string, pattern: RegExp): ReadonlyArray<string> => text.match(pattern) ?? []

describe.concurrent("understudy demo", { timeout: 120_000 }, () => {
  it("fallback: three on the primary, the rest on its fallback", async () => {
    const told = await demo("fallback")
    assert.strictEqual(lines(told, /^\[[\d:.]+\] Request #[ \d]\d → PRIMARY: /gm).length, 3)
    assert.strictEqual(lines(told, /^\[[\d:.]+\] Request #[ \d]\d → FALLBACK!/gm).length, 7)
    assert.match(told, /^Successful: +10$/m)
    assert.match(told, /^Primary Model Used: +3$/m)
    assert.match(told, /^Fallback Triggered: +7$/m)
    assert.match(told, /^ {2}FALLBACK us\.anthropic\.claude-3-5-sonnet-20241022-v2:0 +: {2}7 requests \(70\.0%\)$/m)
    assert.match(told, /^ {2}PRIMARY {2}us\.anthropic\.claude-sonnet-4-20250514-v1:0 +: {2}3 requests \(30\.0%\)$/m)
    assert.match(told, /FALLBACK WORKING: 7 requests successfully failed over$/m)
  })

  it("load-balancing: three on each primary, the rest on the fallback", async () => {
    const told = await demo("load-balancing")
    assert.match(told, /^ {2}us\.anthropic\.claude-3-5-sonnet-20241022-v2:0 +: {2}4 requests \(40\.0%\)$/m)
    assert.match(told, /^ {2}us\.anthropic\.claude-3-7-sonnet-20250219-v1:0 +: {2}3 requests \(30\.0%\)$/m)
    assert.match(told, /^ {2}us\.anthropic\.claude-sonnet-4-20250514-v1:0 +: {2}3 requests \(30\.0%\)$/m)
    assert.match(told, /LOAD BALANCING WORKING/)
  })

  it("quota-isolation: each within its own limit, by models and by keys", async () => {
    const told = await demo("quota-isolation")
    const rows = [...told.matchAll(/^([ABC]) +\| +(?:NOISY|NORMAL) \| +([\d.]+)% \| +5 \| +(\d) \| +\d \| +(\d) \|/gm)]
    const expected = ["A 60.0 3 2", "B 100.0 5 0", "C 100.0 5 0"]
    assert.deepStrictEqual(
      rows.map(([, ...cells]) => cells.join(" ")),
      [...expected, ...expected],
    )
    assert.strictEqual(lines(told, /QUOTA ISOLATION WORKING/g).length, 2)
  })

  it("cross-region: the regions that a profile led to", async () => {
    const told = await demo("cross-region", "--requests", "6")
    assert.match(told, /^Region +\| Invocations \| Percentage$/m)
    const rows = [...told.matchAll(/^(us-\w+-\d) +\| +(\d+) \| +[\d.]+%$/gm)]
    assert.isAbove(rows.length, 1)
    assert.strictEqual(
      rows.reduce((sum, [, , count]) => sum + Number(count), 0),
      6,
    )
  })

  it("account-sharding: each account's calls, and their regions", async () => {
    const told = await demo("account-sharding")
    assert.match(told, /^ACCOUNT1 \| +10 \| +10 \| +0 \| +100\.0% \| +[\d.]+s$/m)
    assert.match(told, /^ACCOUNT2 \| +10 \| +10 \| +0 \| +100\.0% \| +[\d.]+s$/m)
    assert.match(told, /^TOTAL {4}\| +20 \| +20 \| +0 \| +100\.0% \| +[\d.]+s$/m)
    for (const account of ["ACCOUNT1", "ACCOUNT2"]) {
      const [, table = ""] = told.split(`\n${account}:\n`)
      const counts = [...(table.split("\n\n")[0] ?? "").matchAll(/^us-\w+-\d +\| +(\d+) \|/gm)]
      assert.strictEqual(
        counts.reduce((sum, [, count]) => sum + Number(count), 0),
        10,
      )
    }
  })
})

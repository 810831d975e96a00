/** `understudy replay`, as a process of its own, over a tape that a rehearsal has recorded. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Rehearsal from "@understudy/core/Rehearsal"
import * as Route from "@understudy/core/Route"
import { Router } from "@understudy/core/Router"
import * as Tape from "@understudy/core/Tape"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const main = join(import.meta.dirname, "..", "..", "src", "main.js")

const folder = mkdtempSync(join(tmpdir(), "understudy-replay-"))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const deployments = `
deployments:
  sonnet: { provider: anthropic, model: claude-sonnet-4-5, apiKey: a }
  gpt: { provider: openai, model: gpt-4o, apiKeys: [b, c] }
`

writeFileSync(join(folder, "alone.yaml"), `${deployments}\nroutes: { assistant: [sonnet] }\n`)
writeFileSync(join(folder, "both.yaml"), `${deployments}\nroutes: { assistant: [sonnet, gpt] }\n`)
writeFileSync(join(folder, "no.tape"), "nothing")

beforeAll(async () => {
  const writer = new Tape.Writer({ version: "1.0.0", instance: "one", startedAt: 0, sample: 0.5 })
  const recording = Layer.effectDiscard(
    Effect.flatMap(Router, (router) =>
      router.subscribe((event) => {
        if (event._tag === "CallEnded") writer.add(event.receipt)
      }),
    ),
  )
  await Effect.runPromise(
    Rehearsal.run({
      deployments: { sonnet: { model: "m", vendor: "anthropic" }, gpt: { model: "m", vendor: "openai" } },
      routes: { assistant: Route.fallback("sonnet", "gpt") },
      scenario: "vendor-outage",
      rate: 1,
      for: "15 minutes",
      over: (router) => Layer.provideMerge(recording, router),
    }),
  )
  writeFileSync(join(folder, "calls.tape"), writer.take())
})

const replay = (...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number; readonly out: string; readonly err: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [main, "replay", ...args],
      { cwd: folder, env: { PATH: process.env["PATH"], NO_COLOR: "1" } },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })

describe.concurrent("understudy replay", { timeout: 60_000 }, () => {
  it("makes the calls of a tape through two configurations, and says that it is a sample", async () => {
    const { code, err, out } = await replay("calls.tape", "--config", "both.yaml", "--against", "alone.yaml")
    assert.strictEqual(err, "")
    assert.strictEqual(code, 0)
    assert.match(out, /^\d+ calls from 2026-01-01 00:00 to 2026-01-01 00:1\d UTC\n50\.0 % of the calls were recorded/)
    assert.match(out, /\n +both\.yaml +alone\.yaml\n/)
    assert.match(out, /\nfailovers of both\.yaml\n +sonnet +to +gpt +\d+/)
  })

  it("writes the report as HTML, the same bytes for the same seed", async () => {
    const run = (file: string) => replay("calls.tape", "--config", "both.yaml", "--html", file)
    await Promise.all([run("one.html"), run("other.html")])
    const [one, other] = ["one.html", "other.html"].map((file) => readFileSync(join(folder, file), "utf8"))
    assert.strictEqual(one, other)
    assert.match(
      one ?? "",
      /<h1>\d+ calls from 2026-01-01 00:00 to [^]*<p>50\.0 % of the calls were recorded[^]*sonnet: lowest closed/,
    )
  })

  it("prints the same report as JSON for the same seed", async () => {
    const run = () => replay("calls.tape", "--config", "alone.yaml", "--json", "--seed", "4")
    const [one, other] = await Promise.all([run(), run()])
    assert.strictEqual(one.out, other.out)
    const { reports, sample } = JSON.parse(one.out)
    assert.strictEqual(sample, 0.5)
    assert.isBelow(reports[0].availability, 0.9)
  })

  it("says which file is no tape", async () => {
    const { code, err } = await replay("no.tape", "--config", "both.yaml")
    assert.strictEqual(code, 1)
    assert.match(err, /^no\.tape /)
  })
})

/** `understudy tape`, of what a gateway has recorded. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { appendFileSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { ask, clean, run, start, url } from "./Process.ts"

afterAll(clean)

const configuration = `
record: { file: tapes/calls.tape }
deployments:
  primary: { provider: simulated, model: p, failureRate: 1, status: 503 }
  backup: { provider: simulated, model: b, price: { input: 1, output: 2 } }
routes:
  assistant: { fallback: [primary, backup], retry: { times: 0 } }
`

describe("understudy tape", { timeout: 120_000 }, () => {
  it("prints what a gateway has recorded", async () => {
    const serving = start(["--port", "0"], { files: { "understudy.yaml": configuration } })
    const base = await url(serving)
    for (let call = 0; call < 3; call++) await (await ask(base, { stream: call > 0 })).text()
    const paused = await fetch(`${base}/admin/record`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ enabled: false, for: "1h" }),
    })
    assert.deepInclude(await paused.json(), { enabled: false, recorded: 3, lost: 0 })
    const file = join(serving.folder, "tapes", "calls.tape")
    assert.notInclude(readFileSync(file, "latin1"), "secret words")

    appendFileSync(file, "x")
    const text = await run(["tape", file])
    assert.strictEqual(text.code, 0, text.stderr)
    assert.match(text.stdout, /^calls +3, 2\.00 attempts each$/m)
    assert.match(text.stdout, /^ +primary +3 +0 %.*overloaded 100 %$/m)
    assert.match(text.stdout, /^ +backup +3 +100 %/m)

    const json = JSON.parse((await run(["tape", file, "--json"])).stdout)
    assert.deepInclude(json, { calls: 3, attempts: 6, streaming: 2, lost_calls: 0 })
    assert.deepInclude(json.deployments.primary, { attempts: 3, succeeded: 0, failures: { overloaded: 3 } })
    assert.deepInclude(json.routes.assistant, { calls: 3, succeeded: 3, streaming: 2 })

    assert.match(text.stdout, /1 bytes from byte \d+ on are/)
    const refused = await run(["tape", join(serving.folder, "understudy.yaml")])
    assert.strictEqual(refused.code, 1)
    assert.match(refused.stderr, /understudy\.yaml is not a tape/)
  })
})

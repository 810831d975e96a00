/** `understudy record`, as processes, at a gateway whose tape is read afterwards. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Tape from "@understudy/core/Tape"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Started } from "../Process.ts"
import { ask, clean, run, start, url } from "../Process.ts"

const configuration = `
record: { file: calls.tape, enabled: false, sample: 0.5 }
deployments:
  demo: { provider: simulated, model: any }
routes:
  assistant: [demo]
keys: [{ id: dashboard, key: sk-dashboard, role: viewer }]
`

let gateway: Started
let address = ""

beforeAll(async () => {
  gateway = start(["--config", "understudy.yaml", "--port", "0"], {
    files: { "understudy.yaml": configuration },
    env: { UNDERSTUDY_API_KEY: "sk-operator" },
  })
  address = await url(gateway)
}, 120_000)

afterAll(clean)

const record = async (command: string, key = "sk-operator") => {
  const args = ["record", ...command.split(" "), "--url", address]
  const { code, stderr, stdout } = await run(args, { env: { UNDERSTUDY_API_KEY: key } })
  return { code, stderr, stdout: stdout.replace(/\d{4}-\S+Z \(in \d+ (?:min|s|h)\)/, "then") }
}

const call = () => ask(address, {}, { authorization: "Bearer sk-operator" }).then((response) => response.text())

describe("understudy record", { timeout: 120_000 }, () => {
  it("switches the recording on and off for a time, and shows it", async () => {
    assert.deepStrictEqual(await record("status"), {
      code: 0,
      stderr: "",
      stdout: "Recording is off.\nSince the gateway started: 0 calls recorded, 0 lost.\n",
    })
    const on = await record("on --for 10m --sample 1")
    assert.strictEqual(
      on.stdout,
      "Recording is on: all calls, to calls.tape.\nIt is as configured again at then.\nSince the gateway started: 0 calls recorded, 0 lost.\n",
    )
    for (let calls = 0; calls < 3; calls++) await call()
    const off = await record("off --for 1h --json")
    assert.strictEqual(JSON.parse(off.stdout).enabled, false)
    await call()
    assert.match((await record("status", "sk-dashboard")).stdout, /^Recording is off\.\nIt is .*\n.* 3 calls recorded/)
    const decoder = new Tape.Decoder()
    const read = decoder.push(new Uint8Array(readFileSync(join(gateway.folder, "calls.tape"))))
    assert.strictEqual(read._tag === "Success" && read.success.filter(({ _tag }) => _tag === "Call").length, 3)
    assert.match((await record("on --for 1m")).stdout, /^Recording is on: 50 % of the calls, to calls\.tape\.\n/)
  })

  it("says why it cannot", async () => {
    const error = async (command: string, key?: string) => {
      const { code, stderr, stdout } = await record(command, key)
      assert.deepStrictEqual([code, stdout], [1, ""])
      return stderr.trimEnd()
    }
    assert.match(await error("on --for 8d"), /for: must be at most 7d/)
    assert.match(await error("on --for long"), /must be such as \{"enabled": true, "for": "10m", "sample": 1\}/)
    assert.match(await error("on --for 1m --sample 2"), /sample/)
    assert.match(await error("on --for 1m", "sk-dashboard"), /UNDERSTUDY_API_KEY|operator/i)
  })
})

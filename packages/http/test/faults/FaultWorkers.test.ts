/** Fault injection of a gateway with two workers and a database, as processes, and by the command `understudy faults`. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Agent, request } from "node:http"
import { clean, run, start, url } from "../cli/Process.ts"

afterAll(clean)

const operatorKey = "operator-key-of-the-test"

const configuration = `
server: { workers: 2, drain: { delay: 0s } }
database: sqlite:./faults.db
deployments:
  primary: { provider: simulated, model: s, circuit: { failures: 1000 }, faults: [{ share: 1, status: 500 }] }
  backup: { provider: simulated, model: s }
routes:
  assistant: { fallback: [primary, backup], retry: { times: 0 } }
`

/** A request over a connection of its own, so that any worker may get it. */
const send = (base: string, method: string, path: string, body?: object) =>
  new Promise<{ readonly deployment: unknown; readonly text: string }>((resolve, reject) => {
    const sending = request(
      `${base}${path}`,
      {
        method,
        agent: new Agent({ keepAlive: false }),
        headers: { authorization: `Bearer ${operatorKey}`, "content-type": "application/json" },
      },
      (response) => {
        let text = ""
        response.on("data", (chunk) => (text += chunk))
        response.on("end", () => resolve({ deployment: response.headers["x-understudy-deployment"], text }))
        response.on("error", reject)
      },
    )
    sending.on("error", reject)
    sending.end(body === undefined ? undefined : JSON.stringify(body))
  })

describe("fault injection with two workers", { timeout: 120_000 }, () => {
  it("holds for both workers, for one that starts later, and is in the audit", async () => {
    const gateway = start(["--config", "c.yaml", "--port", "0"], {
      files: { "c.yaml": configuration },
      env: { UNDERSTUDY_API_KEY: operatorKey },
    })
    const base = await url(gateway)
    const pidOf = async (worker: number) =>
      Number((await gateway.says(new RegExp(`Worker ${worker} serves \\(process (\\d+)\\)`)))[1])
    await pidOf(2)
    /** The deployments that answer, until both workers have logged a call since. */
    const answering = async (): Promise<ReadonlyArray<unknown>> => {
      const found = new Set<unknown>()
      const before = gateway.printed().length
      const isLoggedBy = (worker: number) =>
        new RegExp(`\\(worker ${worker}\\): .*answered by`).test(gateway.printed().slice(before))
      while (!isLoggedBy(1) || !isLoggedBy(2)) {
        const body = { model: "assistant", messages: [{ role: "user", content: "hi" }] }
        const replies = await Promise.all(
          Array.from({ length: 20 }, () => send(base, "POST", "/v1/chat/completions", body)),
        )
        for (const { deployment } of replies) found.add(deployment)
      }
      return [...found]
    }
    const understudy = (command: string) =>
      run(command.split(" "), {
        files: { ".env": `UNDERSTUDY_API_KEY=${operatorKey}\nUNDERSTUDY_URL=${base}/v1\n` },
      })

    const off = await understudy("faults list")
    assert.match(
      off.stdout,
      /^TARGET +KIND +FAULT +SHARE +DOES +ON UNTIL\nprimary +deployment +status +100 % +status 500 +off\n$/,
    )
    assert.deepStrictEqual(await answering(), ["primary"])
    const on = await understudy("faults on primary --for 10m --fault status")
    assert.match(on.stdout, /^On at primary until \S+Z \(in (10|9) min\): status\n$/)
    assert.deepStrictEqual(await answering(), ["backup"])

    // A worker that replaces another learns what is on.
    const restarted = gateway.says(/Worker 2 serves [^]*Worker 2 serves/)
    process.kill(await pidOf(2), "SIGKILL")
    await restarted
    await gateway.says(/Fault injection is on[^]*Fault injection is on[^]*Fault injection is on/)
    assert.deepStrictEqual(await answering(), ["backup"])

    const { stdout } = await understudy("faults off")
    assert.strictEqual(stdout, "Off: primary\n")
    assert.deepStrictEqual(await answering(), ["primary"])
    assert.strictEqual((await understudy("faults off primary")).stdout, "No faults were on.\n")
    const wrong = await understudy("faults on backup --for 1m")
    assert.strictEqual(wrong.code, 1)
    assert.include(wrong.stderr, '"backup" has no faults. Those with faults: primary')

    const { data } = JSON.parse((await send(base, "GET", "/admin/audit?kind=faults")).text)
    assert.deepStrictEqual(
      data.map(({ actor, after, before, id }: Record<string, { faults?: unknown } | null>) => [
        actor,
        id,
        before?.faults,
        after?.faults,
      ]),
      [
        ["operator", "primary", ["status"], undefined],
        ["operator", "primary", undefined, ["status"]],
      ],
    )
  })
})

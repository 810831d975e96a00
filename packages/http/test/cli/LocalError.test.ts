/** What the gateway itself lacks is held against no provider: planted by a limit of open files. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { existsSync, readdirSync } from "node:fs"
import { Agent, createServer, request } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { connect } from "node:net"
import { clean, start, url } from "./Process.ts"

afterAll(clean)

interface Answer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly text: string
}

/** Asks over one connection, which stays. */
const caller = (base: URL) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (model = "assistant") =>
    new Promise<Answer>((resolve, reject) => {
      const sent = request(
        `${base.origin}/v1/chat/completions`,
        { method: "POST", agent, headers: { "content-type": "application/json" } },
        (response) => {
          let text = ""
          response.on("data", (chunk) => (text += chunk))
          response.on("end", () =>
            resolve({ status: response.statusCode!, retryAfter: response.headers["retry-after"], text }),
          )
        },
      )
      sent.on("error", reject)
      sent.end(JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }))
    })
  return { agent, ask }
}

/** Takes all that a gateway may open, with connections that say nothing. */
const crowded = async (base: URL, most = 60): Promise<Array<Socket>> => {
  const crowd: Array<Socket> = []
  for (let count = 0; count < most; count++) {
    const socket = connect({ host: base.hostname, port: Number(base.port) })
    socket.on("error", () => {})
    crowd.push(socket)
    await Promise.race([once(socket, "connect"), once(socket, "close")])
  }
  return crowd
}

/** How many files a process has open, as Linux tells. */
const openFilesOf = (pid: number | undefined): number => readdirSync(`/proc/${pid}/fd`).length

describe("a gateway that is out of open files", { timeout: 30_000 }, () => {
  it("logs it, returns 503, and opens no circuit", async () => {
    const upstream = createServer((request, response) => {
      request.resume()
      response.setHeader("content-type", "application/json")
      response.setHeader("connection", "close")
      response.end(
        JSON.stringify({
          choices: [{ index: 0, message: { role: "assistant", content: "yes" }, finish_reason: "stop" }],
        }),
      )
    })
    await once(upstream.listen(0, "127.0.0.1"), "listening")
    const { port } = upstream.address() as AddressInfo
    const serving = start(["--port", "0"], {
      openFiles: 48,
      files: {
        // The crowd says nothing: it must not be sent away before the gateway is asked.
        "understudy.yaml": `
server: { limits: { headTimeout: 5m, requestTimeout: 5m } }
deployments:
  far: { provider: openai, model: m, baseUrl: "http://127.0.0.1:${port}/v1", circuit: { failures: 1 } }
routes: { assistant: { fallback: [far], retry: { times: 0 } } }
`,
      },
    })
    const base = new URL(await url(serving))
    const { agent, ask } = caller(base)
    assert.strictEqual((await ask()).status, 200)

    const crowd = await crowded(base)
    let refused = await ask()
    // The last of the crowd may still be on its way in, or the first answer's connection have been on its way out.
    for (let times = 0; refused.status === 200 && times < 100; times++) {
      crowd.push(...(await crowded(base, 1)))
      refused = await ask()
    }
    assert.deepStrictEqual([refused.status, refused.retryAfter], [503, "2"])
    assert.include(refused.text, "LocalError: this gateway lacks a resource (EMFILE)")
    await serving.says(/ERROR.*this gateway lacks a resource \(EMFILE\): could not call "far"/)

    for (const socket of crowd) socket.destroy()
    let answered = await ask()
    for (let times = 0; answered.status !== 200 && times < 100; times++) answered = await ask()
    assert.strictEqual(answered.status, 200)
    assert.notInclude(answered.text, "circuit open")
    assert.notInclude(serving.printed(), "circuit open")
    agent.destroy()
    upstream.close()
  })

  it.skipIf(!existsSync("/proc/self/fd"))(
    "does not take credentials of AWS that it cannot read for ones that are refused",
    async () => {
      const upstream = createServer((request, response) => {
        request.resume()
        response.setHeader("content-type", "application/json")
        response.end(
          JSON.stringify({
            output: { message: { role: "assistant", content: [{ text: "yes" }] } },
            stopReason: "end_turn",
            usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
          }),
        )
      })
      await once(upstream.listen(0, "127.0.0.1"), "listening")
      const { port } = upstream.address() as AddressInfo
      const serving = start(["--port", "0"], {
        openFiles: 48,
        env: { AWS_SHARED_CREDENTIALS_FILE: "credentials", AWS_CONFIG_FILE: "config" },
        files: {
          credentials: "[team]\naws_access_key_id = AKIDTEAM\naws_secret_access_key = team-secret\n",
          config: "",
          "understudy.yaml": `
server: { limits: { headTimeout: 5m, requestTimeout: 5m } }
deployments:
  far: { provider: bedrock, model: m, endpoint: "http://127.0.0.1:${port}", region: us-east-1, profile: team }
  here: { provider: simulated, model: m }
routes: { assistant: { fallback: [far], retry: { times: 0 } } }
`,
        },
      })
      const base = new URL(await url(serving))
      const { agent, ask } = caller(base)
      assert.strictEqual((await ask("here")).status, 200)
      const crowd = await crowded(base)
      while (openFilesOf(serving.child.pid) < 48) crowd.push(...(await crowded(base, 1)))
      const refused = await ask()
      assert.deepStrictEqual([refused.status, refused.retryAfter], [503, "2"])
      assert.include(refused.text, "LocalError: this gateway lacks a resource (EMFILE)")
      for (const socket of crowd) socket.destroy()
      let answered = await ask()
      for (let times = 0; answered.status !== 200 && times < 100; times++) answered = await ask()
      assert.strictEqual(answered.status, 200)
      assert.notInclude(serving.printed(), "circuit open")
      agent.destroy()
      upstream.close()
    },
  )
})

/** `understudy serve --workers`, as processes: what holds across the workers, and what happens when one ends. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Agent, createServer, request } from "node:http"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer as createNetServer } from "node:net"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { clean, start, type Started, url } from "../cli/Process.ts"
import { freePort } from "../Programs.ts"

const folder = mkdtempSync(join(tmpdir(), "understudy-workers-"))

afterAll(() => {
  clean()
  rmSync(folder, { recursive: true, force: true })
})

const operator = { authorization: "Bearer operator-key-of-the-test" }
const env = { UNDERSTUDY_API_KEY: "operator-key-of-the-test" }

interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
}

/** A request over a connection of its own, so that any worker may get it. */
const send = (base: string, method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
  new Promise<Reply>((resolve, reject) => {
    const sending = request(
      `${base}${path}`,
      {
        method,
        agent: new Agent({ keepAlive: false }),
        headers: { ...operator, "content-type": "application/json", ...headers },
      },
      (response) => {
        let text = ""
        response.on("data", (chunk) => (text += chunk))
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
        response.on("error", reject)
      },
    )
    sending.on("error", reject)
    sending.end(body === undefined ? undefined : JSON.stringify(body))
  })

const call = (base: string, headers?: Record<string, string>, model = "assistant") =>
  send(base, "POST", "/v1/chat/completions", { model, messages: [{ role: "user", content: "hi" }] }, headers)

const deploymentOf = ({ headers }: Reply) => headers["x-understudy-deployment"]

/** Calls, twenty at a time, until each of two workers has logged one; gives all replies. */
const callBoth = async (base: string, { printed }: Started): Promise<ReadonlyArray<Reply>> => {
  const replies: Array<Reply> = []
  const before = printed().length
  const isLoggedBy = (worker: number) =>
    new RegExp(`\\(worker ${worker}\\): .*answered by`).test(printed().slice(before))
  while (!isLoggedBy(1) || !isLoggedBy(2)) {
    replies.push(...(await Promise.all(Array.from({ length: 20 }, () => call(base)))))
  }
  return replies
}

/** An upstream whose replies the test decides. */
const startUpstream = async (reply: (response: ServerResponse, request: IncomingMessage) => void) => {
  const asked = { times: 0 }
  const server = createServer((request, response) => {
    asked.times++
    request.resume()
    request.on("end", () => reply(response, request))
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    asked,
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close: () => server.close(),
  }
}

const completion = JSON.stringify({
  id: "c",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
})
const complete = (response: ServerResponse) =>
  response.writeHead(200, { "content-type": "application/json" }).end(completion)

const openai = (baseUrl: string, extra = "") =>
  `{ provider: openai, model: m, apiKey: x, baseUrl: "${baseUrl}", retry: { times: 0 }${extra} }`

const serve = (config: string, args: ReadonlyArray<string> = ["--workers", "2"]) =>
  start(["--config", "c.yaml", "--port", "0", ...args], { files: { "c.yaml": config }, env })

const pidOf = async (gateway: Started, worker: number): Promise<number> =>
  Number((await gateway.says(new RegExp(`Worker ${worker} serves \\(process (\\d+)\\)`)))[1])

describe("understudy serve --workers", { timeout: 90_000 }, () => {
  it("holds limits, circuits, cooldowns, metrics, resets, faults and sessions over all workers", async () => {
    const broken = { authentication: true }
    const unauthorized = await startUpstream((response) =>
      broken.authentication
        ? response.writeHead(401, { "content-type": "application/json" }).end('{"error":{"message":"no"}}')
        : complete(response),
    )
    const busy = await startUpstream((response) =>
      response.writeHead(429, { "retry-after": "600" }).end('{"error":{"message":"later"}}'),
    )
    const gateway = serve(
      `
server: { workers: 2, drain: { delay: 0s } }
deployments:
  limited: { provider: simulated, model: s, limits: { rpd: 10 } }
  unauthorized: ${openai(unauthorized.baseUrl)}
  busy: ${openai(busy.baseUrl)}
  backup: { provider: simulated, model: s }
routes:
  assistant: [limited, unauthorized, busy, backup]
`,
      [],
    )
    const base = await url(gateway)
    const replies = await callBoth(base, gateway)
    assert.isTrue(replies.every(({ status }) => status === 200))
    assert.strictEqual(replies.filter((reply) => deploymentOf(reply) === "limited").length, 10)
    // Calls that ran at once may each have failed; none after them.
    const known = { unauthorized: unauthorized.asked.times, busy: busy.asked.times }
    assert.isAbove(known.unauthorized, 0)
    assert.isAbove(known.busy, 0)
    const after = await callBoth(base, gateway)
    assert.isTrue(after.every((reply) => deploymentOf(reply) === "backup"))
    assert.deepStrictEqual({ unauthorized: unauthorized.asked.times, busy: busy.asked.times }, known)

    const { text } = await send(base, "GET", "/metrics")
    assert.include(
      text,
      `understudy_requests_total{route="assistant",outcome="success",error=""} ${replies.length + after.length}`,
    )
    assert.include(text, "understudy_workers 2")

    // What the page shows is of all workers, whichever answers.
    for (let page = 0; page < 8; page++) {
      const overview = JSON.parse((await send(base, "GET", "/api/overview")).text)
      const buckets: ReadonlyArray<Record<string, number>> = overview.routes.find(
        ({ name }: { name: string }) => name === "assistant",
      ).buckets
      const succeeded = buckets.reduce((sum, { success = 0 }) => sum + success, 0)
      assert.strictEqual(succeeded, replies.length + after.length)
      assert.strictEqual(overview.gateway.pid, gateway.child.pid)
      const opened = overview.changes.filter(({ deployment }: { deployment: string }) => deployment === "unauthorized")
      assert.deepStrictEqual(
        opened.map(({ state }: { state: string }) => state),
        ["circuit_open"],
      )
      const { calls } = JSON.parse((await send(base, "GET", "/api/calls?limit=200")).text)
      // The ids of a router begin alike: those of two are here.
      assert.strictEqual(new Set(calls.map(({ id }: { id: string }) => id.split("-")[0])).size, 2)
    }

    broken.authentication = false
    const reset = await send(base, "POST", "/admin/deployments/unauthorized/reset", {})
    assert.strictEqual(JSON.parse(reset.text).state, "available")
    assert.isTrue((await callBoth(base, gateway)).every((reply) => deploymentOf(reply) === "unauthorized"))

    await send(base, "POST", "/simulated/backup", { status: 503 })
    const faulty = await Promise.all(Array.from({ length: 20 }, () => call(base, {}, "backup")))
    assert.isTrue(faulty.every(({ status }) => status === 503))

    const signedIn = await send(base, "POST", "/login", { key: env.UNDERSTUDY_API_KEY }, { origin: base })
    const cookie = String(signedIn.headers["set-cookie"]).split(";")[0] ?? ""
    const page = { authorization: "", cookie, "sec-fetch-site": "same-origin", origin: base }
    const viewed = await Promise.all(
      Array.from({ length: 20 }, () => send(base, "GET", "/api/providers", undefined, page)),
    )
    assert.deepStrictEqual([...new Set(viewed.map(({ status }) => status))], [200])
    await send(base, "POST", "/logout", {}, page)
    const ended = await Promise.all(
      Array.from({ length: 20 }, () => send(base, "GET", "/api/providers", undefined, page)),
    )
    assert.deepStrictEqual([...new Set(ended.map(({ status }) => status))], [401])

    gateway.child.kill("SIGTERM")
    assert.strictEqual(await gateway.ended, 130)
    unauthorized.close()
    busy.close()
  })

  it("keeps a conversation on one deployment, whichever worker gets its calls", async () => {
    const names = ["a", "b", "c", "d"]
    const gateway = serve(`
deployments:
${names.map((name) => `  ${name}: { provider: simulated, model: s }`).join("\n")}
routes:
  assistant: { balance: round-robin, across: [${names.join(", ")}], affinity: { by: session } }
`)
    const base = await url(gateway)
    await gateway.says(/Worker 2 serves/)
    const session = { "x-session-id": "s-1" }
    const first = await call(base, session)
    assert.strictEqual(first.headers["x-understudy-affinity"], "new")
    const before = gateway.printed().length
    const isLoggedBy = (worker: number) =>
      new RegExp(`\\(worker ${worker}\\): .*answered by`).test(gateway.printed().slice(before))
    while (!isLoggedBy(1) || !isLoggedBy(2)) {
      const turns = await Promise.all(Array.from({ length: 20 }, () => call(base, session)))
      for (const turn of turns) {
        assert.strictEqual(turn.headers["x-understudy-affinity"], "kept")
        assert.strictEqual(deploymentOf(turn), deploymentOf(first))
      }
    }
  })

  it("holds the concurrency of a deployment and of a key, also when the worker of a call is killed and another starts", async () => {
    const held: Array<ServerResponse> = []
    let arrived = () => {}
    const upstream = await startUpstream((response) => {
      held.push(response)
      arrived()
    })
    const config = join(folder, "concurrency.yaml")
    writeFileSync(
      config,
      `
server: { drain: { delay: 0s } }
deployments:
  primary: ${openai(upstream.baseUrl, ", limits: { concurrency: 1 }")}
  backup: { provider: simulated, model: s }
routes: { assistant: [primary, backup] }
keys: [{ id: one, key: key-of-one-call, limits: { concurrency: 1 }, routes: [primary] }]
`,
    )
    const gateway = start(["--config", config, "--port", "0", "--workers", "2"], { env })
    const base = await url(gateway)
    // Workers that start later serve what is in force, not what is in the file.
    writeFileSync(config, "deployments: {")
    const arrival = () => new Promise<void>((resolve) => (arrived = resolve))
    const pids = [await pidOf(gateway, 1), await pidOf(gateway, 2)]
    for (const pid of pids) {
      let arriving = arrival()
      const running = call(base, { authorization: "Bearer key-of-one-call" }, "primary").then(
        ({ status }) => status,
        () => "lost",
      )
      await arriving
      // Every other call finds the permits of the deployment and the key taken, at both workers.
      assert.isTrue((await callBoth(base, gateway)).every((reply) => deploymentOf(reply) === "backup"))
      const second = await call(base, { authorization: "Bearer key-of-one-call" }, "primary")
      assert.deepStrictEqual([second.status, JSON.parse(second.text).error.code], [429, "rate_limit_exceeded"])

      process.kill(pid, "SIGKILL")
      await gateway.says(new RegExp(`Worker \\d \\(process ${pid}\\) ended by SIGKILL`))
      complete(held.pop()!)
      const outcome = await running
      // Of the two workers that are killed one after the other, one has the call.
      assert.oneOf(outcome, [200, "lost"])
      await gateway.says(new RegExp(`(?:serves[^]*){${pids.indexOf(pid) + 4}}`))
      arriving = arrival()
      const next = call(base)
      await arriving
      complete(held.pop()!)
      assert.strictEqual(deploymentOf(await next), "primary")
    }
    const { text } = await send(base, "GET", "/metrics")
    assert.include(text, "understudy_worker_restarts_total 2")
    gateway.child.kill("SIGKILL")
    upstream.close()
  })

  it("finishes running calls of all workers on SIGTERM, and ends them at a second signal", async () => {
    const gateway = serve(`
server: { drain: { delay: 0s, timeout: 60s } }
deployments:
  slow: { provider: simulated, model: s, latency: 1500ms }
  endless: { provider: simulated, model: s, latency: 10m }
routes: { assistant: [slow] }
`)
    const base = await url(gateway)
    const finishing = Array.from({ length: 10 }, () => call(base))
    const endless = Array.from({ length: 10 }, () => call(base, {}, "endless"))
    const inFlight = async (): Promise<boolean> =>
      (await send(base, "GET", "/api/providers")).text.includes(
        '"name":"endless","state":"available","retry_after_ms":0,"in_flight":10',
      )
    while (!(await inFlight())) continue
    gateway.child.kill("SIGTERM")
    assert.isTrue((await Promise.all(finishing)).every(({ status }) => status === 200))
    assert.strictEqual(gateway.child.exitCode, null)
    gateway.child.kill("SIGTERM")
    assert.isTrue((await Promise.all(endless)).every(({ status }) => status === 503))
    assert.strictEqual(await gateway.ended, 130)
  })

  for (const signals of [1, 2]) {
    it(`shuts down at ${signals === 1 ? "SIGTERM" : "a second SIGTERM"} while a worker starts`, async () => {
      const port = await freePort()
      const held = fileURLToPath(new URL("./held.js", import.meta.url))
      const gateway = start(["--config", "c.yaml", "--port", String(port), "--workers", "2"], {
        files: {
          "c.yaml": `
server: { drain: { delay: 0s, timeout: 60s } }
deployments:
  slow: { provider: simulated, model: s, latency: ${signals === 1 ? "1s" : "10m"} }
routes: { assistant: [slow] }
`,
        },
        env,
        node: ["--import", held],
      })
      const base = `http://127.0.0.1:${port}`
      await gateway.says(/Worker 1 serves/)
      const [, second] = await gateway.says(/Worker 2 is held \(process (\d+)\)/)
      const running = call(base)
      while (!/"in_flight":1\b/.test((await send(base, "GET", "/api/providers")).text)) continue
      gateway.child.kill("SIGTERM")
      await gateway.says(/Draining: rejecting new calls.*1 call in flight/)
      if (signals === 1) process.kill(Number(second), "SIGUSR2")
      else gateway.child.kill("SIGTERM")
      assert.strictEqual((await running).status, signals === 1 ? 200 : 503)
      assert.strictEqual(await gateway.ended, 130)
      assert.notMatch(gateway.printed(), /Worker 2 serves|Workers that do not end are killed/)
    })
  }

  it("knows a key of the database at all workers, and keeps the files of workers apart", async () => {
    const gateway = serve(`
server: { drain: { delay: 0s } }
database: "sqlite:./u.db"
usageLog: { file: usage.log }
deployments: { primary: { provider: simulated, model: s } }
routes: { assistant: [primary] }
`)
    const base = await url(gateway)
    const made = JSON.parse((await send(base, "POST", "/admin/keys", { name: "new" })).text)
    const key = { authorization: `Bearer ${made.key}` }
    const calls = (count: number) => Promise.all(Array.from({ length: count }, () => call(base, key)))
    assert.isTrue((await calls(20)).every(({ status }) => status === 200))
    await send(base, "DELETE", `/admin/keys/${made.id}`)
    // After more, an address has to wait.
    assert.isTrue((await calls(8)).every(({ status }) => status === 401))
    gateway.child.kill("SIGTERM")
    await gateway.ended
    assert.notMatch(gateway.printed(), /ERROR|WARN.*database/)
  })

  it("reloads all workers as one, and starts others with what is in force", async () => {
    const config = join(folder, "reload.yaml")
    const write = (deployment: string) =>
      writeFileSync(
        config,
        `
server: { drain: { delay: 0s } }
deployments: { ${deployment}: { provider: simulated, model: s } }
routes: { assistant: [${deployment}] }
`,
      )
    write("before")
    const gateway = start(["--config", config, "--port", "0", "--workers", "2"], { env })
    const base = await url(gateway)
    const answeredBy = async () => [...new Set((await callBoth(base, gateway)).map(deploymentOf))]
    assert.deepStrictEqual(await answeredBy(), ["before"])

    write("after")
    assert.strictEqual((await send(base, "POST", "/admin/reload")).status, 200)
    assert.deepStrictEqual(await answeredBy(), ["after"])

    writeFileSync(config, "deployments: {")
    gateway.child.kill("SIGHUP")
    await gateway.says(/(?:The configuration is rejected[^]*){2}/)
    assert.deepStrictEqual(await answeredBy(), ["after"])

    process.kill(await pidOf(gateway, 1), "SIGKILL")
    await gateway.says(/(?:Worker 1 serves[^]*){2}/)
    assert.deepStrictEqual(await answeredBy(), ["after"])
    gateway.child.kill("SIGTERM")
    assert.strictEqual(await gateway.ended, 130)
  })

  it("starts others with the settings and the .env of its own start, and then the configuration in force", async () => {
    const authorizations = new Set<string | undefined>()
    const upstream = await startUpstream((response, { headers }) => {
      authorizations.add(headers.authorization)
      if (headers.authorization === "Bearer failing") response.writeHead(503).end()
      else complete(response)
    })
    const config = join(mkdtempSync(join(folder, "settings-")), "c.yaml")
    const write = (version: string, more: string, dotEnv: string) => {
      writeFileSync(join(config, "..", ".env"), dotEnv)
      writeFileSync(
        config,
        `
deployments:
  failing: { provider: openai, model: m, apiKey: failing, headers: { x-version: "${version}" }, baseUrl: "${upstream.baseUrl}", circuit: { open: 1h, max: 1h }, retry: { times: 0 } }
  primary: { provider: openai, model: m, apiKey: "\${UPSTREAM}", baseUrl: "${upstream.baseUrl}" }
routes: { assistant: [failing, primary] }
${more}
`,
      )
    }
    const port = await freePort()
    write("1", `server: { port: ${port}, drain: { delay: 0s } }`, "UPSTREAM=first")
    const gateway = start(["--config", config, "--workers", "2"], {})
    const base = await url(gateway)
    const pids = [await pidOf(gateway, 1), await pidOf(gateway, 2)]
    // What only a restart changes: the address, and whether keys are required.
    write("2", `server: { port: ${await freePort()} }\nkeys: [{ id: one, key: key-of-one-call }]`, "UPSTREAM=second")
    const { status, text } = await send(base, "POST", "/admin/reload")
    assert.strictEqual(status, 200)
    assert.deepStrictEqual(JSON.parse(text).restart.toSorted(), ["keys", "server.drain", "server.port"])
    write("3", "", "")
    // Opens the circuit of the deployment that has changed.
    await callBoth(base, gateway)

    for (const [index, pid] of pids.entries()) {
      process.kill(pid, "SIGKILL")
      await gateway.says(new RegExp(`(?:Worker ${index + 1} serves[^]*){2}`))
    }
    authorizations.clear()
    const replies = await callBoth(base, gateway)
    assert.deepStrictEqual([...new Set(replies.map(({ status }) => status))], [200])
    assert.deepStrictEqual([...authorizations], ["Bearer second"])
    gateway.child.kill("SIGTERM")
    assert.strictEqual(await gateway.ended, 130)
    upstream.close()
  })

  it("prints one error when it cannot start, and is one process with one worker", async () => {
    const other = createNetServer().listen(0, "127.0.0.1")
    await once(other, "listening")
    const { port } = other.address() as AddressInfo
    const taken = start(["--port", String(port), "--workers", "3"])
    assert.strictEqual(await taken.ended, 1)
    assert.strictEqual(taken.printed().split("is already in use").length, 2)
    other.close()

    const wrong = start(["--workers", "0"])
    assert.strictEqual(await wrong.ended, 1)
    assert.include(wrong.printed(), "--workers takes a number from 1 to 128, not 0")

    const alone = start(["--port", "0", "--workers", "1"])
    await url(alone)
    assert.notInclude(alone.printed(), "Worker 1 serves")
    alone.child.kill("SIGKILL")
  })
})

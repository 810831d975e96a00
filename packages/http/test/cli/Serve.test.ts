/** `understudy serve`, as a process of its own: what it prints, whom it lets in, how it stops. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer as createHttpServer } from "node:http"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Predicate from "effect/Predicate"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { WebSocket } from "ws"
import { ask, clean, start, url } from "./Process.ts"

afterAll(clean)

const simulated = (extra = "") => `
deployments:
  slow: { provider: simulated, model: s, firstToken: 100ms, tokenDelay: 30ms, latency: 400ms${extra} }
routes: { assistant: [slow] }
`

/** A line of a JSON log. */
interface LogLine extends Readonly<Record<string, unknown>> {
  readonly attempts?: ReadonlyArray<object>
  readonly skipped?: ReadonlyArray<object>
}

describe.concurrent("understudy serve", { timeout: 30_000 }, () => {
  it("serves the simulation by default, with commands to try and to break it", async () => {
    const serving = start(["--port", "0"])
    const base = await url(serving)
    await serving.says(/simulated deployments: no network, no cost/)
    await serving.says(/curl -s \S+\/simulated\/primary/)
    const broken = await fetch(`${base}/simulated/primary`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"status":503}',
    })
    assert.strictEqual(broken.status, 200)
    const answer = await ask(base)
    assert.strictEqual(answer.headers.get("x-understudy-deployment"), "backup")
    await serving.says(/assistant: answered by backup in \d+ ms \(primary Overloaded 503/)
    assert.notInclude(serving.printed(), "secret words")
  })

  it("suggests --live for keys in the environment, and does not use them by default", async () => {
    const serving = start(["--port", "0"], { env: { ANTHROPIC_API_KEY: "sk-ant-not-a-key" } })
    await url(serving)
    await serving.says(/Found ANTHROPIC_API_KEY\. To call real providers:\n\s+npm start -- --live/)
  })

  it("serves the providers of the environment with --live", async () => {
    const serving = start(["--port", "0", "--live"], { env: { OPENAI_API_KEY: "sk-1", ANTHROPIC_API_KEY: "sk-2" } })
    await serving.says(/assistant\s+gpt-4o -> sonnet/)
    const none = start(["--live"])
    assert.strictEqual(await none.ended, 1)
    assert.match(none.printed(), /found no credentials/)
  })

  it("serves understudy.yaml of the working directory, with its .env", async () => {
    const serving = start(["--port", "0"], {
      files: { "understudy.yaml": simulated(', reply: "${GREETING}"'), ".env": "GREETING=From the file\n" },
    })
    const answer = (await (await ask(await url(serving))).json()) as {
      choices: Array<{ message: { content: string } }>
    }
    assert.strictEqual(answer.choices[0]?.message.content, "From the file")
  })

  it("prints every problem of an invalid configuration, and does not start", async () => {
    const failing = start(["--config", "wrong.yaml"], {
      files: { "wrong.yaml": "deployments:\n  a: { provider: opnai, model: x }\nroute: {}\n" },
    })
    assert.strictEqual(await failing.ended, 1)
    assert.match(failing.printed(), /opnai/)
    assert.match(failing.printed(), /did you mean/i)
    assert.notMatch(failing.printed(), /\bat .*\.ts:\d+/)
  })

  it("suggests --port when the port is in use", async () => {
    const other = createServer().listen(0, "127.0.0.1")
    await once(other, "listening")
    const { port } = other.address() as AddressInfo
    const failing = start(["--port", String(port)])
    assert.strictEqual(await failing.ended, 1)
    assert.include(failing.printed(), `Port ${port} is already in use. Choose another: --port`)
    other.close()
  })

  it("does not listen beyond loopback without a key, and requires it when set", async () => {
    const failing = start(["--port", "0", "--host", "0.0.0.0"])
    assert.strictEqual(await failing.ended, 1)
    assert.include(failing.printed(), "UNDERSTUDY_API_KEY")
    const serving = start(["--port", "0", "--host", "0.0.0.0"], {
      env: { UNDERSTUDY_API_KEY: "open-sesame", SESSION_SECRET: "of-sessions-".repeat(3) },
    })
    const base = (await url(serving)).replace("0.0.0.0", "127.0.0.1")
    assert.strictEqual((await ask(base)).status, 401)
    assert.strictEqual((await ask(base, {}, { authorization: "Bearer open-sesame" })).status, 200)
    assert.notInclude(serving.printed(), "SESSION_SECRET")
    const guessable = start(["--port", "0"], {
      env: { UNDERSTUDY_API_KEY: "open-sesame", SESSION_SECRET: "short-one" },
    })
    assert.strictEqual(await guessable.ended, 1)
    assert.match(guessable.printed(), /SESSION_SECRET has 9 characters[^]*at least 32/)
    assert.notInclude(guessable.printed(), "short-one")
  })

  it("requires a configured key on loopback too, and shows how to send it", async () => {
    const serving = start(["--port", "0"], {
      files: { "understudy.yaml": `${simulated()}keys: [{ id: team-a, key: "\${TEAM_A}", routes: [assistant] }]\n` },
      env: { TEAM_A: "sk-team-a" },
    })
    const base = await url(serving)
    await serving.says(/authorization: Bearer \$TEAM_A"/)
    await serving.says(/SESSION_SECRET is not set: sign-ins to the page end at a restart/)
    assert.strictEqual((await ask(base)).status, 401)
    assert.strictEqual((await ask(base, {}, { "x-api-key": "sk-team-a" })).status, 200)
    assert.strictEqual((await ask(base, { model: "slow" }, { "x-api-key": "sk-team-a" })).status, 403)
    const breaking = await fetch(`${base}/simulated/slow?key=sk-team-a`, { method: "POST" })
    assert.strictEqual(breaking.status, 403)
    await serving.says(/assistant: answered by slow.*, key team-a, call /)
    assert.notInclude(serving.printed(), "sk-team-a")
  })

  it("logs JSON with --log-format, and content only with --log-content", async () => {
    const serving = start(["--port", "0", "--log-format", "json", "--log-content"], {
      files: { "understudy.yaml": simulated(", reply: answered words") },
    })
    await (await ask(await url(serving), { stream: true })).text()
    await serving.says(/\{.*secret words.*\}/)
    await serving.says(/\{.*answered words.*\}/)
    await serving.says(/^\{.*assistant: answered by slow.*\}$/m)
  })

  it("prints nothing but objects with --log-format json: what is served, each call with its facts, why it ends", async () => {
    const serving = start(["--port", "0", "--log-format", "json"], {
      files: {
        "understudy.yaml": `
deployments:
  primary: { provider: simulated, model: large, failureRate: 1, status: 503 }
  spare: { provider: simulated, model: small, failureRate: 1, status: 429, retryAfter: 1h }
  backup: { provider: simulated, model: small, price: { input: 1, output: 2 } }
defaults: { retry: { times: 0 }, circuit: { failures: 100 } }
routes: { assistant: [primary, spare, backup] }
keys: [{ id: team-a, key: sk-team-a }]
`,
      },
    })
    const base = await url(serving)
    for (let call = 0; call < 2; call++) {
      await (await ask(base, { stream: true }, { "x-api-key": "sk-team-a" })).text()
    }
    serving.child.kill("SIGINT")
    assert.strictEqual(await serving.ended, 130)
    const lines = serving
      .printed()
      .trimEnd()
      .split("\n")
      .map((line): LogLine => JSON.parse(line))
    assert.isTrue(lines.every(({ level, message, timestamp }) => [level, message, timestamp].every(Predicate.isString)))
    const started = lines.filter(({ url }) => url === base)
    assert.deepStrictEqual(
      started.map(({ routes }) => routes),
      [[{ name: "assistant", deployments: ["primary", "spare", "backup"] }]],
    )
    const [, second, ...others] = lines.filter(({ call }) => call !== undefined)
    assert.lengthOf(others, 0)
    const {
      attempts = [],
      call,
      cost_usd,
      first_token_ms,
      input_tokens,
      ms,
      output_tokens,
      skipped = [],
      ...facts
    } = second ?? {}
    assert.deepInclude(facts, {
      route: "assistant",
      model: "assistant",
      key: "team-a",
      protocol: "chat-completions",
      streaming: true,
      outcome: "success",
      deployment: "backup",
    })
    // The second call passes over the spare deployment: it is skipped, and no attempt.
    const [failed, answered] = attempts
    assert.deepInclude(failed ?? {}, {
      deployment: "primary",
      model: "large",
      outcome: "failure",
      reason: "overloaded",
      status: 503,
    })
    assert.deepInclude(answered ?? {}, { deployment: "backup", model: "small", outcome: "success" })
    assert.deepInclude(skipped[0] ?? {}, { deployment: "spare", reason: "cooling_down" })
    assert.deepStrictEqual([attempts.length, skipped.length], [2, 1])
    assert.isTrue([call, facts["message"]].every(Predicate.isString))
    for (const number of [cost_usd, first_token_ms, input_tokens, ms, output_tokens]) assert.isNumber(number)
  })

  it("logs why it cannot start as an object with --log-format json", async () => {
    const serving = start(["--log-format", "json"], { files: { "understudy.yaml": "routes: 7\n" } })
    assert.strictEqual(await serving.ended, 1)
    const { level, message } = JSON.parse(serving.printed())
    assert.strictEqual(level, "FATAL")
    assert.include(message, "routes")
  })

  it("accepts calls during the drain delay, and finishes running ones", async () => {
    const serving = start(["--port", "0"], {
      files: { "understudy.yaml": `server: { drain: { delay: 1s } }${simulated()}` },
    })
    const base = await url(serving)
    const stream = await ask(base, { stream: true })
    serving.child.kill("SIGTERM")
    await serving.says(/Draining: accepting new calls for another 1s; 1 call in flight/)
    assert.strictEqual((await fetch(`${base}/ready`)).status, 503)
    const late = await ask(base)
    assert.deepStrictEqual([late.status, late.headers.get("connection")], [200, "close"])
    const text = await stream.text()
    assert.include(text, '"finish_reason":"stop"')
    assert.match(text.trimEnd(), /data: \[DONE\]$/)
    await serving.ended
    await serving.says(/assistant: answered by slow/)
  })

  it("skips the drain delay on SIGINT, and reloads at SIGHUP", async () => {
    const serving = start(["--port", "0"], { files: { "understudy.yaml": simulated() } })
    const base = await url(serving)
    const stream = await ask(base, { stream: true })
    serving.child.kill("SIGHUP")
    await serving.says(/The configuration is reloaded \(SIGHUP\): no change/)
    assert.match((await stream.text()).trimEnd(), /data: \[DONE\]$/)
    assert.strictEqual((await ask(base)).status, 200)
    serving.child.kill("SIGINT")
    await serving.ended
    assert.notInclude(serving.printed(), "another 5s")
  })

  it("starts although it gets SIGHUP while its modules load", async () => {
    const preload = fileURLToPath(new URL("./hangup.js", import.meta.url))
    const serving = start(["--port", "0"], { node: ["--import", preload] })
    await serving.says(/SIGHUP while [^]*Understudy\.ts/)
    assert.strictEqual((await ask(await url(serving))).status, 200)
  })

  it("ignores SIGHUP while it drains", async () => {
    const serving = start(["--port", "0"], {
      files: { "understudy.yaml": `server: { drain: { delay: 500ms } }${simulated()}` },
    })
    const stream = await ask(await url(serving), { stream: true })
    serving.child.kill("SIGTERM")
    await serving.says(/Draining: accepting new calls/)
    serving.child.kill("SIGHUP")
    await serving.says(/SIGHUP is ignored/)
    assert.match((await stream.text()).trimEnd(), /data: \[DONE\]$/)
    await serving.ended
    assert.strictEqual(serving.child.signalCode, null)
    assert.include(serving.printed(), "Drained")
  })

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`ends running calls with their protocol's error at a second ${signal}, and exits`, async () => {
      const serving = start(["--port", "0"], {
        files: {
          "understudy.yaml": `
server: { drain: { delay: 1h, timeout: 1h } }
deployments:
  slow: { provider: simulated, model: s, tokenDelay: 50ms, reply: "${"word ".repeat(10_000)}" }
  whole: { provider: simulated, model: s, latency: 1h }
routes: { assistant: [slow] }
`,
        },
      })
      const base = await url(serving)
      const stream = await ask(base, { stream: true })
      const whole = ask(base, { model: "whole" })
      while (!/attempts_in_flight\{deployment="whole"\} 1/.test(await (await fetch(`${base}/metrics`)).text()));
      serving.child.kill("SIGTERM")
      await serving.says(/Draining: accepting new calls for another 1h; 2 calls in flight/)
      serving.child.kill(signal)
      assert.match((await stream.text()).trimEnd(), /data: \{"error":\{.*"code":"draining".*\}\}$/)
      const cut = await whole
      assert.deepStrictEqual([cut.status, cut.headers.get("connection")], [503, "close"])
      assert.strictEqual(await serving.ended, 130)
      assert.match(serving.printed(), /Draining: a second signal; ending 2 calls in flight with an error/)
      assert.include(serving.printed(), "Drained")
    })
  }

  it("records calls that exceed the drain timeout as failed by the shutdown, in the log and the ledger", async () => {
    const serving = start(["--port", "0", "--log-format", "json"], {
      files: {
        "understudy.yaml": `
server: { drain: { delay: 0s, timeout: 100ms } }
database: sqlite:./understudy.db
ledger: {}
responses: { store: true }
deployments:
  slow: { provider: simulated, model: s, tokenDelay: 50ms, reply: "${"word ".repeat(10_000)}" }
  whole: { provider: simulated, model: s, latency: 1h }
  failing: { provider: simulated, model: s, failureRate: 1 }
routes: { assistant: [slow], later: [whole], second: { fallback: [failing, whole], retry: { times: 0 } } }
`,
      },
    })
    const base = await url(serving)
    const stream = await ask(base, { stream: true })
    const whole = ask(base, { model: "second" })
    const socket = new WebSocket(`${base.replace("http", "ws")}/v1/responses`)
    socket.once("open", () => socket.send(JSON.stringify({ type: "response.create", model: "whole", input: "one" })))
    const closed = once(socket, "close")
    const background = await fetch(`${base}/v1/responses`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "later", input: "two", background: true }),
    })
    assert.strictEqual(background.status, 200)
    const running = /attempts_in_flight\{deployment="whole"\} 3/
    while (!running.test(await (await fetch(`${base}/metrics`)).text()));
    serving.child.kill("SIGTERM")
    assert.match((await stream.text()).trimEnd(), /data: \{"error":\{.*"code":"draining".*\}\}$/)
    assert.strictEqual((await whole).status, 503)
    assert.strictEqual((await closed)[0], 1001)
    await serving.ended
    const calls = serving
      .printed()
      .split("\n")
      .flatMap((line) => (line.includes('"outcome"') ? [JSON.parse(line)] : []))
    assert.sameDeepMembers(
      calls.map(({ attempts, error, level, outcome, route }) => [
        route,
        level,
        outcome,
        error,
        ...attempts.map((attempt: { readonly outcome: string }) => attempt.outcome),
      ]),
      [
        ["assistant", "WARN", "failure", "draining", "cancelled"],
        ["later", "WARN", "failure", "draining", "cancelled"],
        ["second", "WARN", "failure", "draining", "failure", "cancelled"],
        ["whole", "WARN", "failure", "draining", "cancelled"],
      ],
    )
    for (const { message } of calls) assert.match(message, /^\w+: ended by shutdown in \d+ ms \(/)
    const database = new DatabaseSync(join(serving.folder, "understudy.db"))
    const rows = database.prepare("SELECT route, outcome, reason FROM calls ORDER BY route").all()
    database.close()
    assert.deepStrictEqual(
      rows.map((row) => Object.values(row)),
      ["assistant", "later", "second", "whole"].map((route) => [route, "failure", "draining"]),
    )
  })

  it("falls back when a response exceeds server.limits", async () => {
    const endless = createHttpServer((request, response) => {
      request.resume()
      response.writeHead(200, { "content-type": "application/json" })
      const write = () => {
        while (!response.destroyed && response.write(" ".repeat(100_000)));
      }
      response.on("drain", write)
      write()
    })
    await once(endless.listen(0, "127.0.0.1"), "listening")
    const { port } = endless.address() as AddressInfo
    const serving = start(["--port", "0"], {
      files: {
        "understudy.yaml": `
server: { limits: { answer: 1mb } }
deployments:
  endless: { provider: openai, model: e, baseUrl: "http://127.0.0.1:${port}/v1" }
  backup: { provider: simulated, model: b }
routes: { assistant: { fallback: [endless, backup], retry: { times: 0 } } }
`,
      },
    })
    const answer = await ask(await url(serving))
    assert.strictEqual(answer.headers.get("x-understudy-deployment"), "backup")
    await serving.says(/endless Malformed/)
    endless.closeAllConnections()
    endless.close()
  })
})

/** Web pages of other origins: what a browser is told of them, and what a real one makes of that. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as FaultServer from "@understudy/providers/testing"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import type { Browser } from "playwright-core"
import * as Cors from "../../src/auth/Cors.ts"
import * as Keyring from "../../src/auth/Keyring.ts"
import type { ConfiguredKey } from "../../src/auth/VirtualKey.ts"
import * as TestBrowser from "../dashboard/TestBrowser.ts"
import * as TestGateway from "../TestGateway.ts"

const team: ConfiguredKey = { id: "team", key: Redacted.make("sk-team"), limits: { rpm: 1000 } }

/** A gateway that asks for a key, and lets pages of that origin call. */
const keyed = (origin: string, options: TestGateway.Options = {}) =>
  TestGateway.make({
    ...options,
    keys: [team],
    auth: { keys: [Keyring.operator(Redacted.make("sk-operator")), Keyring.configured(team)], origins: [origin] },
  })

interface Sent {
  readonly method?: string
  readonly headers?: Http.OutgoingHttpHeaders
  readonly body?: string
}

/** A request as it is: `fetch` has its own mind about `origin`. */
const send = (url: string, { body, headers, method = "GET" }: Sent) =>
  Effect.callback<{ status: number; headers: Http.IncomingHttpHeaders; text: string }>((resume) => {
    const request = Http.request(url, { method, headers: headers ?? {}, agent: false }, (answer) => {
      let text = ""
      answer.setEncoding("utf8")
      answer.on("data", (chunk: string) => (text += chunk))
      answer.on("end", () => resume(Effect.succeed({ status: answer.statusCode ?? 0, headers: answer.headers, text })))
    })
    request.end(body)
  })

const page = "https://chat.example.com"

const preflight = (origin: string, headers: Http.OutgoingHttpHeaders = {}): Sent => ({
  method: "OPTIONS",
  headers: {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-lang",
    ...headers,
  },
})

const chat = JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "Hello" }] })

const paths = [
  "/v1/chat/completions",
  "/v1/responses",
  "/v1/messages",
  "/v1beta/models/assistant:generateContent",
  "/v1/models",
  "/metrics",
]

/** Headers that every page may read (Fetch, "CORS-safelisted response-header name"), and those that are not the page's. */
const beside =
  /^(content-(length|type|language)|cache-control|expires|last-modified|pragma|date|connection|keep-alive|transfer-encoding|vary|access-control-.*)$/

describe("a page of an allowed origin", () => {
  it.live("may send every header of its SDK, by a preflight without a key, on every path", () =>
    Effect.gen(function* () {
      const { drain, url } = yield* keyed(page)
      for (const path of paths) {
        const { headers, status, text } = yield* send(`${url}${path}`, preflight(page))
        assert.strictEqual(status, 204, path)
        assert.strictEqual(text, "")
        assert.strictEqual(headers["access-control-allow-origin"], page)
        assert.include(headers["access-control-allow-methods"] ?? "", "POST")
        assert.strictEqual(headers["access-control-allow-headers"], "authorization,content-type,x-stainless-lang")
        assert.strictEqual(headers["access-control-max-age"], "600")
        assert.include(headers["vary"] ?? "", "origin")
        assert.isUndefined(headers["access-control-allow-private-network"])
      }
      const near = yield* send(
        `${url}/v1/models`,
        preflight(page, { "access-control-request-private-network": "true" }),
      )
      assert.strictEqual(near.headers["access-control-allow-private-network"], "true")
      const odd = yield* send(`${url}/v1/models`, preflight(page, { "access-control-request-headers": "a, (b)" }))
      assert.isUndefined(odd.headers["access-control-allow-headers"])

      // What a draining gateway has to say is in the answer, which a page gets only after its preflight.
      yield* drain.begin
      assert.strictEqual((yield* send(`${url}/v1/models`, preflight(page))).status, 204)
    }),
  )

  it.live("reads responses and errors with their headers", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* keyed(page)
      yield* upstream.script("primary", "429-retry-after-30")
      yield* upstream.script("backup", "503")
      const json = { origin: page, "content-type": "application/json" }
      const key = { authorization: "Bearer sk-team" }
      const answers = [
        yield* send(`${url}/v1/chat/completions`, { method: "POST", headers: { ...json, ...key }, body: chat }),
        yield* send(`${url}/v1/chat/completions`, { method: "POST", headers: json, body: chat }),
        yield* send(`${url}/v1/chat/completions`, { method: "POST", headers: { ...json, ...key }, body: "{" }),
        yield* send(`${url}/v1/messages`, { method: "POST", headers: { ...json, ...key }, body: "[]" }),
        yield* send(`${url}/v1/models`, { headers: { origin: page, ...key } }),
        yield* send(`${url}/v1/nothing`, { headers: { origin: page, ...key } }),
        yield* send(`${url}/health`, { headers: { origin: page } }),
      ]
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [502, 401, 400, 400, 200, 404, 200],
      )
      for (const { headers } of answers) {
        assert.strictEqual(headers["access-control-allow-origin"], page)
        assert.strictEqual(headers["vary"], "origin")
        assert.isUndefined(headers["access-control-allow-credentials"])
        const readable = headers["access-control-expose-headers"]?.split(", ") ?? []
        for (const name of Object.keys(headers)) if (!beside.test(name)) assert.include(readable, name)
      }
      assert.isString(answers[0]?.headers["retry-after"])
      assert.isString(answers[0]?.headers["x-ratelimit-limit-requests"])
    }),
  )

  it.live(
    "reads what the server says beside the gate: of a body that is late, of Expect, of a call that is cut off",
    () =>
      Effect.gen(function* () {
        const { drain, upstream, url } = yield* keyed(page, { limits: { requestTimeout: Duration.millis(100) } })
        const headers = { origin: page, "content-type": "application/json", authorization: "Bearer sk-team" }
        const ask = (more: Http.OutgoingHttpHeaders, body = chat) =>
          send(`${url}/v1/messages`, { method: "POST", headers: { ...headers, ...more }, body })
        const late = yield* ask({ "content-length": chat.length + 1 })
        const unexpected = yield* ask({ expect: "the-unexpected" })
        yield* upstream.script("primary", "silent")
        const calling = yield* Effect.forkChild(ask({}, JSON.stringify({ ...JSON.parse(chat), max_tokens: 9 })))
        yield* upstream.received("primary")
        yield* Effect.provideService(
          drain.run({ delay: Duration.zero, timeout: Duration.millis(10) }),
          References.MinimumLogLevel,
          "None",
        )
        const cut = yield* Fiber.join(calling)
        assert.deepStrictEqual([late.status, unexpected.status, cut.status], [408, 417, 503])
        for (const { headers } of [late, unexpected, cut]) {
          assert.strictEqual(headers["access-control-allow-origin"], page)
          assert.strictEqual(headers["vary"], "origin")
          assert.include(headers["access-control-expose-headers"], "x-request-id")
        }
        const foreign = yield* ask({ expect: "the-unexpected", origin: "https://elsewhere.example" })
        assert.isUndefined(foreign.headers["access-control-allow-origin"])
      }),
  )
})

describe("a page of this machine", () => {
  it.live("may call without being listed, on any port", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      for (const origin of [
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "https://app.localhost",
        "http://[::1]:1",
      ]) {
        const asked = yield* send(`${url}/v1/chat/completions`, preflight(origin))
        assert.strictEqual(asked.status, 204, origin)
        assert.strictEqual(asked.headers["access-control-allow-origin"], origin)
      }
    }),
  )
})

describe("a page of another origin", () => {
  it.live("is rejected at its preflight and reads no response", () =>
    Effect.gen(function* () {
      const { url } = yield* keyed(page)
      for (const origin of [
        "https://evil.example",
        "https://chat.example.com.evil.example",
        "https://chat.example.com:8443",
        "http://chat.example.com",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "null",
        "*",
        "",
      ]) {
        const key = { authorization: "Bearer sk-team" }
        for (const sent of [preflight(origin), { headers: { origin, ...key } }]) {
          const { headers, status } = yield* send(`${url}/v1/models`, sent)
          assert.strictEqual(status, 403, origin)
          assert.isUndefined(headers["access-control-allow-origin"])
          assert.isUndefined(headers["access-control-expose-headers"])
          assert.strictEqual(headers["vary"], "origin")
        }
      }
    }),
  )

  it.live("is rejected after DNS rebinding, whatever its origin", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ auth: { origins: [page] } })
      const rebound = yield* send(`${url}/v1/models`, preflight(page, { host: "evil.example" }))
      assert.strictEqual(rebound.status, 421)
    }),
  )

  it.live("shares no cached response with an allowed origin", () =>
    Effect.gen(function* () {
      const { url } = yield* keyed(page)
      const answer = yield* send(`${url}/v1/models`, { headers: { authorization: "Bearer sk-team" } })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers["vary"], "origin")
      assert.isUndefined(answer.headers["access-control-allow-origin"])
    }),
  )
})

/** A server of an empty page, which is of another origin than the gateway's by its name and its port. */
const site = Effect.acquireRelease(
  Effect.callback<Http.Server>((resume) => {
    const server = Http.createServer((_, answer) =>
      answer.setHeader("content-type", "text/html").end("<title>.</title>"),
    )
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close().closeAllConnections()),
)

/** Asks as an SDK in a page does. An opaque failure is all that a page learns of what it may not read. */
const script = (url: string, init: RequestInit, read: ReadonlyArray<string>): string =>
  `fetch(${JSON.stringify(url)}, ${JSON.stringify(init)}).then(
    async (answer) => ({
      status: answer.status,
      headers: Object.fromEntries(${JSON.stringify(read)}.map((name) => [name, answer.headers.get(name)])),
      text: await answer.text(),
    }),
    (error) => ({ status: 0, headers: {}, text: String(error) }),
  )`

interface Read {
  readonly status: number
  readonly headers: Readonly<Record<string, string | null>>
  readonly text: string
}

describe.skipIf(!TestBrowser.installed)("in Chromium", { timeout: 60_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await TestBrowser.launch()
  }, 60_000)
  afterAll(() => browser?.close())

  const open = Effect.fnUntraced(function* (host: string) {
    const { port } = (yield* site).address() as AddressInfo
    const context = yield* Effect.acquireRelease(
      Effect.promise(() => browser.newContext()),
      (context) => Effect.promise(() => context.close()),
    )
    const tab = yield* Effect.promise(() => context.newPage())
    const origin = `http://${host}:${port}`
    yield* Effect.promise(() => tab.goto(`${origin}/`))
    return {
      origin,
      ask: (url: string, init: RequestInit, read: ReadonlyArray<string> = []) =>
        Effect.promise(() => tab.evaluate(script(url, init, read)) as Promise<Read>),
    }
  })

  const post = (key: string, fields: object = {}): RequestInit => ({
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}`, "x-stainless-lang": "js" },
    body: JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "Hello" }], ...fields }),
  })

  it.live("a page of an allowed origin calls with its key: complete, streamed, and with errors", () =>
    Effect.gen(function* () {
      const { ask, origin } = yield* open("chat.test")
      const { upstream, url } = yield* keyed(origin)
      const chat = `${url}/v1/chat/completions`

      const whole = yield* ask(chat, post("sk-team"), Cors.exposed)
      assert.strictEqual(whole.status, 200, whole.text)
      assert.include(whole.text, FaultServer.line("primary"))
      assert.strictEqual(whole.headers["x-understudy-deployment"], "primary")
      assert.isString(whole.headers["x-request-id"])
      assert.isString(whole.headers["x-ratelimit-remaining-requests"])

      const streamed = yield* ask(chat, post("sk-team", { stream: true }))
      assert.strictEqual(streamed.status, 200)
      assert.include(streamed.text, "data: [DONE]")

      const unknown = yield* ask(chat, post("sk-wrong"), ["x-request-id"])
      assert.strictEqual(unknown.status, 401)
      assert.isString(unknown.headers["x-request-id"])

      yield* upstream.script("primary", "429-retry-after-30")
      yield* upstream.script("backup", "503")
      const failed = yield* ask(chat, post("sk-team"), ["retry-after"])
      assert.strictEqual(failed.status, 502)
      assert.isString(failed.headers["retry-after"])

      assert.strictEqual((yield* ask(`${url}/v1/models`, { headers: { "x-api-key": "sk-team" } })).status, 200)
      // A page that wants to be known by a cookie is not: it must show its key.
      assert.strictEqual((yield* ask(chat, { ...post("sk-team"), credentials: "include" })).status, 0)
    }),
  )

  it.live("a page of any other origin reads nothing, and the browser does not send its POST", () =>
    Effect.gen(function* () {
      const { ask } = yield* open("evil.test")
      const { upstream, url } = yield* keyed("http://chat.test")
      const chat = `${url}/v1/chat/completions`
      assert.strictEqual((yield* ask(chat, post("sk-team"))).status, 0)
      assert.strictEqual((yield* ask(`${url}/v1/models`, {})).status, 0)
      const simple = { method: "POST", headers: { "content-type": "text/plain" }, body: "{}", mode: "no-cors" } as const
      yield* ask(chat, simple)
      assert.strictEqual(yield* upstream.attempts("primary"), 0)
    }),
  )

  it.live("a page on loopback calls a gateway without keys", () =>
    Effect.gen(function* () {
      const { ask } = yield* open("localhost")
      const { url } = yield* TestGateway.make()
      const answer = yield* ask(`${url}/v1/chat/completions`, post("anything"))
      assert.strictEqual(answer.status, 200, answer.text)
    }),
  )
})

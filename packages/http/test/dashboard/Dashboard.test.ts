/** The page as it is served, and the way in to it, by bare requests such as browsers make. */
import { assert, describe, it } from "@effect/vitest"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { request } from "node:http"
import * as Keyring from "../../src/auth/Keyring.ts"
import type { ConfiguredKey } from "../../src/auth/VirtualKey.ts"
import * as TestGateway from "../TestGateway.ts"

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
}

/** A request with any headers, `Host` and `Origin` too, which `fetch` keeps to itself. */
const send = (
  url: string,
  { body, headers = {} }: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } = {},
): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const sent = request(
      url,
      {
        method: body === undefined ? "GET" : "POST",
        headers: { ...(body === undefined ? undefined : { "content-type": "application/json" }), ...headers },
      },
      (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (piece) => (text += piece))
        response.on("end", () => {
          resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text }))
        })
      },
    )
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })

const operator = Keyring.operator(Redacted.make("sk-operator"))
const team: ConfiguredKey = { id: "team", key: Redacted.make("sk-team"), routes: ["backup"] }

/** A gateway that asks for a key, with sessions. */
const keyed = TestGateway.make({
  keys: [team],
  auth: { keys: [operator, Keyring.configured(team)], sessions: Redacted.make("of the sessions") },
})

/** The cookie of whoever signs in with that key, as a browser sends it back. */
const signIn = Effect.fnUntraced(function* (url: string, key: string) {
  const { headers, status } = yield* send(`${url}/login`, { body: { key } })
  assert.strictEqual(status, 204)
  const [cookie = ""] = headers["set-cookie"] ?? []
  return { cookie, pair: cookie.split(";")[0] ?? "" }
})

describe("the page", () => {
  it.live("is served without a key, as one file, with a CSP for its inline scripts and styles only", () =>
    Effect.gen(function* () {
      const { url } = yield* keyed
      const { headers, status, text } = yield* send(`${url}/`)
      assert.strictEqual(status, 200)
      assert.include(text, "<title>Understudy</title>")
      const policy = String(headers["content-security-policy"])
      assert.match(policy, /^default-src 'none'; script-src(?: 'sha256-[^']+')+; style-src(?: 'sha256-[^']+')+;/)
      assert.notMatch(text, /<script |<link rel="stylesheet"| on\w+="| style="/)
    }),
  )

  it.live("is compressed for clients that accept it, and has an ETag", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      const get = (headers: Record<string, string>) =>
        Effect.promise(async () => {
          const response = await fetch(url, { headers })
          return { status: response.status, headers: response.headers, text: await response.text() }
        })
      const whole = yield* get({ "accept-encoding": "identity" })
      assert.isNull(whole.headers.get("content-encoding"))
      const etag = whole.headers.get("etag") ?? ""
      for (const [accepted, encoding] of [
        ["gzip, deflate, br, zstd", "br"],
        ["gzip;q=1.0, br;q=0", "gzip"],
        ["br;q=0, gzip;q=0.0", null],
      ] as const) {
        const { headers, text } = yield* get({ "accept-encoding": accepted })
        assert.strictEqual(headers.get("content-encoding"), encoding, accepted)
        assert.strictEqual(text, whole.text)
        assert.include(headers.get("vary"), "accept-encoding")
        if (encoding !== null) assert.isBelow(Number(headers.get("content-length")), whole.text.length / 3)
      }
      for (const known of [etag, etag.replace("W/", ""), `"other", ${etag}`]) {
        const { headers, status, text } = yield* get({ "if-none-match": known })
        assert.deepStrictEqual([status, text], [304, ""], known)
        assert.strictEqual(headers.get("etag"), etag)
        assert.isNotNull(headers.get("content-security-policy"))
      }
      assert.strictEqual((yield* get({ "if-none-match": '"other"' })).status, 200)
    }),
  )

  it.live("is rejected under a rebound host name on a gateway without keys", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      assert.strictEqual((yield* send(`${url}/`)).status, 200)
      assert.strictEqual((yield* send(`${url}/`, { headers: { host: "evil.example" } })).status, 421)
      const { status } = yield* send(`${url}/api/generate`, {
        headers: { host: "evil.example", origin: "http://evil.example" },
        body: { prompt: "Hello?" },
      })
      assert.strictEqual(status, 403)
    }),
  )

  it.live("may call under an allowed host name", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ auth: { hosts: ["gateway.internal"] } })
      const headers = { host: "gateway.internal:4000", origin: "http://gateway.internal:4000" }
      const ask = (headers: Record<string, string>) =>
        Effect.map(send(`${url}/api/generate`, { headers, body: { prompt: "Hello?" } }), ({ status }) => status)
      assert.strictEqual(yield* ask(headers), 200)
      assert.strictEqual(yield* ask({ ...headers, origin: "http://other.internal:4000" }), 403)
    }),
  )
})

describe("signing in", () => {
  it.live("sets an HTTP-only, same-site session cookie that stands for the key", () =>
    Effect.gen(function* () {
      const { url } = yield* keyed
      assert.strictEqual((yield* send(`${url}/api/providers`)).status, 401)
      const { cookie, pair } = yield* signIn(url, "sk-operator")
      assert.match(cookie, /; HttpOnly/)
      assert.match(cookie, /; SameSite=Strict/)
      assert.notInclude(cookie, "sk-operator")
      assert.strictEqual((yield* send(`${url}/api/providers`, { headers: { cookie: pair } })).status, 200)
      const out = yield* send(`${url}/logout`, { body: {}, headers: { cookie: pair } })
      assert.match(String(out.headers["set-cookie"]), /^understudy_session=; Max-Age=0;/)
      // A copy of the cookie opens nothing any more.
      assert.strictEqual((yield* send(`${url}/api/providers`, { headers: { cookie: pair } })).status, 401)
      const other = yield* signIn(url, "sk-operator")
      assert.strictEqual((yield* send(`${url}/api/providers`, { headers: { cookie: other.pair } })).status, 200)
    }),
  )

  it.live("sets a secure cookie if the page was loaded over HTTPS", () =>
    Effect.gen(function* () {
      const { url } = yield* keyed
      const { headers } = yield* send(`${url}/login`, {
        body: { key: "sk-operator" },
        headers: { host: "gw.example.com", origin: "https://gw.example.com" },
      })
      assert.match(String(headers["set-cookie"]), /; Secure/)
    }),
  )

  it.live("rejects unknown keys, forms, and other origins", () =>
    Effect.gen(function* () {
      const { url } = yield* keyed
      const login = (body: unknown, headers: Record<string, string> = {}) =>
        Effect.map(send(`${url}/login`, { body, headers }), ({ headers, status }) => {
          assert.isUndefined(headers["set-cookie"])
          return status
        })
      assert.strictEqual(yield* login({ key: "sk-wrong" }), 401)
      assert.strictEqual(yield* login({}), 400)
      assert.strictEqual(yield* login({ key: "sk-operator" }, { "content-type": "text/plain" }), 415)
      assert.strictEqual(yield* login({ key: "sk-operator" }, { origin: "https://evil.example" }), 403)
    }),
  )

  it.live("does not authenticate other pages of the site, on any port", () =>
    Effect.gen(function* () {
      const { url } = yield* keyed
      const { pair: cookie } = yield* signIn(url, "sk-operator")
      const { host } = new URL(url)
      const ask = (headers: Record<string, string>) =>
        Effect.map(
          send(`${url}/api/generate`, { headers: { cookie, ...headers }, body: { prompt: "Hello?" } }),
          ({ status }) => status,
        )
      assert.strictEqual(yield* ask({ origin: `http://${host}` }), 200)
      assert.strictEqual(yield* ask({ origin: `http://${host}`, "sec-fetch-site": "same-origin" }), 200)
      assert.strictEqual(yield* ask({ origin: "http://127.0.0.1:3000" }), 401)
      assert.strictEqual(yield* ask({ origin: "http://127.0.0.1:3000", "sec-fetch-site": "same-site" }), 401)
      assert.strictEqual(yield* ask({ "sec-fetch-site": "cross-site" }), 401)
    }),
  )

  it.live("gives a virtual key access to its own endpoints only", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* keyed
      const { pair: cookie } = yield* signIn(url, "sk-team")
      const { text } = yield* send(`${url}/api/generate`, { headers: { cookie }, body: { prompt: "Hello?" } })
      const { provider, response } = JSON.parse(text)
      assert.deepStrictEqual([provider, response], ["backup", FaultServer.line("backup")])
      assert.strictEqual(yield* upstream.attempts("primary"), 0)
      for (const path of ["/api/providers", "/api/activity", "/metrics"]) {
        assert.strictEqual((yield* send(`${url}${path}`, { headers: { cookie } })).status, 403, path)
      }
    }),
  )
})

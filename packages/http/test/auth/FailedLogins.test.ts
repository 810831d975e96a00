/** Wrong keys: how they are slowed and logged, by themselves and at the gate. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as Keyring from "../../src/auth/Keyring.ts"
import { networkOf, FailedLogins } from "../../src/auth/FailedLogins.ts"
import type { ConfiguredKey } from "../../src/auth/VirtualKey.ts"
import * as LoginThrottle from "../../src/api/LoginThrottle.ts"
import * as TestGateway from "../TestGateway.ts"

describe("FailedLogins", () => {
  it("replies to ten unknown keys of an address at once, delays the next, and then rejects", () => {
    const failedLogins = new FailedLogins()
    const waits = Array.from({ length: 15 }, () => {
      const { retryAfter, wait } = failedLogins.record("10.0.0.1", 50_000)
      return retryAfter === undefined ? wait : "refused"
    })
    assert.deepStrictEqual(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1000, 2000, 3000, "refused", "refused"])
    assert.strictEqual(failedLogins.record("10.0.0.1", 50_000).retryAfter, 4000)
    assert.deepInclude(failedLogins.record("10.0.0.1", 52_000), { wait: 2000, retryAfter: undefined })
    assert.strictEqual(failedLogins.record("10.0.0.1", 90_000).wait, 0)
  })

  it("does not delay other addresses", () => {
    const failedLogins = new FailedLogins()
    for (let round = 0; round < 100; round++) failedLogins.record("10.0.0.1", 0)
    assert.deepInclude(failedLogins.record("10.0.0.2", 0), { wait: 0, retryAfter: undefined })
  })

  it("limits the addresses in memory and the lines in the log", () => {
    const failedLogins = new FailedLogins()
    let lines = 0
    for (let each = 0; each < 30_000; each++) {
      if (failedLogins.record(`10.${each >> 16}.${(each >> 8) & 255}.${each & 255}`, 0).line !== undefined) lines++
    }
    assert.strictEqual(failedLogins.size, 10_000)
    assert.strictEqual(lines, 60)
    assert.match(failedLogins.record("1.1.1.1", 60_000).line ?? "", /29940 similar lines were suppressed/)
  })

  it("logs the first, tenth and hundredth unknown key of an address", () => {
    const failedLogins = new FailedLogins()
    const lines = Array.from({ length: 200 }, (_, at) => failedLogins.record("10.0.0.1", at).line).filter(
      (line) => line !== undefined,
    )
    assert.deepStrictEqual(lines, [
      "Unknown key from 10.0.0.1",
      "Unknown key from 10.0.0.1 (10 so far)",
      "Unknown key from 10.0.0.1 (100 so far)",
    ])
  })

  it("groups IPv6 addresses by their /64 network", () => {
    assert.strictEqual(networkOf("::ffff:10.0.0.1"), "10.0.0.1")
    assert.strictEqual(networkOf("2001:db8:1:2:3:4:5:6"), networkOf("2001:db8:1:2::1"))
    assert.notStrictEqual(networkOf("2001:db8:1:3::1"), networkOf("2001:db8:1:2::1"))
    assert.strictEqual(networkOf("::1"), "0:0:0:0::/64")
    assert.strictEqual(networkOf("fe80::1%eth0"), "fe80:0:0:0::/64")
  })

  it.effect("delays a reply, and releases the delay when the client disconnects", () =>
    Effect.gen(function* () {
      const failedLogins = new FailedLogins()
      const met = LoginThrottle.throttle(failedLogins, { remoteAddress: Option.some("10.0.0.1") })
      for (let round = 0; round < 10; round++) yield* met
      const held = yield* Effect.forkChild(met)
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(held.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(held)
      yield* Fiber.interrupt(yield* Effect.forkChild(met, { startImmediately: true }))
      for (let round = 0; round < 2; round++) yield* Effect.forkChild(met, { startImmediately: true })
      const { code, retryAfter, status } = yield* Effect.flip(met)
      assert.deepStrictEqual([code, status], ["too_many_wrong_keys", 429])
      assert.isAbove(retryAfter ?? 0, 3000)
    }),
  )
})

describe("unknown and leaked keys", () => {
  const team: ConfiguredKey = { id: "team", key: Redacted.make("sk-team") }
  const operator = Keyring.operator(Redacted.make("sk-operator"))

  it.live("delays and logs unknown keys without the key, and accepts valid keys from the same address", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.formatLogFmt, (line) => void lines.push(line))
      const { url } = yield* Effect.provide(
        TestGateway.make({
          keys: [team],
          auth: { keys: [operator, Keyring.configured(team)], sessions: Redacted.make("of the sessions") },
          logLevel: "Info",
        }),
        Logger.layer([logger]),
      )
      const stop = new AbortController()
      const ask = (path: string, key: string, body?: object) =>
        fetch(`${url}${path}`, {
          method: body === undefined ? "GET" : "POST",
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
          ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
          signal: stop.signal,
        }).then((answer) => answer.text().then((text) => ({ status: answer.status, headers: answer.headers, text })))
      const wrong = Array.from({ length: 20 }, (_, at) =>
        at % 2 === 0 ? ask("/v1/models", "sk-guessed") : ask("/login", "", { key: "sk-guessed" }),
      )
      const refused = yield* Effect.promise(() =>
        Promise.any(wrong.map((answer) => answer.then((got) => (got.status === 429 ? got : Promise.reject(got))))),
      )
      assert.include(refused.text, "too_many_wrong_keys")
      assert.isAtLeast(Number(refused.headers.get("retry-after")), 1)
      const statuses = yield* Effect.promise(() =>
        Promise.all([
          ask("/v1/models", "sk-team").then(({ status }) => status),
          ask("/api/providers", "sk-operator").then(({ status }) => status),
          ask("/login", "", { key: "sk-team" }).then(({ status }) => status),
        ]),
      )
      assert.deepStrictEqual(statuses, [200, 200, 204])
      stop.abort()
      yield* Effect.promise(() => Promise.allSettled(wrong))
      const log = lines.join("\n")
      assert.match(log, /level=WARN .*Unknown key from 127\.0\.0\.1/)
      assert.match(log, /Key .*team.* signed in to the page/)
      assert.notMatch(log, /sk-guessed|sk-team/)
    }),
  )

  it.live("passes no gateway key to a vendor, and only known query parameters", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({
        keys: [team],
        auth: { keys: [operator, Keyring.configured(team)] },
        vendor: "anthropic",
      })
      const query = "?beta=true&trace=1&key=sk-team&x=sk-operator&api-version=../..&alt=sse"
      yield* Effect.promise(() =>
        fetch(`${url}/v1/messages${query}`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            "x-api-key": "sk-operator",
            "anthropic-beta": "context-1m-2025-08-07,sk-team",
            "anthropic-version": "2023-06-01",
          },
          body: JSON.stringify({ model: "primary", max_tokens: 9, messages: [{ role: "user", content: "Hello?" }] }),
        }).then((answer) => answer.text()),
      )
      const { headers, path } = yield* upstream.received("primary")
      assert.strictEqual(path, "/v1/messages?beta=true")
      assert.isUndefined(headers["anthropic-beta"])
      assert.strictEqual(headers["anthropic-version"], "2023-06-01")
      assert.notMatch(JSON.stringify(headers), /sk-team|sk-operator/)
    }),
  )

  it.live("rejects a gateway key in a body or a model name, in any protocol, but not in the conversation", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({
        keys: [team],
        auth: { keys: [operator, Keyring.configured(team)] },
      })
      const ask = (path: string, body: object) =>
        Effect.promise(() =>
          fetch(`${url}${path}`, {
            method: "POST",
            headers: { "content-type": "application/json", authorization: "Bearer sk-team" },
            body: JSON.stringify(body),
          }).then((answer) => answer.text().then((text) => ({ status: answer.status, text }))),
        )
      const model = "primary"
      const said = (content: string) => [{ role: "user", content }]
      const contents = [{ role: "user", parts: [{ text: "Hello?" }] }]
      const dialects: ReadonlyArray<readonly [path: string, body: object]> = [
        ["/v1/chat/completions", { model, messages: said("Hello?") }],
        ["/v1/responses", { model, input: "Hello?" }],
        ["/v1/messages", { model, messages: said("Hello?"), max_tokens: 9 }],
        ["/v1/messages/count_tokens", { model, messages: said("Hello?") }],
        [`/v1beta/models/${model}:generateContent`, { contents }],
        [`/v1beta/models/${model}:streamGenerateContent?alt=sse`, { contents }],
        ["/v1/embeddings", { model, input: "Hello?" }],
        ["/v1/route/explain", { model, messages: said("Hello?") }],
      ]
      for (const key of ["sk-team", "sk-operator"]) {
        const places: Readonly<Record<string, object>> = {
          user: { user: key },
          api_key: { api_key: `Bearer ${key}` },
          "metadata.user_id": { metadata: { user_id: key } },
          "extra[0].headers.authorization": { extra: [{ headers: { authorization: `bearer ${key}` } }] },
          labels: { labels: { [key]: "a" } },
        }
        for (const [path, body] of dialects) {
          for (const [place, more] of Object.entries(places)) {
            const { status, text } = yield* ask(path, { ...body, ...more })
            assert.strictEqual(status, 400, `${path} ${place} ${text}`)
            assert.include(text, place)
            assert.include(text, "it is a key of this gateway and must not be sent to a provider. Remove it.")
            assert.notInclude(text, key)
          }
        }
        for (const model of [key, `vendor/${key}`]) {
          for (const [path, body] of [
            ["/v1/chat/completions", { model, messages: said("Hello?") }],
            [`/v1beta/models/${model}:generateContent`, { contents }],
          ] as const) {
            const { status, text } = yield* ask(path, body)
            assert.strictEqual(status, 400)
            assert.include(text, "Invalid value for 'model'")
            assert.notInclude(text, key)
          }
        }
      }
      assert.strictEqual(yield* upstream.attempts(model), 0)
      const { status } = yield* ask("/v1/chat/completions", {
        model,
        messages: said("Is sk-team a key?"),
        user: "sk-teas",
      })
      assert.strictEqual(status, 200)
    }),
  )
})

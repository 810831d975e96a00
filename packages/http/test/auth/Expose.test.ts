/** What the holder of a virtual key is told of who answers, by what the operator exposes; and what the operator is. */
import { assert, describe, it } from "@effect/vitest"
import * as Behavior from "@understudy/providers/testing/Behavior"
import { Route } from "@understudy/core"
import { ProviderError } from "@understudy/core/ProviderError"
import { RouterError } from "@understudy/core/RouterError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Disclosure from "../../src/api/Disclosure.ts"
import * as Auth from "../../src/auth/Auth.ts"
import * as Keyring from "../../src/auth/Keyring.ts"
import type { Level } from "../../src/auth/Expose.ts"
import type { ConfiguredKey } from "../../src/auth/VirtualKey.ts"
import * as TestGateway from "../TestGateway.ts"

const team: ConfiguredKey = { id: "team", key: Redacted.make("sk-team") }
const operator = Keyring.operator(Redacted.make("sk-operator"))

const gateway = (expose: Level | undefined, options: TestGateway.Options = {}) =>
  TestGateway.make({
    keys: [team],
    auth: { keys: [operator, Keyring.configured(team)], expose },
    primary: { circuit: { failures: 1 } },
    route: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })),
    ...options,
  })

const messages = [{ role: "user", content: "Hello?" }]
const contents = [{ role: "user", parts: [{ text: "Hello?" }] }]

const asks: ReadonlyArray<readonly [path: string, body: object]> = [
  ["/v1/chat/completions", { model: "assistant", messages }],
  ["/v1/chat/completions", { model: "assistant", messages, stream: true }],
  ["/v1/responses", { model: "assistant", input: "Hello?" }],
  ["/v1/responses", { model: "assistant", input: "Hello?", stream: true }],
  ["/v1/messages", { model: "assistant", messages, max_tokens: 9 }],
  ["/v1/messages", { model: "assistant", messages, max_tokens: 9, stream: true }],
  ["/v1beta/models/assistant:generateContent", { contents }],
  ["/v1beta/models/assistant:streamGenerateContent?alt=sse", { contents }],
  ["/v1/embeddings", { model: "assistant", input: "Hello?" }],
  ["/api/generate", { model: "assistant", prompt: "Hello?" }],
  ["/api/generate", { model: "assistant", prompt: "Hello?", stream: true }],
]

const ask = (url: string, path: string, body: object, key = "sk-team") =>
  Effect.promise(async () => {
    const answer = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body: JSON.stringify(body),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text, all: `${[...answer.headers].join("\n")}\n${text}` }
  })

describe("exposure levels", () => {
  it.live("names: shows deployments and failure reasons, without provider messages and deployment state", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* gateway(undefined)
      yield* upstream.script("primary", [Behavior.refuse("overloaded")])
      yield* upstream.script("backup", [Behavior.html(502)])
      for (const [path, body] of asks) {
        const { all, status } = yield* ask(url, path, body)
        assert.isAtLeast(status, 500, path)
        assert.match(all, /backup: (?:ServerError|Unsupported|Overloaded|NotFound) ?(?:\(\d+\))?|backup: /, path)
        assert.notMatch(all, /circuit|resting|cooldown|nginx|<html|127\.0\.0\.1|Bad Gateway/i, path)
      }
      const { text } = yield* ask(url, "/v1/chat/completions", { model: "assistant", messages })
      const { error } = JSON.parse(text)
      assert.match(error.message, /^All deployments of route "assistant" failed\. .*primary: unavailable/)
      assert.deepInclude(error.attempts, { deployment: "primary", reason: "unavailable", ms: 0 })
    }).pipe(Effect.scoped),
  )

  it.live("names the arm of a split on errors of every protocol, and does not with none", () =>
    Effect.gen(function* () {
      const arms = [
        { use: "primary", share: 1 },
        { use: "backup", share: 0 },
      ] as const
      const route = Route.split(arms).pipe(Route.retry({ times: 0 }))
      for (const expose of ["names", "none"] as const) {
        const { upstream, url } = yield* gateway(expose, { route })
        yield* upstream.script("primary", [Behavior.refuse("overloaded")])
        for (const [path, body] of asks) {
          const { headers, status } = yield* ask(url, path, body)
          assert.isAtLeast(status, 500, path)
          assert.strictEqual(headers.get("x-understudy-split"), expose === "none" ? null : "primary", path)
        }
      }
    }).pipe(Effect.scoped),
  )

  it.live("names: hides the address of an unreachable upstream", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* gateway("names")
      yield* upstream.script("primary", [Behavior.reset])
      yield* upstream.script("backup", [Behavior.reset])
      for (const [path, body] of asks) {
        const { all } = yield* ask(url, path, body)
        assert.notMatch(all, /127\.0\.0\.1|localhost|ECONN|socket/i, path)
      }
    }).pipe(Effect.scoped),
  )

  it.live("names: shows the provider's message for the caller's own mistake", () =>
    Effect.gen(function* () {
      for (const level of ["names", "none"] as const) {
        const { upstream, url } = yield* gateway(level)
        yield* upstream.script("primary", [Behavior.refuse("invalid-request")])
        const { status, text } = yield* ask(url, "/v1/chat/completions", { model: "assistant", messages })
        const { message } = JSON.parse(text).error
        assert.strictEqual(status, 400)
        assert.match(message, level === "names" ? /primary: InvalidRequest \(400\)\. ./ : /failed\. ./)
        if (level === "none") assert.notInclude(text, "primary")
      }
    }).pipe(Effect.scoped),
  )

  it("names: hides addresses in the provider's message", () => {
    const words = (text: string) =>
      Disclosure.message(
        new RouterError({
          kind: "InvalidRequest",
          message: text,
          receipt: undefined,
          cause: new ProviderError({ reason: { _tag: "InvalidRequest" }, message: text }),
        }),
        "names",
      )
    for (const [told, left] of [
      [
        "Could not parse https://db.internal.example.com/v1/chat: see it",
        "Could not parse https://***/v1/chat: see it",
      ],
      ["at http://10.0.0.7:8000 and (wss://me@host)", "at http://*** and (wss://***)"],
      ["by backend.svc.cluster.local:8080, 10.1.2.3 and [fe80::1]:99", "by ***, *** and ***"],
      ["messages[0].content: at 12:30 a data:image/png", "messages[0].content: at 12:30 a data:image/png"],
    ] as const) {
      assert.strictEqual(words(told), `The provider rejected the request: ${left}`)
    }
  })

  it.live("none: shows nothing about deployments", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* gateway("none")
      const told = /x-understudy-deployment|x-understudy-attempts|"provider"|activity_log|attempts/
      for (const [path, body] of asks) {
        const { all, status } = yield* ask(url, path, body)
        assert.strictEqual(status, 200, path)
        assert.notMatch(all, told, path)
      }
      yield* upstream.script("primary", [Behavior.refuse("overloaded")])
      yield* upstream.script("backup", [Behavior.refuse("bad-key")])
      for (const [path, body] of asks) {
        const { all, status } = yield* ask(url, path, body)
        assert.isAtLeast(status, 500, path)
        assert.notMatch(all, told, path)
        assert.notMatch(all, /primary|backup|Overloaded|Authentication/, path)
      }
    }).pipe(Effect.scoped),
  )

  it.live("names and none: show only that a stream was interrupted", () =>
    Effect.gen(function* () {
      for (const [level, words] of [
        ["names", "The stream was interrupted: primary: Network."],
        ["none", "The stream was interrupted."],
      ] as const) {
        const { upstream, url } = yield* gateway(level)
        yield* upstream.script("primary", [Behavior.cut(2)])
        for (const [path, body] of asks.filter(([path, body]) => "stream" in body || path.includes("alt=sse"))) {
          yield* upstream.script("primary", [Behavior.cut(2)])
          yield* ask(url, "/admin/deployments/primary/reset", {}, "sk-operator")
          const { text } = yield* ask(url, path, body)
          assert.include(text, words, path)
        }
      }
    }).pipe(Effect.scoped),
  )

  it.live("explanations show everything to the operator, names to a key, or the route alone", () =>
    Effect.gen(function* () {
      const explained = Effect.fnUntraced(function* (level: Level | undefined, key: string) {
        const { upstream, url } = yield* gateway(level)
        yield* upstream.script("primary", [Behavior.refuse("server-error")])
        yield* ask(url, "/v1/chat/completions", { model: "assistant", messages })
        const { text } = yield* ask(url, "/v1/route/explain", { model: "assistant", messages }, key)
        return JSON.parse(text)
      })
      const all = yield* explained("none", "sk-operator")
      assert.strictEqual(all.plan.plans[0].checks.circuit.type, "circuit_open")
      const names = yield* explained(undefined, "sk-team")
      assert.deepStrictEqual(names.plan, {
        type: "sequence",
        strategy: "fallback",
        plans: [
          { type: "deployment", deployment: "primary", model: "primary", availability: { type: "unavailable" } },
          { type: "deployment", deployment: "backup", model: "backup", availability: { type: "available" } },
        ],
      })
      const none = yield* explained("none", "sk-team")
      assert.deepStrictEqual(Object.keys(none).toSorted(), ["inputTokens", "requires", "route", "streaming", "total"])
      assert.strictEqual((yield* explained("full", "sk-team")).plan.plans[0].checks.circuit.type, "circuit_open")
    }).pipe(Effect.scoped),
  )

  it("default to full for a gateway without keys", () => {
    const exposed = (
      { expose, keys = [] }: { readonly keys?: ReadonlyArray<Keyring.Key>; readonly expose?: "none" },
      caller?: ConfiguredKey,
    ) => Auth.exposed(Auth.make({ keys: new Keyring.Keyring(keys), hosts: [], origins: [], expose }), caller)
    assert.strictEqual(exposed({}), "full")
    assert.strictEqual(exposed({ expose: "none" }), "none")
    assert.strictEqual(exposed({ keys: [operator], expose: "none" }), "full")
    assert.strictEqual(exposed({ keys: [operator] }, team), "names")
  })
})

describe("token counts and explanations", () => {
  it.live("have a limit of their own in every protocol, and are counted by key", () =>
    Effect.gen(function* () {
      const limited: ConfiguredKey = { ...team, limits: { rpm: 2, cpm: 4 } }
      const { url } = yield* TestGateway.make({
        keys: [limited],
        auth: { keys: [operator, Keyring.configured(limited)] },
        vendor: "anthropic",
      })
      const asides: ReadonlyArray<readonly [string, object]> = [
        ["/v1/messages/count_tokens", { model: "assistant", messages }],
        ["/v1/responses/input_tokens", { model: "assistant", input: "Hello?" }],
        ["/v1beta/models/assistant:countTokens", { contents }],
        ["/v1/route/explain", { model: "assistant", messages }],
      ]
      for (const [path, body] of asides) assert.strictEqual((yield* ask(url, path, body)).status, 200, path)
      for (const [path, body] of asides) {
        const { headers, status, text } = yield* ask(url, path, body)
        assert.strictEqual(status, 429, path)
        assert.include(text, "exceeds its limit of 4 requests a minute for token counts and explanations", path)
        assert.isNotNull(headers.get("retry-after"))
        assert.strictEqual((yield* ask(url, path, body, "sk-operator")).status, 200, path)
      }
      const call = ["/v1/chat/completions", { model: "assistant", messages }] as const
      const statuses = []
      for (let round = 0; round < 3; round++) statuses.push((yield* ask(url, ...call)).status)
      assert.deepStrictEqual(statuses, [200, 200, 429])
      const metrics = yield* Effect.promise(() =>
        fetch(`${url}/metrics`, { headers: { authorization: "Bearer sk-operator" } }).then((answer) => answer.text()),
      )
      for (const [outcome, count] of Object.entries({ count_tokens: 3, explain: 1, rate_limited: 5 })) {
        assert.match(
          metrics,
          new RegExp(`understudy_key_requests_total\\{key="team",outcome="${outcome}"\\} ${count}\\n`),
        )
      }
    }).pipe(Effect.scoped),
  )

  it.live("use the limits of calls by default, counted separately", () =>
    Effect.gen(function* () {
      const limited: ConfiguredKey = { ...team, limits: { rpm: 1 } }
      const { url } = yield* TestGateway.make({ keys: [limited] })
      const statuses = []
      for (const path of ["/v1/messages/count_tokens", "/v1/messages/count_tokens", "/v1/chat/completions"]) {
        statuses.push((yield* ask(url, path, { model: "assistant", messages, max_tokens: 9 })).status)
      }
      assert.deepStrictEqual(statuses, [200, 429, 200])
    }).pipe(Effect.scoped),
  )

  it.live("do not reveal routes of another key when no model is given", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ keys: [{ ...team, routes: ["vendor/*"] }] })
      const { status, text } = yield* ask(url, "/api/generate", { prompt: "Hello?" })
      assert.strictEqual(status, 400)
      assert.match(text, /Missing required parameter: 'model'/)
      assert.notMatch(text, /assistant|primary|backup/)
    }).pipe(Effect.scoped),
  )
})

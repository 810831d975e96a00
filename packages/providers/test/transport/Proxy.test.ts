/** Proxies for every vendor: a deployment's own, and the environment's, through a real proxy. */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Provider } from "@understudy/core/Provider"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Azure from "@understudy/providers/internal/openai/Azure"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Gemini from "@understudy/providers/gemini"
import * as OpenAi from "@understudy/providers/openai"
import * as FaultServer from "@understudy/providers/testing"
import * as Transport from "@understudy/providers/transport"
import * as Vertex from "@understudy/providers/vertex"
import * as Proxy from "@understudy/providers/internal/transport/Proxy"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as ProxyServer from "./ProxyServer.ts"
import * as TestTls from "./TestTls.ts"

const apiKey = Redacted.make("sk-upstream")

type Made = Layer.Layer<Provider, unknown>

const vendors: Readonly<Record<string, (url: string, proxy: Redacted.Redacted | undefined) => Made>> = {
  openai: (url, proxy) => OpenAi.layer({ baseUrl: `${url}/v1`, apiKey, proxy }),
  responses: (url, proxy) => OpenAi.layer({ baseUrl: `${url}/v1`, apiKey, proxy, api: "responses" }),
  azure: (url, proxy) => Azure.layer({ endpoint: url, apiKey, proxy }),
  vllm: (url, proxy) => OpenAi.layer({ vendor: "vllm", baseUrl: `${url}/v1`, apiKey, proxy }),
  anthropic: (url, proxy) => Anthropic.layer({ baseUrl: url, apiKey, proxy }),
  gemini: (url, proxy) => Gemini.layer({ baseUrl: url, apiKey, proxy }),
  vertex: (url, proxy) => Vertex.layer({ project: "p", location: "eu", baseUrl: url, accessToken: apiKey, proxy }),
  bedrock: (url, proxy) => Bedrock.layer({ endpoint: url, region: "us-east-1", bearerToken: apiKey, proxy }),
}

const request = (model: string): Chat.Request => ({ model, messages: [Chat.user("Hello?")] })

/** A complete and a streamed response of a provider. */
const ask = (layer: Made, model = "ok", env: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const provider = yield* Provider
    const whole = yield* provider.chat(request(model))
    const frames = yield* Stream.runCollect(provider.stream(request(model)))
    return [Chat.text(whole) !== "", frames.some(({ parts }) => parts.some(({ type }) => type === "finish"))]
  }).pipe(
    Effect.provide(Layer.provide(layer, [Transport.layer, ConfigProvider.layer(ConfigProvider.fromEnv({ env }))])),
  )

const withUser = (url: string, password: string): string => url.replace("//", `//user:${encodeURIComponent(password)}@`)

describe.concurrent("Proxy", () => {
  for (const [vendor, make] of Object.entries(vendors)) {
    it.live(`${vendor}: https goes through a tunnel of its own proxy`, () =>
      Effect.gen(function* () {
        const upstream = yield* FaultServer.make()
        const proxy = yield* ProxyServer.make("p@ss word")
        const url = yield* TestTls.before(upstream.url)
        assert.deepStrictEqual(yield* ask(make(url, Redacted.make(withUser(proxy.url, "p@ss word")))), [true, true])
        assert.isNotEmpty(proxy.passed)
        for (const passed of proxy.passed) assert.deepStrictEqual(passed, { how: "tunnel", to: new URL(url).host })
        for (const { headers } of yield* upstream.requests) assert.notProperty(headers, "proxy-authorization")
      }),
    )

    it.live(`${vendor}: plain http is forwarded by its own proxy`, () =>
      Effect.gen(function* () {
        const upstream = yield* FaultServer.make()
        const proxy = yield* ProxyServer.make("secret-word")
        assert.deepStrictEqual(yield* ask(make(upstream.url, Redacted.make(withUser(proxy.url, "secret-word")))), [
          true,
          true,
        ])
        const passed = { how: "forward", to: new URL(upstream.url).host } as const
        assert.deepStrictEqual(proxy.passed, [passed, passed])
      }),
    )

    it.live(`${vendor}: the environment's proxy is used, except for NO_PROXY`, () =>
      Effect.gen(function* () {
        const upstream = yield* FaultServer.make()
        const url = yield* TestTls.before(upstream.url)
        for (const [target, env, through] of [
          [url, "HTTPS_PROXY", true],
          [url, "https_proxy", true],
          [url, "HTTP_PROXY", false],
          [upstream.url, "HTTP_PROXY", true],
          [upstream.url, "HTTPS_PROXY", false],
        ] as const) {
          const proxy = yield* ProxyServer.make()
          const layer = make(target, undefined)
          assert.deepStrictEqual(yield* ask(layer, "ok", { [env]: proxy.url }), [true, true])
          assert.strictEqual(proxy.passed.length > 0, through, `${env} for ${target}`)
          const before = proxy.passed.length
          yield* ask(make(target, undefined), "ok", { [env]: proxy.url, NO_PROXY: "localhost, 127.0.0.1" })
          assert.strictEqual(proxy.passed.length, before)
        }
      }),
    )

    it.live(`${vendor}: a proxy that rejects its password is an Authentication error without the password`, () =>
      Effect.gen(function* () {
        const upstream = yield* FaultServer.make()
        const proxy = yield* ProxyServer.make("right-word")
        const url = yield* TestTls.before(upstream.url)
        for (const target of [url, upstream.url]) {
          const error = yield* Effect.flip(ask(make(target, Redacted.make(withUser(proxy.url, "wrong-word")))))
          assert.deepInclude(error, { reason: { _tag: "Authentication" } })
          assert.notInclude(String(error) + JSON.stringify(error), "wrong-word")
        }
        assert.deepStrictEqual(yield* upstream.requests, [])
      }),
    )

    it.live(`${vendor}: an unreachable proxy is a Network error`, () =>
      Effect.gen(function* () {
        const upstream = yield* FaultServer.make()
        for (const target of [yield* TestTls.before(upstream.url), upstream.url]) {
          const error = yield* Effect.flip(ask(make(target, Redacted.make("http://user:wrong-word@127.0.0.1:1"))))
          assert.deepInclude(error, { reason: { _tag: "Network" } })
          assert.notInclude(String(error) + JSON.stringify(error), "wrong-word")
        }
      }),
    )
  }

  it.live("an invalid proxy URL fails the start and is not shown", () =>
    Effect.gen(function* () {
      for (const proxy of [
        "socks5://user:pass-word@127.0.0.1:1080",
        "http://user:pass-word@",
        "http://user:pass-word%zz@127.0.0.1:1",
      ]) {
        const error = yield* Effect.flip(ask(vendors["openai"]!("https://example.com", Redacted.make(proxy))))
        assert.include(String(error), "proxy is not an http or https URL of a proxy")
        assert.notInclude(String(error), "pass-word")
      }
    }),
  )
})

describe("NO_PROXY", () => {
  const cases: ReadonlyArray<readonly [noProxy: string, target: string, bypassed: boolean]> = [
    ["", "https://api.openai.com", false],
    ["*", "https://api.openai.com", true],
    ["api.openai.com", "https://api.openai.com/v1", true],
    ["API.OpenAI.com", "https://api.openai.com", true],
    ["openai.com", "https://api.openai.com", true],
    [".openai.com", "https://api.openai.com", true],
    [".openai.com", "https://openai.com", true],
    ["*.openai.com", "https://api.openai.com", true],
    ["*.openai.com", "https://openai.com", false],
    ["ai.com", "https://openai.com", false],
    ["example.com api.openai.com", "https://api.openai.com", true],
    ["example.com,api.openai.com:443", "https://api.openai.com", true],
    ["api.openai.com:8443", "https://api.openai.com", false],
    ["localhost:8000", "http://localhost:8000/v1", true],
    ["127.0.0.1", "http://127.0.0.1:11434", true],
    ["10.0.0.0/8", "http://10.1.2.3:8000", true],
    ["10.0.0.0/8", "http://11.1.2.3:8000", false],
    ["10.0.0.0/99", "http://10.1.2.3:8000", false],
    ["10.0.0.0/8", "https://api.openai.com", false],
    ["::1", "http://[::1]:8000", true],
    ["[::1]:8000", "http://[::1]:8000", true],
    ["[::1]:9000", "http://[::1]:8000", false],
    ["fd00::/8", "http://[fd12::1]:8000", true],
    ["[fd00::]/8", "http://[fd12::1]:8000", true],
    ["0:0:0:0:0:0:0:1", "http://[::1]:8000", true],
    ["2001:0DB8::0:1", "http://[2001:db8::1]", true],
    ["2001:0db8::0:2", "http://[2001:db8::1]", false],
  ]

  for (const [noProxy, target, bypassed] of cases) {
    it(`"${noProxy}" ${bypassed ? "leaves out" : "does not leave out"} ${target}`, () => {
      assert.strictEqual(Proxy.bypasses(noProxy, target), bypassed)
    })
  }
})

/**
 * A gateway with Vertex AI behind a primary that is down: real clients, plain and streamed, with Google's token endpoints
 * checked on the way.
 */
import AnthropicClient from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { GoogleGenAI } from "@google/genai"
import * as FaultServer from "@understudy/providers/testing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import OpenAI from "openai"
import * as Google from "../../providers/test/vertex/Google.ts"
import * as App from "../src/App.ts"
import * as Keyring from "../src/auth/Keyring.ts"
import * as Config from "../src/Config.ts"

const claude = "claude-sonnet-4-5@20250929"
const gemini = "gemini-2.5-flash"
const llama = "meta/llama-3.3-70b-instruct-maas"

const gateway = Effect.gen(function* () {
  const server = yield* FaultServer.make()
  const google = yield* Google.make
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "understudy-vertex-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
  )
  const token = join(folder, "token")
  const workload = join(folder, "workload.json")
  writeFileSync(token, "oidc-token-of-the-workload")
  writeFileSync(workload, JSON.stringify(google.externalAccount(token, true)))
  const vertex = `provider: vertex, project: search-prod-1, baseUrl: "${server.url}"`
  const configuration = yield* Config.parse(
    `
    deployments:
      down: { provider: openai, model: gpt-4o, baseUrl: "http://127.0.0.1:1/v1", apiKey: sk-x }
      gemini: { ${vertex}, model: ${gemini}, location: global, credentials: '${JSON.stringify(google.serviceAccount)}' }
      claude: { ${vertex}, model: ${claude}, location: us-east5, credentials: ${workload} }
      llama: { ${vertex}, model: ${llama}, location: us-central1, credentials: ${workload} }
    routes:
      gemini-route: [down, gemini]
      claude-route: [down, claude]
      llama-route: [down, llama]
    `.replaceAll(/^ {4}/gm, ""),
    "understudy.yaml",
  )
  const context = yield* Layer.build(
    App.layer(configuration, {
      server: { ...configuration.server, port: 0 },
      auth: { keys: new Keyring.Keyring([Keyring.operator(Redacted.make("operator"))]), hosts: [], origins: [] },
      logContent: false,
    }).pipe(Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))),
  )
  const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  return { google, server, url }
})

/** What each client reads, plain and streamed, from a route. */
const clients = (url: string): Readonly<Record<string, (model: string) => Promise<ReadonlyArray<string>>>> => {
  const messages = [{ role: "user" as const, content: "Hello?" }]
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "operator", maxRetries: 0 })
  const anthropic = new AnthropicClient({ baseURL: url, apiKey: "operator", maxRetries: 0 })
  const google = new GoogleGenAI({ vertexai: false, apiKey: "operator", httpOptions: { baseUrl: url } })
  return {
    openai: async (model) => {
      const plain = await openai.chat.completions.create({ model, messages })
      let streamed = ""
      for await (const { choices } of await openai.chat.completions.create({ model, messages, stream: true })) {
        streamed += choices[0]?.delta.content ?? ""
      }
      return [plain.choices[0]?.message.content ?? "", streamed]
    },
    anthropic: async (model) => {
      const plain = await anthropic.messages.create({ model, messages, max_tokens: 100 })
      const streamed = await anthropic.messages.stream({ model, messages, max_tokens: 100 }).finalText()
      return [plain.content.map((block) => (block.type === "text" ? block.text : "")).join(""), streamed]
    },
    google: async (model) => {
      const plain = await google.models.generateContent({ model, contents: "Hello?" })
      let streamed = ""
      for await (const { text } of await google.models.generateContentStream({ model, contents: "Hello?" })) {
        streamed += text ?? ""
      }
      return [plain.text ?? "", streamed]
    },
  }
}

describe("Vertex AI behind a primary that is down", () => {
  it.live("answers every client, with one token for each deployment", () =>
    Effect.gen(function* () {
      const { google, server, url } = yield* gateway
      for (const [name, ask] of Object.entries(clients(url))) {
        for (const [route, model] of Object.entries({ gemini, claude, llama })) {
          const texts = yield* Effect.promise(() => ask(`${route}-route`))
          assert.deepStrictEqual(texts, [FaultServer.line(model), FaultServer.line(model)], `${name}, ${route}`)
        }
      }
      assert.deepStrictEqual([...google.problems], [])
      const impersonate = google.asked.find((path) => path.endsWith(":generateAccessToken")) ?? ""
      assert.deepStrictEqual([...google.asked], ["/token", "/sts", impersonate, "/sts", impersonate])
      const project = "/projects/search-prod-1/locations"
      const seen = (yield* server.requests).map(({ path }) => path)
      assert.sameMembers(
        [...new Set(seen)],
        [
          `/v1beta1${project}/global/publishers/google/models/${gemini}:generateContent`,
          `/v1beta1${project}/global/publishers/google/models/${gemini}:streamGenerateContent?alt=sse`,
          `/v1${project}/us-east5/publishers/anthropic/models/${claude.replace("@", "%40")}:rawPredict`,
          `/v1${project}/us-east5/publishers/anthropic/models/${claude.replace("@", "%40")}:streamRawPredict`,
          `/v1${project}/us-central1/endpoints/openapi/chat/completions`,
        ],
      )
    }),
  )
})

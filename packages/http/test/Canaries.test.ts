/**
 * Canaries: a secret in every place where a deployment of each vendor has one, at an upstream that echoes all that it was
 * sent, in every place where an upstream can. None comes out at the gateway's ends: answers in each dialect, log, activity,
 * metrics, usage log, providers.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Config from "../src/Config.ts"
import * as Configured from "../src/Configured.ts"
import * as Guard from "../src/Guard.ts"

const canary = (name: string): string => `canary/${name}+0123456789`

const key = canary("key")
const header = canary("header")
const password = canary("password")
const query = canary("query")
const accessKeyId = "AKIACANARY0123456789"
const session = canary("session")
const secret = canary("secret")

const canaries = [key, header, password, query, accessKeyId, session, secret]

/** Every vendor with a secret in each of its fields. */
const deployments = (port: number) => {
  const at = (path: string) =>
    `http://me:${encodeURIComponent(password)}@127.0.0.1:${port}${path}?token=${encodeURIComponent(query)}`
  const said = { apiKey: key, headers: { "x-secret": header, authorization: `Bearer ${header}` } }
  return {
    openai: { provider: "openai", baseUrl: at("/v1"), ...said },
    responses: { provider: "openai", api: "responses", baseUrl: `http://127.0.0.1:${port}/v1`, ...said },
    azure: { provider: "azure", endpoint: `http://127.0.0.1:${port}`, apiKey: key, headers: { "x-secret": header } },
    groq: { provider: "groq", baseUrl: `http://127.0.0.1:${port}/v1`, ...said },
    anthropic: { provider: "anthropic", baseUrl: `http://127.0.0.1:${port}`, ...said },
    gemini: { provider: "gemini", baseUrl: `http://127.0.0.1:${port}`, ...said },
    bedrock: {
      provider: "bedrock",
      region: "us-east-1",
      endpoint: `http://127.0.0.1:${port}`,
      accessKeyId,
      secretAccessKey: secret,
      sessionToken: session,
    },
    bearer: { provider: "bedrock", region: "us-east-1", endpoint: `http://127.0.0.1:${port}`, bearerToken: key },
  }
}

/** What a deployment's upstream could know. */
const known = (name: string): ReadonlyArray<string> => {
  switch (name) {
    case "bedrock":
      return [accessKeyId, secret, session]
    case "bearer":
      return [key]
    case "openai":
      return [key, header, password, query]
    default:
      return [key, header]
  }
}

interface Echo {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body: string
}

const json = { "content-type": "application/json" }
const sse = { "content-type": "text/event-stream" }

/** What an error says in each vendor's shape, all at once. */
const told = (words: string) => ({
  __type: words,
  message: words,
  request_id: words,
  type: "error",
  error: {
    code: words,
    type: words,
    status: words,
    param: words,
    message: words,
    metadata: { raw: words },
    details: [
      { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: words },
      { "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: [{ field: words }] },
    ],
  },
})

const answer = (words: string) => ({
  id: words,
  model: words,
  type: "message",
  role: "assistant",
  object: "chat.completion",
  stop_reason: "end_turn",
  content: [{ type: "text", text: words }],
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: words } }],
  usage: {},
})

/** Every place in which an upstream can echo `words`. */
const places: Readonly<Record<string, (words: string) => Echo>> = {
  "an error": (words) => ({ status: 400, headers: json, body: JSON.stringify(told(words)) }),
  "an error of its own making": (words) => ({ status: 500, headers: json, body: JSON.stringify(told(words)) }),
  "an error's code alone": (words) => ({
    status: 422,
    headers: json,
    body: JSON.stringify({ error: { code: words } }),
  }),
  "an error in words": (words) => ({ status: 500, body: `Bad request: ${words}` }),
  "headers and status text": (words) => ({
    status: 401,
    headers: {
      ...json,
      "x-request-id": encodeURI(words),
      "request-id": encodeURI(words),
      "retry-after": encodeURI(words),
    },
    body: "",
  }),
  "a page that is cut": (words) => ({ status: 502, headers: { "content-type": "text/html" }, body: page(words) }),
  "a redirect": (words) => ({
    status: 302,
    headers: { location: `http://127.0.0.1:1/${encodeURIComponent(words)}` },
    body: `<a href="/${encodeURIComponent(words)}">Found</a>`,
  }),
  "an error in an answer": (words) => ({ headers: json, body: JSON.stringify(told(words)) }),
  "JSON that is none": (words) => ({ headers: json, body: `${words} {"id": "${words}` }),
  "JSON that is broken, of a refusal": (words) => ({
    status: 400,
    headers: json,
    body: `{"error": {"message": "${words}`,
  }),
  "an answer": (words) => ({ headers: json, body: JSON.stringify(answer(words)) }),
  "an error in a stream": (words) => ({
    headers: sse,
    body: `event: error\ndata: ${JSON.stringify(told(words))}\n\n`,
  }),
  "a stream of its own": (words) => ({
    headers: sse,
    body: `data: ${JSON.stringify({ ...answer(words), choices: [{ index: 0, delta: { content: words } }] })}\n\ndata: ${words}\n\n`,
  }),
}

/** A key begins within the 200 characters that are shown, and ends beyond. */
const page = (words: string) => `<html>${"-".repeat(170)}${words}</html>`

/** How it echoes: as it was sent, and escaped. */
const forms: Readonly<Record<string, (text: string) => string>> = {
  plain: (text) => text,
  base64: (text) => Buffer.from(text).toString("base64"),
  percent: encodeURIComponent,
  upper: (text) => text.toUpperCase(),
}

/** An upstream that echoes all that it is sent, and what it could know of. */
const upstream = Effect.acquireRelease(
  Effect.callback<{
    readonly server: Http.Server
    readonly port: number
    echo: (words: string) => Echo
    known: ReadonlyArray<string>
  }>((resume) => {
    const state = { echo: places["an error"]!, known: canaries, server: undefined as unknown as Http.Server, port: 0 }
    state.server = Http.createServer((request, response) => {
      request.resume()
      request.on("end", () => {
        const {
          body,
          headers,
          status = 200,
        } = state.echo([...state.known, request.headers["authorization"] ?? "", request.url].join(" "))
        response.writeHead(status, headers).end(body)
      })
    })
    state.server.listen(0, "127.0.0.1", () => {
      state.port = (state.server.address() as AddressInfo).port
      resume(Effect.succeed(state))
    })
  }),
  ({ server }) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    }),
)

const messages = [{ role: "user", content: "Hello?" }]
const contents = [{ role: "user", parts: [{ text: "Hello?" }] }]

/** Every way to ask: path and body. */
const asks = (model: string): ReadonlyArray<readonly [path: string, body: object]> => [
  ["/v1/chat/completions", { model, messages }],
  ["/v1/chat/completions", { model, messages, stream: true }],
  ["/v1/responses", { model, input: "Hello?" }],
  ["/v1/responses", { model, input: "Hello?", stream: true }],
  ["/v1/messages", { model, messages, max_tokens: 9 }],
  ["/v1/messages", { model, messages, max_tokens: 9, stream: true }],
  ["/v1/messages/count_tokens", { model, messages }],
  [`/v1beta/models/${model}:generateContent`, { contents }],
  [`/v1beta/models/${model}:streamGenerateContent?alt=sse`, { contents }],
  [`/v1beta/models/${model}:countTokens`, { contents }],
  ["/v1/embeddings", { model, input: "Hello?" }],
  ["/api/generate", { model, prompt: "Hello?" }],
  ["/api/generate", { model, prompt: "Hello?", stream: true }],
]

/** The canaries in a text, in whichever form, whole or for the most part. */
const leaks = (text: string): ReadonlyArray<string> => {
  const plain = [text, unescaped(text)].join("\n").toLowerCase()
  return canaries.filter((canary) => {
    const base64 = Buffer.from(canary).toString("base64").slice(0, 16)
    return [canary.slice(0, 13), encodeURIComponent(canary).slice(0, 15), base64].some((form) =>
      plain.includes(form.toLowerCase()),
    )
  })
}

const unescaped = (text: string): string =>
  text.replaceAll(/%([\da-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))

describe("canaries", () => {
  for (const [place, echo] of Object.entries(places)) {
    it.live(`in ${place} stay inside`, () =>
      Effect.gen(function* () {
        const server = yield* upstream
        const folder = mkdtempSync(join(tmpdir(), "canaries-"))
        yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
        const named = deployments(server.port)
        const configuration = yield* Config.parse(
          JSON.stringify({
            defaults: { retry: { times: 0 }, circuit: { failures: 1_000_000 } },
            deployments: Object.fromEntries(
              Object.entries(named).map(([name, given]) => [name, { model: "m", ...given }]),
            ),
            usageLog: { file: join(folder, "usage.log") },
          }),
          "understudy.yaml",
        )
        const log: Array<string> = []
        const logger = Logger.map(Logger.formatJson, (line) => void log.push(line))
        const told: Array<readonly [where: string, text: string]> = []
        yield* Effect.scoped(
          Effect.gen(function* () {
            const context = yield* Layer.build(
              Configured.layer(configuration, {
                server: { ...configuration.server, port: 0 },
                guard: { keys: [Guard.key(Redacted.make("operator"))], hosts: [], origins: [] },
                logContent: false,
              }),
            )
            const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
            const ask = (path: string, init?: RequestInit) =>
              Effect.promise(async () => {
                const answer = await fetch(`${url}${path}`, {
                  ...init,
                  headers: { ...json, authorization: "Bearer operator" },
                })
                return [...answer.headers].join("\n") + (await answer.text())
              })
            const activity = yield* Effect.promise(() =>
              fetch(`${url}/api/activity`, { headers: { authorization: "Bearer operator" } }),
            )
            const reader = activity.body!.pipeThrough(new TextDecoderStream()).getReader()
            for (const [form, encode] of Object.entries(forms)) {
              server.echo = (words) => echo(words.split(" ").map(encode).join(" "))
              for (const name of Object.keys(named)) {
                server.known = known(name)
                for (const [path, body] of asks(name)) {
                  const text = yield* ask(path, { method: "POST", body: JSON.stringify(body) })
                  told.push([`${form} ${name} ${path} ${JSON.stringify(body)}`, text])
                }
              }
            }
            for (const path of ["/api/providers", "/metrics", "/"]) told.push([path, yield* ask(path)])
            told.push(["/api/activity", String((yield* Effect.promise(() => reader.read())).value)])
            yield* Effect.promise(() => reader.cancel())
          }),
        ).pipe(Effect.provide([Logger.layer([logger]), Layer.succeed(Metric.MetricRegistry, new Map())]))
        told.push(["the log", log.join("\n")], ["the usage log", readFileSync(join(folder, "usage.log"), "utf8")])
        assert.isAbove(log.length, 0)
        const leaking = told.flatMap(([where, text]) =>
          leaks(text).map((canary) => `${where}: ${canary}: ${text.slice(0, 900)}`),
        )
        assert.deepStrictEqual(leaking.slice(0, 3), [], `${leaking.length} of ${told.length}`)
      }).pipe(Effect.scoped),
    )
  }
})

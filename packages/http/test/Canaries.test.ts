/**
 * Canaries: a secret in every field where a deployment of each vendor has one, at an upstream that echoes all that it was
 * sent, in every place where an upstream can. None comes out at the gateway's ends: answers in each dialect, log, activity,
 * metrics, usage log, models, explanations, providers, the page.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Http from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { format } from "node:util"
import * as Config from "../src/Config.ts"
import * as App from "../src/App.ts"
import * as Keyring from "../src/auth/Keyring.ts"
import * as LogFormat from "../src/observe/LogFormat.ts"
import * as CanaryUpstream from "./CanaryUpstream.ts"
import { accessKeyId, canary, leaks, names, role } from "./CanaryUpstream.ts"

const key = canary("key")
const header = canary("header")
const user = canary("user")
const password = canary("password")
const query = canary("query")
const proxyUser = canary("proxyuser")
const proxyPassword = canary("proxypassword")
const id = accessKeyId("AKIA")
const session = canary("session")
const secret = canary("secret")
const found = canary("found")
const token = canary("token")

/** Every vendor with a secret in each of its fields, and each way that it has to credentials. */
const deployments = (port: number): Readonly<Record<string, object>> => {
  const here = `http://127.0.0.1:${port}`
  const at = (path: string) =>
    `http://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}${path}?token=${encodeURIComponent(query)}`
  const proxy = `http://${encodeURIComponent(proxyUser)}:${encodeURIComponent(proxyPassword)}@127.0.0.1:${port}`
  const said = { apiKey: key, headers: { "x-secret": header, authorization: `Bearer ${header}` } }
  const aws = { provider: "bedrock", region: "us-east-1" }
  const vertex = { provider: "vertex", project: "p", location: "global", baseUrl: here }
  const keys = { accessKeyId: id, secretAccessKey: secret }
  const roleArn = "arn:aws:iam::123456789012:role/granted"
  return {
    openai: { provider: "openai", baseUrl: at("/v1"), ...said },
    responses: { provider: "openai", api: "responses", baseUrl: `${here}/v1`, ...said },
    azure: { provider: "azure", endpoint: here, apiKey: key, headers: { "x-secret": header } },
    dated: {
      provider: "azure",
      endpoint: here,
      apiVersion: "2024-10-21",
      apiKey: key,
      headers: { "x-secret": header },
    },
    groq: { provider: "groq", baseUrl: `${here}/v1`, ...said },
    anthropic: { provider: "anthropic", baseUrl: at(""), ...said },
    gemini: { provider: "gemini", baseUrl: here, ...said },
    vertex: { ...vertex, accessToken: key, headers: { "x-secret": header } },
    claude: { ...vertex, api: "anthropic", accessToken: key },
    llama: { ...vertex, api: "openai", accessToken: key },
    bedrock: { ...aws, endpoint: here, ...keys, sessionToken: session },
    bearer: { ...aws, endpoint: here, bearerToken: key },
    role: { ...aws, endpoint: here, ...keys, roleArn },
    denied: { ...aws, endpoint: here, ...keys, sessionToken: session, roleArn: roleArn.replace("granted", "denied") },
    files: { ...aws, endpoint: here, profile: "files" },
    web: { ...aws, endpoint: here, profile: "web" },
    stranger: { ...aws, endpoint: here, profile: "stranger" },
    proxied: { provider: "openai", baseUrl: `${here}/v1`, proxy, ...said },
    proxiedMessages: { provider: "anthropic", baseUrl: here, proxy, ...said },
    proxiedGemini: { provider: "gemini", baseUrl: here, proxy, ...said },
    proxiedAws: { ...aws, endpoint: here, ...keys, sessionToken: session, proxy },
    proxiedRole: { ...aws, endpoint: here, ...keys, roleArn, proxy },
    tunnel: { provider: "openai", baseUrl: "https://vendor.invalid/v1", proxy, ...said },
    tunnelMessages: { provider: "anthropic", baseUrl: "https://vendor.invalid", proxy, ...said },
    tunnelAws: { ...aws, endpoint: "https://vendor.invalid", ...keys, proxy },
    unreachable: { provider: "openai", baseUrl: at("/v1").replace(`:${port}`, ":1"), ...said },
    untrusted: { provider: "openai", baseUrl: at("/v1").replace("http", "https"), ...said },
    unnamed: { provider: "anthropic", baseUrl: at("").replace(`127.0.0.1:${port}`, "vendor.invalid"), ...said },
  }
}

/** What is sent by each, beside the authorisation and the query, which the upstream reads itself. */
const known: Readonly<Record<string, ReadonlyArray<string>>> = {
  openai: [key, header, user, password, `${user}:${password}`],
  responses: [key, header],
  azure: [key, header],
  dated: [key, header],
  groq: [key, header],
  anthropic: [key, header, user, password, `${user}:${password}`],
  gemini: [key, header],
  vertex: [key, header],
  claude: [key],
  llama: [key],
  bedrock: [id, secret, session],
  bearer: [key],
  role: [id, secret, role.id, role.secret, role.token],
  files: [id, found, session],
  web: [role.id, role.secret, role.token],
  denied: [id, secret, session],
  tunnel: [proxyUser, proxyPassword, `${proxyUser}:${proxyPassword}`],
  proxied: [key, header, proxyUser, proxyPassword, `${proxyUser}:${proxyPassword}`],
  proxiedMessages: [key, header, proxyUser, proxyPassword, `${proxyUser}:${proxyPassword}`],
  proxiedGemini: [key, header, proxyUser, proxyPassword, `${proxyUser}:${proxyPassword}`],
  proxiedAws: [id, secret, session, proxyUser, proxyPassword, `${proxyUser}:${proxyPassword}`],
  proxiedRole: [role.id, role.secret, role.token, proxyUser, proxyPassword, `${proxyUser}:${proxyPassword}`],
}

/** Those that reach no vendor: what comes back is the same for all places. */
const cutOff = ["denied", "stranger", "tunnel", "tunnelMessages", "tunnelAws", "unreachable", "untrusted", "unnamed"]

/** Those with all dialects: each other's provider is one of theirs. */
const plain = ["openai", "responses", "anthropic", "gemini", "bedrock"]

const messages = [{ role: "user", content: "Hello?" }]
const contents = [{ role: "user", parts: [{ text: "Hello?" }] }]

/** Every way to ask: path and body. The first four are the four things that a provider does. */
const asks = (model: string): ReadonlyArray<readonly [path: string, body: object]> => [
  ["/v1/chat/completions", { model, messages }],
  ["/v1/messages", { model, messages, max_tokens: 9, stream: true }],
  ["/v1/embeddings", { model, input: "Hello?" }],
  ["/v1/messages/count_tokens", { model, messages }],
  ["/v1/chat/completions", { model, messages, stream: true }],
  ["/v1/responses", { model, input: "Hello?" }],
  ["/v1/responses", { model, input: "Hello?", stream: true }],
  ["/v1/messages", { model, messages, max_tokens: 9 }],
  [`/v1beta/models/${model}:generateContent`, { contents }],
  [`/v1beta/models/${model}:streamGenerateContent?alt=sse`, { contents }],
  [`/v1beta/models/${model}:countTokens`, { contents }],
  ["/api/generate", { model, prompt: "Hello?" }],
  ["/api/generate", { model, prompt: "Hello?", stream: true }],
]

/** What AWS's SDK finds: a profile with keys, one with a role by a web identity, and one whose role is refused. */
const awsFiles = (folder: string, port: number): Record<string, string> => {
  const web = `web_identity_token_file = ${join(folder, "token")}\nregion = us-east-1\nrole_arn = arn:aws:iam::1:role`
  writeFileSync(join(folder, "token"), token)
  writeFileSync(
    join(folder, "config"),
    [
      `[profile files]\naws_access_key_id = ${id}\naws_secret_access_key = ${found}\naws_session_token = ${session}`,
      `[profile web]\n${web}/granted`,
      `[profile stranger]\n${web}/denied`,
    ].join("\n"),
  )
  return {
    AWS_CONFIG_FILE: join(folder, "config"),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, "none"),
    AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${port}`,
    AWS_EC2_METADATA_DISABLED: "true",
  }
}

/** Variables that the SDK reads itself, for as long as the scope lasts. */
const setting = (variables: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      }),
  )

/** Sends a request over connections that are kept, and gives all of its answer. */
const client = (url: string) => {
  const agent = new Http.Agent({ keepAlive: true })
  return (path: string, body?: object) =>
    Effect.callback<string>((resume) => {
      const headers = { "content-type": "application/json", authorization: "Bearer operator" }
      const method = body === undefined ? "GET" : "POST"
      const request = Http.request(`${url}${path}`, { agent, headers, method }, (answer) => {
        let text = [answer.statusMessage, ...answer.rawHeaders].join("\n")
        answer.on("data", (chunk: Buffer) => (text += chunk.toString()))
        answer.on("end", () => resume(Effect.succeed(text)))
        answer.on("error", () => resume(Effect.succeed(text)))
      })
      request.on("error", (error) => resume(Effect.die(error)))
      request.end(body === undefined ? undefined : JSON.stringify(body))
    })
}

describe("canaries", () => {
  it.live(
    "stay inside, in whatever they come back",
    () =>
      Effect.gen(function* () {
        const folder = mkdtempSync(join(tmpdir(), "canaries-"))
        yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
        const upstream = yield* CanaryUpstream.make(known)
        const env = awsFiles(folder, upstream.port)
        yield* setting(env)
        const named = deployments(upstream.port)
        const configuration = yield* Config.parse(
          JSON.stringify({
            defaults: { retry: { times: 0 }, circuit: { failures: 1_000_000, permanentFailure: "1ms" } },
            deployments: Object.fromEntries(
              Object.entries(named).map(([name, given]) => [`*--${name}`, { model: `*--${name}`, ...given }]),
            ),
            usageLog: { file: join(folder, "usage.log") },
            record: { file: join(folder, "calls.tape") },
          }),
          "understudy.yaml",
        )
        const log: Array<string> = []
        const said: Array<readonly [where: string, text: string]> = []
        const terminal = { ...console, log: (...parts: ReadonlyArray<unknown>) => void log.push(format(...parts)) }
        yield* Effect.scoped(
          Effect.gen(function* () {
            const context = yield* Layer.build(
              App.layer(configuration, {
                server: { ...configuration.server, port: 0 },
                auth: {
                  keys: new Keyring.Keyring([Keyring.operator(Redacted.make("operator"))]),
                  hosts: [],
                  origins: [],
                },
                logContent: true,
              }),
            )
            const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
            const ask = client(url)
            const activity = yield* Effect.promise(() =>
              fetch(`${url}/api/activity`, { headers: { authorization: "Bearer operator" } }),
            )
            const reader = activity.body!.pipeThrough(new TextDecoderStream()).getReader()
            const calls = Object.keys(named).flatMap((name) =>
              names.flatMap((place, at) => {
                const all = asks(`case--${at}--${name}`)
                const reached = cutOff.includes(name)
                  ? at < 2
                    ? all
                    : []
                  : plain.includes(name)
                    ? all
                    : all.slice(0, 4)
                return reached.map(([path, body]) => ({ path, body, where: `${name}, ${place}, ${path}` }))
              }),
            )
            yield* Effect.forEach(
              calls,
              ({ body, path, where }) => Effect.map(ask(path, body), (text) => void said.push([where, text])),
              { concurrency: 16, discard: true },
            )
            const paths = ["/api/providers", "/metrics", "/", "/health", "/v1/models", "/v1/models/case--0--openai"]
            for (const path of paths) said.push([path, yield* ask(path)])
            said.push(["explain", yield* ask("/v1/route/explain", { model: "case--0--openai", messages })])
            said.push(["/api/activity", String((yield* Effect.promise(() => reader.read())).value)])
            yield* Effect.promise(() => reader.cancel())
          }),
        ).pipe(
          Effect.provide([
            Logger.layer([
              Logger.map(Logger.formatJson, (line) => void log.push(line)),
              LogFormat.pretty,
              LogFormat.json,
            ]),
            Layer.succeed(Console.Console, terminal),
            Layer.succeed(Metric.MetricRegistry, new Map()),
            ConfigProvider.layer(ConfigProvider.fromEnv({ env })),
          ]),
        )
        said.push(
          ["the log", log.join("\n")],
          ["the usage log", readFileSync(join(folder, "usage.log"), "utf8")],
          ["the tape", readFileSync(join(folder, "calls.tape"), "latin1")],
        )
        assert.isAbove(log.length, said.length)
        // Each upstream was reached, and each place was played.
        for (const name of Object.keys(known).filter((name) => !cutOff.includes(name)))
          for (const at of names.keys()) assert.isTrue(upstream.asked.has(`${name} ${at}`), `${name}, ${names[at]}`)
        const leaking = said.flatMap(([where, text]) =>
          leaks(text)
            .slice(0, 1)
            .map((leak) => `${where}: …${leak}…`),
        )
        assert.deepStrictEqual(leaking.slice(0, 8), [], `${leaking.length} of ${said.length}`)
      }).pipe(Effect.scoped),
    60_000,
  )
})

import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as FaultServer from "@understudy/providers/testing"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Runtime from "effect/Runtime"
import * as TestConsole from "effect/testing/TestConsole"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { resolve } from "node:path"
import * as TestRedis from "../state/TestRedis.ts"
import * as Check from "../../src/cli/Check.ts"

/** The file system without a `.env` in the folder the tests run in, which may be somebody's own. */
const withoutOurs = (fs: FileSystem.FileSystem): FileSystem.FileSystem => ({
  ...fs,
  readFileString: (path, encoding) => fs.readFileString(path === resolve(".env") ? "/nowhere/.env" : path, encoding),
})

/** What `understudy check` prints of a configuration, and the code it ends with. */
const check = Effect.fnUntraced(function* (yaml: string, options: { readonly live?: boolean } = {}) {
  const fs = yield* FileSystem.FileSystem
  const file = `${yield* fs.makeTempDirectoryScoped()}/understudy.yaml`
  yield* fs.writeFileString(file, yaml)
  const result = yield* Check.run({ file, live: options.live === true }).pipe(
    Effect.provideService(FileSystem.FileSystem, withoutOurs(fs)),
    Effect.result,
  )
  const printed = [...(yield* TestConsole.logLines), ...(yield* TestConsole.errorLines)].join("\n")
  return {
    code: Result.isFailure(result) ? Runtime.getErrorExitCode(result.failure) : 0,
    lines: printed.replaceAll(file, "understudy.yaml").split("\n"),
  }
})

const withEnvironment = (variables: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(variables))

describe("check", () => {
  it.effect("prints a summary of a valid configuration", () =>
    Effect.gen(function* () {
      const { code, lines } = yield* check(`
deployments:
  gpt-4o: { provider: openai, model: gpt-4o, apiKey: "\${KEY}" }
  demo: { provider: simulated, model: any, status: 503 }
routes:
  assistant: [gpt-4o, [demo, gpt-4o], { balance: latency, across: [gpt-4o, demo], retry: { times: 0 } }]
  chat: assistant
`)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(lines, [
        "understudy.yaml is valid.",
        "routes",
        "  assistant  gpt-4o, then (demo, then gpt-4o), then latency(gpt-4o, demo)",
        "  chat       assistant",
        "deployments",
        "  gpt-4o  openai     gpt-4o",
        "  demo    simulated  any",
        "worst case of a call",
        "  route      attempts  time  price",
        "  assistant  11        5m    $0.3043 plus the cost of demo",
        "  chat       11        5m    $0.3043 plus the cost of demo",
        "  price: if every attempt is billed, with 1000 input tokens and maxOutput output tokens (4096 if it is not set)",
        "warnings",
        '  routes.assistant: "gpt-4o" appears 3 times in this route: later entries only run after it has already failed',
        '  routes.assistant: "demo" appears 2 times in this route: later entries only run after it has already failed',
      ])
    }).pipe(withEnvironment({ KEY: "sk-test" }), Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("warns of a vendor's model whose price is not known, and not of a local one", () =>
    Effect.gen(function* () {
      const { code, lines } = yield* check(`
deployments:
  known: { provider: openai, model: gpt-4o, apiKey: x }
  mine: { provider: openai, model: unreleased-1, apiKey: x }
  priced: { provider: openai, model: unreleased-1, apiKey: x, price: { input: 1, output: 2 } }
  "proxy/*": { provider: openai, model: "*", apiKey: x, baseUrl: https://llm.example.com/v1 }
  local: { provider: ollama, model: llama3.2, capabilities: { contextWindow: 8192 } }
`)
      assert.strictEqual(code, 0)
      const unknown = (path: string, model: string) =>
        `  ${path}: the price of "${model}" is not known, so the cost of its calls is not counted. Set its \`price\`: { input, output }, in US dollars per million tokens`
      assert.deepStrictEqual(lines.slice(lines.indexOf("warnings") + 1), [
        unknown("deployments.mine", "unreleased-1"),
        unknown('deployments["proxy/*"]', "*"),
      ])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("warns of a listed operation that a vendor is not known to have, and not of one of another server", () =>
    Effect.gen(function* () {
      const { code, lines } = yield* check(`
deployments:
  gpt: { provider: openai, model: gpt-4o, apiKey: x, operations: [rerank] }
  grok: { provider: openai, model: gpt-4o, apiKey: x, operations: [files, realtime], baseUrl: "https://api.x.ai/v1" }
  speech: { provider: groq, model: gpt-4o, apiKey: x, operations: [audio.speech], price: { input: 1, output: 1 } }
  own: { provider: openai, model: cohere, operations: [rerank], baseUrl: "https://llm.example.com", price: { input: 1, output: 1 } }
`)
      const missing = (operation: string) =>
        `lists ${operation} in \`operations\`, which its vendor is not known to have: if it answers such a call with 404, the next deployment is tried. Remove what it does not have`
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("`operations`")),
        [`  deployments.gpt: ${missing("rerank")}`, `  deployments.grok: ${missing("files")}`],
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("lists what of a LiteLLM configuration is not imported", () =>
    Effect.gen(function* () {
      const { code, lines } = yield* check(`
model_list: [{ model_name: gpt-4o, litellm_params: { model: openai/gpt-4o, api_key: os.environ/KEY, mock_response: hi, max_file_size_limit: 5 } }]
`)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(lines, [
        "understudy.yaml is valid.",
        "deployments",
        "  gpt-4o  openai  gpt-4o",
        "not imported: safety and money",
        "  model_list[0].litellm_params.max_file_size_limit: has no equivalent: not imported",
        "not imported: harmless",
        "  model_list[0].litellm_params.mock_response: is for tests: use `provider: simulated` with `reply`",
      ])
    }).pipe(withEnvironment({ KEY: "sk-test" }), Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("prices the worst case, and states its assumptions", () =>
    Effect.gen(function* () {
      const { code, lines } = yield* check(`
deployments:
  lead: { provider: simulated, model: any, price: { input: 2.5, output: 10 }, timeout: { attempt: 60s }, retry: { times: 0 } }
  free: { provider: simulated, model: any, capabilities: { vision: false }, timeout: { attempt: 2500ms }, retry: { times: 0 } }
routes: { assistant: [lead, free] }
`)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(lines.slice(6), [
        "worst case of a call",
        "  route      attempts  time   price",
        "  assistant  2         1m 3s  $0.0435 plus the cost of free",
        "  price: if every attempt is billed, with 1000 input tokens and maxOutput output tokens (4096 if it is not set)",
        "warnings",
        '  routes.assistant: "free" does not support vision: it is a fallback for "lead" only in calls without',
      ])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("prints every problem on a line, and fails", () =>
    Effect.gen(function* () {
      const { code, lines } = yield* check(`
deployments:
  demo: { provider: simulated, modle: any }
`)
      assert.strictEqual(code, 1)
      assert.strictEqual(lines.length, 3)
      assert.strictEqual(lines[0], "understudy.yaml: 2 problems")
      assert.match(lines[1] ?? "", /^ {2}deployments\.demo\.modle: unknown key `modle`: did you mean `model`\?/)
      assert.match(lines[2] ?? "", /^ {2}deployments\.demo\.model: is missing/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("starts every provider, and reports those that fail", () =>
    Effect.gen(function* () {
      const { code, lines } = yield* check(`
deployments:
  demo: { provider: simulated, model: any }
  gpt-4o: { provider: openai, model: gpt-4o }
  sonnet: { provider: anthropic, model: claude-sonnet-4-5 }
  east: { provider: bedrock, model: us.amazon.nova-pro-v1:0, region: us-east-1, accessKeyId: AKIA }
`)
      assert.strictEqual(code, 1)
      assert.strictEqual(lines[0], "understudy.yaml: 3 problems")
      assert.match(lines[1] ?? "", /^ {2}deployments\.gpt-4o: .*OPENAI_API_KEY/)
      assert.match(lines[2] ?? "", /^ {2}deployments\.sonnet: .*ANTHROPIC_API_KEY/)
      assert.match(lines[3] ?? "", /^ {2}deployments\.east: .*secretAccessKey/)
    }).pipe(withEnvironment({}), Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  const wide = (server: string) => `
server: { host: 0.0.0.0${server} }
deployments: { demo: { provider: simulated, model: any } }
`

  it.effect("rejects listening beyond loopback without keys, as serve does", () =>
    Effect.gen(function* () {
      const { code, lines } = yield* check(wide(""))
      assert.strictEqual(code, 1)
      assert.match(
        lines[1] ?? "",
        /^ {2}server\.host: Listening on 0\.0\.0\.0 without keys would let .*UNDERSTUDY_API_KEY.*allowUnauthenticated: true/,
      )
      assert.strictEqual((yield* check(wide(", allowUnauthenticated: true"))).code, 0)
      assert.strictEqual((yield* withEnvironment({ UNDERSTUDY_API_KEY: " " })(check(wide("")))).code, 1)
      assert.strictEqual((yield* withEnvironment({ UNDERSTUDY_API_KEY: "a-key" })(check(wide("")))).code, 0)
    }).pipe(withEnvironment({}), Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.live("connects to Redis only with --live, and reports when it is down", () =>
    Effect.gen(function* () {
      const yaml = (url: string) => `
state: { redis: "${url}" }
deployments: { demo: { provider: simulated, model: any, latency: 1ms } }
`
      const nowhere = yaml("redis://me:hemligt@127.0.0.1:1")
      assert.strictEqual((yield* check(nowhere)).code, 0)
      const { code, lines } = yield* check(nowhere, { live: true })
      assert.strictEqual(code, 1)
      assert.match(
        lines.join("\n"),
        /^ {2}redis {2}state\.redis: cannot connect to Redis at 127\.0\.0\.1:1: .*ECONNREFUSED/m,
      )
      assert.notInclude(lines.join("\n"), "hemligt")
      if (!TestRedis.installed) return
      const redis = yield* Effect.acquireRelease(Effect.promise(TestRedis.start), ({ kill }) => Effect.promise(kill))
      const found = yield* check(yaml(redis.url), { live: true })
      assert.strictEqual(found.code, 0)
      assert.match(found.lines.join("\n"), /^ {2}redis {2}answered in \d+ ms$/m)
    }).pipe(Effect.provide(TestConsole.layer), Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.live("calls every deployment once with --live, and suggests a fix for each failure", () =>
    Effect.gen(function* () {
      const upstream = yield* FaultServer.make()
      const { code, lines } = yield* check(
        `
defaults: { retry: { times: 2, base: 1ms } }
deployments:
  fine: { provider: openai, model: ok, baseUrl: ${upstream.url}/v1, apiKey: "\${KEY}" }
  refused: { provider: openai, model: bad-key, baseUrl: ${upstream.url}/v1, apiKey: "\${KEY}" }
  written: { provider: anthropic, model: bad-key, baseUrl: "${upstream.url}", apiKey: sk-written }
  gone: { provider: openai, model: unknown-model, baseUrl: ${upstream.url}/v1, apiKey: "\${KEY}" }
  down: { provider: openai, model: "503", baseUrl: ${upstream.url}/v1, apiKey: "\${KEY}" }
  silent: { provider: openai, model: silent, baseUrl: ${upstream.url}/v1, apiKey: "\${KEY}", timeout: { attempt: 80ms } }
  nowhere: { provider: openai, model: any, baseUrl: "http://127.0.0.1:1/v1" }
  many/*: { provider: openai, model: "*", baseUrl: ${upstream.url}/v1 }
`,
        { live: true },
      )
      assert.strictEqual(code, 1)
      const live = lines.slice(lines.indexOf("live") + 1)
      const about = (name: string) => {
        const first = live.findIndex((line) => line.startsWith(`  ${name} `))
        const last = live.findIndex((line, index) => index > first && !line.startsWith("   "))
        return live.slice(first, last === -1 ? undefined : last).join("\n")
      }
      assert.match(about("fine"), /answered in \d+ ms/)
      assert.match(about("refused"), /Authentication \(401\)[^]*check KEY, which is deployments\.refused\.apiKey/)
      assert.match(about("written"), /Authentication \(401\)[^]*check deployments\.written\.apiKey/)
      assert.match(about("gone"), /ModelNotFound \(404\)[^]*check deployments\.gone\.model/)
      assert.match(about("down"), /\(503\)[^]*the server at .* failed/)
      assert.match(about("silent"), /Timeout[^]*raise deployments\.silent\.timeout\.attempt/)
      assert.match(about("nowhere"), /Network[^]*no server answers at http:\/\/127\.0\.0\.1:1\/v1/)
      assert.match(about("many/*"), /not tested: its model is a wildcard/)
      assert.strictEqual(yield* upstream.attempts("*"), 0)
      assert.notMatch(lines.join("\n"), /sk-test|sk-written/)
      for (const model of ["ok", "bad-key", "503"]) {
        assert.isAtMost(yield* upstream.attempts(model), model === "bad-key" ? 2 : 1, model)
      }
    }).pipe(
      withEnvironment({ KEY: "sk-test" }),
      Effect.provide(TestConsole.layer),
      Effect.scoped,
      Effect.provide(NodeServices.layer),
    ),
  )

  it.effect("warns about local deployments without a context window", () =>
    Effect.gen(function* () {
      const { code, lines } = yield* check(`
deployments:
  near: { provider: openai, model: llama3, baseUrl: "http://127.0.0.1:11434/v1" }
  host: { provider: openai, model: llama3, baseUrl: "http://localhost:1234/v1" }
  olla: { provider: ollama, model: llama3 }
  lan: { provider: vllm, model: x, baseUrl: "http://gpu.internal:8000/v1" }
  said: { provider: ollama, model: llama3, capabilities: { contextWindow: 8192 } }
  vectors: { provider: ollama, model: nomic-embed-text, capabilities: { embeddings: true } }
  far: { provider: openai, model: x, baseUrl: "https://llm.example.com/v1" }
`)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("contextWindow")).map((line) => line.trim().split(":")[0]),
        ["deployments.near", "deployments.host", "deployments.olla", "deployments.lan"],
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.live("suggests fixes for self-hosted servers", () =>
    Effect.gen(function* () {
      const { url } = yield* own
      const { lines } = yield* check(
        `
defaults: { retry: { times: 0 } }
deployments:
  keyless: { provider: openai, model: x, baseUrl: ${url}/locked/v1 }
  olla: { provider: ollama, model: x, baseUrl: ${url}/locked/v1 }
  bare: { provider: openai, model: x, baseUrl: ${url} }
  slash: { provider: ollama, model: x, baseUrl: ${url}/ }
  whole: { provider: openai, model: x, baseUrl: ${url}/v1/chat/completions }
  page: { provider: vllm, model: x, baseUrl: ${url}/page }
  claude: { provider: anthropic, model: x, baseUrl: ${url}/v1, apiKey: k }
  lost: { provider: openai, model: gone, baseUrl: ${url}/v1 }
  loading: { provider: openai, model: x, baseUrl: ${url}/loading/v1 }
  broken: { provider: openai, model: x, baseUrl: ${url}/broken/v1 }
  acted: { provider: simulated, model: any, status: 503 }
`,
        { live: true },
      )
      const live = lines.slice(lines.indexOf("live") + 1)
      const about = (name: string) => {
        const first = live.findIndex((line) => line.startsWith(`  ${name} `))
        const last = live.findIndex((line, index) => index > first && !line.startsWith("   "))
        return live.slice(first, last === -1 ? undefined : last).join("\n")
      }
      assert.match(about("keyless"), /Authentication \(401\)[^]*check deployments\.keyless\.apiKey/)
      assert.match(about("olla"), /Authentication \(401\)[^]*check deployments\.olla\.apiKey/)
      assert.notInclude(lines.join("\n"), "OPENAI_API_KEY")
      assert.include(about("bare"), `set deployments.bare.baseUrl to ${url}/v1`)
      assert.include(about("slash"), `set deployments.slash.baseUrl to ${url}/v1`)
      assert.include(about("whole"), `set deployments.whole.baseUrl to ${url}/v1`)
      assert.include(about("page"), `set deployments.page.baseUrl to ${url}/page/v1`)
      assert.match(about("claude"), new RegExp(`set deployments\\.claude\\.baseUrl to ${url}$`))
      assert.match(about("lost"), /ModelNotFound \(404\)[^]*check deployments\.lost\.model/)
      assert.match(about("loading"), /Overloaded \(503\)[^]*is loading its model: wait/)
      assert.match(about("broken"), /ServerError \(500\)[^]*check its log/)
      assert.match(about("acted"), /this simulated deployment is configured to fail: check deployments\.acted/)
      assert.notInclude(lines.join("\n"), "status page")
    }).pipe(
      withEnvironment({ OPENAI_API_KEY: "sk-test" }),
      Effect.provide(TestConsole.layer),
      Effect.scoped,
      Effect.provide(NodeServices.layer),
    ),
  )
})

/** A server such as people run themselves: what it answers depends on the path alone. */
const own = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<Http.Server>((resolve) => {
        const server = Http.createServer((request, response) => {
          const [status, body] = ownAnswer(request.url ?? "")
          request.resume().on("end", () => response.writeHead(status).end(body))
        })
        server.listen(0, "127.0.0.1", () => resolve(server))
      }),
  ),
  (server) =>
    Effect.sync(() => {
      server.closeAllConnections()
      server.close()
    }),
).pipe(Effect.map((server) => ({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })))

const ownAnswer = (path: string): readonly [number, string] => {
  if (path === "/locked/v1/chat/completions") return [401, '{"error":{"message":"Invalid API Key"}}']
  if (path === "/loading/v1/chat/completions") {
    return [503, '{"error":{"message":"Loading model","type":"unavailable_error","code":503}}']
  }
  if (path === "/broken/v1/chat/completions") return [500, "Internal Server Error"]
  if (path === "/page/chat/completions") return [200, "<html></html>"]
  return path === "/v1/chat/completions"
    ? [404, '{"error":{"message":"model \'gone\' not found"}}']
    : [404, "404 page not found"]
}

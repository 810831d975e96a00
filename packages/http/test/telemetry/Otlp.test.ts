/** Real gateways that export to a stand-in collector, over sockets. What it gets is decoded by the protocol's own classes. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import type { IncomingHttpHeaders } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { ask, clean, start, url } from "../cli/Process.ts"
import * as Collector from "./Collector.ts"

const closing: Array<() => void> = []

afterAll(() => {
  clean()
  for (const close of closing) close()
})

const collector = async (answer?: Parameters<typeof Collector.start>[0]) => {
  const started = await Collector.start(answer)
  closing.push(started.close)
  return started
}

const completion = {
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-4o-2026",
  choices: [{ index: 0, message: { role: "assistant", content: "answer-canary" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
}

/** An upstream that answers with the given statuses, one after the other, and the headers that it was sent. */
const upstream = async (statuses: ReadonlyArray<number>) => {
  const headers: Array<IncomingHttpHeaders> = []
  const server = createServer((request, response) => {
    const status = statuses[headers.length] ?? 200
    headers.push(request.headers)
    request
      .resume()
      .once("end", () =>
        response
          .writeHead(status, { "content-type": "application/json" })
          .end(JSON.stringify(status === 200 ? completion : { error: { message: "unwell" } })),
      )
  })
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  closing.push(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return { headers, port, url: `http://127.0.0.1:${port}/v1` }
}

const apiKey = "sk-canary-of-the-upstream"

const config = (at: string, telemetry = "", server = "") => `
server: { port: 0, drain: { delay: 0s }${server} }
telemetry: { ${telemetry} }
deployments:
  first: { provider: openai, model: gpt-4o, baseUrl: "${at}", apiKey: "${apiKey}", retry: { times: 1, base: 1ms } }
  second: { provider: groq, model: llama, baseUrl: "${at}", apiKey: "${apiKey}" }
routes: { assistant: [first, second] }
`

const serve = (yaml: string, env: Record<string, string> = {}) =>
  start(["--config", "understudy.yaml", "--log-format", "json"], {
    files: { "understudy.yaml": yaml },
    env: { OTEL_BSP_SCHEDULE_DELAY: "10", ...env },
  })

const traceId = "0af7651916cd43dd8448eb211c80319c"
const traceparent = `00-${traceId}-b7ad6b7169203331-01`

const ofTraces = ({ path }: Collector.Export) => path === "/v1/traces"

describe.skipIf(!Collector.hasDecoder)("an OpenTelemetry collector", () => {
  for (const protocol of ["http/protobuf", "http/json"]) {
    it(`gets the trace of a call, continued from its client and handed to its providers (${protocol})`, async () => {
      const { exports, until, url: endpoint } = await collector()
      const { headers, port, url: at } = await upstream([503, 503, 200])
      const compression = protocol === "http/json" ? "gzip" : "none"
      const otlp = `otlp: { endpoint: "${endpoint}", protocol: ${protocol}, compression: ${compression}, headers: { x-token: "t-1" } }`
      const gateway = serve(config(at, `${otlp}, service: gate, attributes: { team: blue }, metrics: false`))
      const base = await url(gateway)
      const answered = await ask(base, { temperature: 1 }, { traceparent, tracestate: "vendor=1" })
      assert.strictEqual(answered.status, 200)
      await answered.text()
      gateway.child.kill("SIGTERM")
      await gateway.ended
      await until((all) => all.length > 0)
      assert.strictEqual(exports[0]?.headers["x-token"], "t-1")
      assert.strictEqual(exports[0]?.headers["content-encoding"], compression === "gzip" ? "gzip" : undefined)
      const [decoded] = Collector.decode(exports)
      const resource = Collector.attributes(decoded?.resource.attributes)
      assert.deepStrictEqual(resource["service.name"], { stringValue: "gate" })
      assert.deepStrictEqual(resource["team"], { stringValue: "blue" })
      assert.strictEqual(decoded?.scopeSpans?.[0]?.scope.name, "understudy")
      const spans = Collector.spans(exports)
      const byStart = spans.toSorted((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)))
      assert.deepStrictEqual(
        byStart.map(({ kind, name }) => `${kind} ${name}`),
        [
          "SPAN_KIND_SERVER POST /v1/chat/completions",
          "SPAN_KIND_INTERNAL chat assistant",
          "SPAN_KIND_CLIENT chat gpt-4o",
          "SPAN_KIND_CLIENT chat gpt-4o",
          "SPAN_KIND_CLIENT chat llama",
        ],
      )
      const [server, call, first, retry, second] = byStart
      for (const span of byStart) {
        assert.strictEqual(span.traceId, traceId)
        assert.strictEqual(span.traceState, "vendor=1")
      }
      assert.strictEqual(server?.parentSpanId, "b7ad6b7169203331")
      assert.strictEqual(server?.flags, 0x301)
      assert.strictEqual(call?.parentSpanId, server?.spanId)
      assert.strictEqual(call?.flags, 0x101)
      for (const attempt of [first, retry, second]) assert.strictEqual(attempt?.parentSpanId, call?.spanId)
      assert.deepStrictEqual(
        headers.map((sent) => [sent["traceparent"], sent["tracestate"]]),
        [first, retry, second].map((attempt) => [`00-${traceId}-${attempt?.spanId}-01`, "vendor=1"]),
      )
      assert.deepStrictEqual(Collector.attributes(server?.attributes)["http.route"], {
        stringValue: "/v1/chat/completions",
      })
      assert.deepStrictEqual(Collector.attributes(server?.attributes)["http.response.status_code"], { intValue: "200" })
      const failed = Collector.attributes(first?.attributes)
      assert.deepStrictEqual(failed["error.type"], { stringValue: "overloaded" })
      assert.deepStrictEqual(failed["http.response.status_code"], { intValue: "503" })
      assert.strictEqual(first?.status?.code, "STATUS_CODE_ERROR")
      assert.isUndefined(second?.status?.code)
      const succeeded = Collector.attributes(second?.attributes)
      assert.deepStrictEqual(succeeded["gen_ai.provider.name"], { stringValue: "groq" })
      assert.deepStrictEqual(succeeded["gen_ai.response.model"], { stringValue: "gpt-4o-2026" })
      assert.deepStrictEqual(succeeded["gen_ai.response.finish_reasons"], {
        arrayValue: { values: [{ stringValue: "stop" }] },
      })
      assert.deepStrictEqual(succeeded["gen_ai.request.temperature"], { doubleValue: 1 })
      assert.deepStrictEqual(succeeded["gen_ai.usage.input_tokens"], { intValue: "7" })
      assert.deepStrictEqual(succeeded["server.port"], { intValue: String(port) })
      assert.deepStrictEqual(
        call?.events?.map(({ name }) => name),
        ["understudy.failover"],
      )
      const all = JSON.stringify(byStart)
      assert.include(gateway.printed(), `"trace_id":"${traceId}"`)
      for (const secret of [apiKey, "secret words", "answer-canary", "t-1", "    at "]) assert.notInclude(all, secret)
    })
  }

  it("gets prompts and answers if they are asked for", async () => {
    const { exports, url: endpoint } = await collector()
    const { url: at } = await upstream([])
    const gateway = serve(config(at, `otlp: { endpoint: "${endpoint}" }, content: true, metrics: false`))
    await (await ask(await url(gateway))).text()
    gateway.child.kill("SIGTERM")
    await gateway.ended
    const attempt = Collector.spans(exports).find(({ kind }) => kind === "SPAN_KIND_CLIENT")
    const attributes = Collector.attributes(attempt?.attributes)
    assert.include(JSON.stringify(attributes["gen_ai.input.messages"]), "secret words")
    assert.include(JSON.stringify(attributes["gen_ai.output.messages"]), "answer-canary")
  })

  it("gets the metrics of the conventions beside those of the gateway, configured by the environment alone", async () => {
    const { exports, until, url: endpoint } = await collector()
    const { port, url: at } = await upstream([503, 503, 200])
    const gateway = serve(config(at), {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_TRACES_EXPORTER: "none",
      OTEL_SERVICE_NAME: "named",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test%20bed",
      OTEL_METRIC_EXPORT_INTERVAL: "50",
    })
    await (await ask(await url(gateway))).text()
    const has = (name: string) => (all: ReadonlyArray<Collector.Export>) => all.at(-1)?.body.includes(name) === true
    await until(has("gen_ai.client.inference.duration"))
    gateway.child.kill("SIGTERM")
    await gateway.ended
    assert.isFalse(exports.some(ofTraces))
    const last = exports.slice(-1)
    const resource = Collector.attributes(Collector.decode(last)[0]?.resource.attributes)
    assert.deepStrictEqual(resource["service.name"], { stringValue: "named" })
    assert.deepStrictEqual(resource["deployment.environment.name"], { stringValue: "test bed" })
    const metrics = Collector.metrics(last)
    const named = (name: string) => metrics.find((metric) => metric.name === name)
    const duration = named("gen_ai.client.inference.duration")
    assert.strictEqual(duration?.unit, "s")
    const points = duration?.histogram?.dataPoints ?? []
    assert.deepStrictEqual(
      points.map(({ attributes, count }) => {
        const all = Collector.attributes(attributes)
        return [all["gen_ai.request.model"]?.["stringValue"], all["error.type"]?.["stringValue"], count]
      }),
      [
        ["gpt-4o", "overloaded", "2"],
        ["llama", undefined, "1"],
      ],
    )
    assert.deepStrictEqual(points[0]?.explicitBounds?.slice(0, 3), [0.01, 0.02, 0.04])
    assert.deepStrictEqual(Collector.attributes(points[0]?.attributes)["server.port"], { intValue: String(port) })
    const tokens = named("gen_ai.client.inference.usage.input_tokens")
    assert.deepStrictEqual([tokens?.unit, tokens?.sum?.isMonotonic], ["{token}", true])
    assert.deepStrictEqual(
      tokens?.sum?.dataPoints.map(({ asDouble }) => asDouble),
      [0, 7],
    )
    assert.isDefined(named("understudy_requests_total"))
  })

  it("gets traces and metrics of one gateway under one instance id", async () => {
    const { exports, until, url: endpoint } = await collector()
    const { url: at } = await upstream([200])
    const gateway = serve(config(at, `otlp: { endpoint: "${endpoint}" }, metricsInterval: 50ms`))
    await (await ask(await url(gateway))).text()
    await until((all) => all.some(ofTraces) && !all.every(ofTraces))
    gateway.child.kill("SIGTERM")
    await gateway.ended
    const ids = Collector.decode(exports).map(
      ({ resource }) => Collector.attributes(resource.attributes)["service.instance.id"]?.["stringValue"],
    )
    assert.strictEqual(new Set(ids).size, 1)
    assert.match(String(ids[0]), /^[\da-f-]{36}$/)
  })
})

describe("telemetry", () => {
  it("hands on a trace that is not sampled, with flag 00, and exports nothing of it", async () => {
    const { exports, url: endpoint } = await collector()
    const { headers, url: at } = await upstream([])
    const gateway = serve(config(at, `otlp: { endpoint: "${endpoint}" }, sampling: 0, metrics: false`))
    const base = await url(gateway)
    await (await ask(base)).text()
    await (await ask(base, {}, { traceparent: traceparent.replace(/01$/, "00") })).text()
    gateway.child.kill("SIGTERM")
    await gateway.ended
    assert.match(String(headers[0]?.["traceparent"]), /^00-[\da-f]{32}-[\da-f]{16}-00$/)
    assert.match(String(headers[1]?.["traceparent"]), new RegExp(`^00-${traceId}-[\\da-f]{16}-00$`))
    assert.deepStrictEqual(exports, [])
  })

  it("hands on nothing without a collector, or where OTEL_SDK_DISABLED is set", async () => {
    const { exports, url: endpoint } = await collector()
    const { headers, url: at } = await upstream([])
    for (const env of [{}, { OTEL_SDK_DISABLED: "true", OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }]) {
      const gateway = serve(config(at), env)
      await (await ask(await url(gateway), {}, { traceparent })).text()
      gateway.child.kill("SIGTERM")
      await gateway.ended
    }
    assert.deepStrictEqual(
      headers.map((sent) => sent["traceparent"]),
      [undefined, undefined],
    )
    assert.deepStrictEqual(exports, [])
  })

  it("answers calls while the collector never answers, ends within its bound, and says so once", async () => {
    const { until, url: endpoint } = await collector(() => undefined)
    const { url: at } = await upstream([])
    const gateway = serve(config(at, `otlp: { endpoint: "${endpoint}", timeout: 50ms }`))
    const base = await url(gateway)
    for (let call = 0; call < 20; call++) assert.strictEqual((await ask(base)).status, 200)
    await until((all) => all.filter(ofTraces).length > 1)
    await gateway.says(/Cannot export spans/)
    gateway.child.kill("SIGTERM")
    assert.strictEqual(await gateway.ended, 130)
    assert.lengthOf(gateway.printed().match(/Cannot export spans/g) ?? [], 1)
    assert.notInclude(gateway.printed(), apiKey)
  })
})

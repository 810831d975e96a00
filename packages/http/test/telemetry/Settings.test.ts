import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import type { TelemetrySection } from "../../src/config/TelemetrySection.ts"
import { isSampled } from "../../src/telemetry/Sampler.ts"
import * as Settings from "../../src/telemetry/Settings.ts"

const resolve = (section: typeof TelemetrySection.Type, env: Record<string, string> = {}) =>
  Effect.provideService(Settings.resolve(section), ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))

const endpoint = "http://collector:4318"

describe("Settings", () => {
  it.effect("export nothing without an endpoint, or when they are disabled", () =>
    Effect.gen(function* () {
      const on = { otlp: { endpoint } }
      for (const settings of [
        yield* resolve({}),
        yield* resolve(on, { OTEL_SDK_DISABLED: "true" }),
        yield* resolve({ ...on, traces: false, metrics: false }),
        yield* resolve({}, { OTEL_EXPORTER_OTLP_ENDPOINT: " " }),
      ]) {
        assert.deepStrictEqual([settings.traces, settings.metrics, settings.warnings], [undefined, undefined, []])
      }
    }),
  )

  it.effect("are those of the section, with the specification's defaults", () =>
    Effect.gen(function* () {
      const { metrics, service, traces } = yield* resolve({ otlp: { endpoint: `${endpoint}/base/` } })
      assert.strictEqual(service, "understudy")
      assert.strictEqual(traces?.endpoint.url, `${endpoint}/base/v1/traces`)
      assert.strictEqual(metrics?.endpoint.url, `${endpoint}/base/v1/metrics`)
      assert.deepStrictEqual(traces?.sampler, { ratio: 1, parentBased: true })
      assert.deepStrictEqual(
        [traces?.endpoint.protocol, traces?.endpoint.compression, Duration.toMillis(traces!.endpoint.timeout)],
        ["http/json", "none", 10_000],
      )
      assert.deepStrictEqual([traces?.batching.size, traces?.batching.queue, traces?.content], [512, 2048, false])
    }),
  )

  it.effect("are completed by the environment, a signal's variable before the one of all", () =>
    Effect.gen(function* () {
      const { attributes, metrics, service, traces, warnings } = yield* resolve(
        {},
        {
          OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
          OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces:4318/own",
          OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20b, y=1",
          OTEL_EXPORTER_OTLP_METRICS_HEADERS: "z=2",
          OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
          OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
          OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "50",
          OTEL_RESOURCE_ATTRIBUTES: "service.name=other,region=eu",
          OTEL_TRACES_SAMPLER: "traceidratio",
          OTEL_TRACES_SAMPLER_ARG: "0.25",
          OTEL_METRIC_EXPORT_INTERVAL: "1500",
          OTEL_BSP_MAX_QUEUE_SIZE: "100",
        },
      )
      assert.deepStrictEqual(warnings, [])
      assert.deepStrictEqual([service, attributes], ["other", { region: "eu" }])
      assert.deepStrictEqual(traces?.endpoint, {
        url: "http://traces:4318/own",
        headers: { "x-key": "a b", y: "1" },
        protocol: "http/protobuf",
        compression: "gzip",
        timeout: Duration.millis(50),
      })
      assert.deepStrictEqual(metrics?.endpoint.headers, { z: "2" })
      assert.strictEqual(Duration.toMillis(metrics!.interval), 1500)
      assert.deepStrictEqual(traces?.sampler, { ratio: 0.25, parentBased: false })
      assert.deepStrictEqual([traces?.batching.queue, traces?.batching.size], [100, 100])
    }),
  )

  it.effect("prefer the section to the environment", () =>
    Effect.gen(function* () {
      const { service, traces } = yield* resolve(
        { otlp: { endpoint, headers: { a: "1" } }, service: "mine", sampling: 0.5 },
        {
          OTEL_EXPORTER_OTLP_ENDPOINT: "http://other:1",
          OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://other:2",
          OTEL_EXPORTER_OTLP_HEADERS: "b=2",
          OTEL_SERVICE_NAME: "theirs",
          OTEL_TRACES_EXPORTER: "none",
          OTEL_TRACES_SAMPLER: "always_off",
        },
      )
      assert.deepStrictEqual([service, traces?.endpoint.url], ["mine", `${endpoint}/v1/traces`])
      assert.deepStrictEqual(traces?.endpoint.headers, { a: "1" })
      assert.deepStrictEqual(traces?.sampler, { ratio: 0.5, parentBased: true })
    }),
  )

  it.effect("ignore variables that do not fit, and warn of each", () =>
    Effect.gen(function* () {
      const { traces, warnings } = yield* resolve(
        {},
        {
          OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
          OTEL_EXPORTER_OTLP_HEADERS: "no pair",
          OTEL_RESOURCE_ATTRIBUTES: "a=%zz",
          OTEL_TRACES_SAMPLER: "jaeger_remote",
          OTEL_METRICS_EXPORTER: "prometheus",
        },
      )
      assert.deepStrictEqual(traces?.sampler, { ratio: 1, parentBased: true })
      const named = warnings.map((warning) => warning.split(" ")[0])
      for (const name of ["OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_TRACES_SAMPLER"]) {
        assert.include(named, name)
      }
      assert.notInclude(warnings.join(), "no pair")
    }),
  )

  it.effect("export nothing by gRPC, and say what to set", () =>
    Effect.gen(function* () {
      const { metrics, traces, warnings } = yield* resolve(
        {},
        { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
      )
      assert.deepStrictEqual([traces, metrics], [undefined, undefined])
      assert.match(warnings[0] ?? "", /OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not supported.*4318/)
    }),
  )

  it("read the variables that docs/telemetry.md names", () => {
    const document = readFileSync(new URL("../../../../docs/telemetry.md", import.meta.url), "utf8")
    for (const name of Settings.names) {
      if (/OTLP_(?:TRACES|METRICS)_/.test(name)) continue
      const [, suffix = ""] = /^OTEL_(?:EXPORTER_OTLP|BSP)(_.*)$/.exec(name) ?? []
      assert.isTrue(document.includes(`\`${name}\``) || (suffix !== "" && document.includes(`\`${suffix}\``)), name)
    }
  })
})

describe("Sampler", () => {
  const ids = Array.from({ length: 4000 }, (_, index) => {
    const random = ((index * 2654435761) % 2 ** 32).toString(16).padStart(8, "0")
    return `${"a".repeat(18)}${random}${random.slice(0, 6)}`
  })

  it("takes the share of the ratio, and what a smaller ratio takes too", () => {
    const taken = (ratio: number) => ids.filter((id) => isSampled({ ratio, parentBased: true }, id, undefined))
    assert.lengthOf(taken(0), 0)
    assert.lengthOf(taken(1), ids.length)
    assert.approximately(taken(0.1).length / ids.length, 0.1, 0.02)
    const more = new Set(taken(0.3))
    for (const id of taken(0.1)) assert.isTrue(more.has(id))
  })
})

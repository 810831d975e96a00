/**
 * Traces and metrics for an OpenTelemetry collector, by OTLP over HTTP. Loaded only if something is exported.
 */
import * as GenAiMetrics from "@understudy/core/GenAiMetrics"
import * as RouterMetrics from "@understudy/core/Metrics"
import type { Router } from "@understudy/core/Router"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import * as OtlpResource from "effect/observability/OtlpResource"
import { OtlpSerialization } from "effect/observability/OtlpSerialization"
import * as Schedule from "effect/Schedule"
import { randomUUID } from "node:crypto"
import { layerClient, limited, Reachability, reasonOf, serialization } from "./Endpoint.ts"
import { RequestTracing } from "./ServerSpan.ts"
import type { Endpoint, Settings } from "./Settings.ts"
import * as SpanExporter from "./SpanExporter.ts"
import * as Spans from "./Spans.ts"
import { version } from "./Version.ts"

/** What makes the spans and the metrics. */
const scope = { name: "understudy", version }

/** The conventions of the attributes that are not about generative AI. */
const schemaUrl = "https://opentelemetry.io/schemas/1.45.0"

/** The id of this process, the same for its traces and its metrics: by it a backend joins them. */
const instance = randomUUID()

/** The resource: this process. Several gateways differ by their instance id. */
const resourceOf = ({ attributes, service }: Settings) => ({
  serviceName: service,
  serviceVersion: attributes["service.version"] ?? version,
  attributes: { "service.instance.id": instance, ...attributes },
})

/** Requests traced, and their spans exported until the layer is closed. */
export const layerTraces = (settings: Settings, traces: NonNullable<Settings["traces"]>): Layer.Layer<never> => {
  const { batching, content, endpoint, sampler } = traces
  return Layer.effect(
    RequestTracing,
    Effect.gen(function* () {
      const resource = OtlpResource.make(resourceOf(settings))
      const ended = yield* SpanExporter.make({ endpoint, batching, resource, scope, schemaUrl })
      yield* Effect.logInfo(`Traces are exported to the OpenTelemetry collector at ${originOf(endpoint)}`)
      return { content, tracer: Spans.tracer(ended), start: Spans.root(sampler, ended) }
    }),
  ).pipe(Layer.provide([layerClient, serialization(endpoint.protocol)]))
}

/** The metrics of the router and of the process, exported until the layer is closed. */
export const layerMetrics = (
  settings: Settings,
  { endpoint, interval }: NonNullable<Settings["metrics"]>,
): Layer.Layer<never, never, Router> => {
  const collected = Effect.gen(function* () {
    // Gauges are set shortly before they are exported.
    yield* Effect.forkScoped(
      Effect.repeat(RouterMetrics.collect, Schedule.spaced(Duration.min(interval, Duration.seconds(5)))),
    )
    yield* OtlpMetrics.make({
      url: endpoint.url,
      headers: endpoint.headers,
      compression: endpoint.compression,
      exportInterval: interval,
      resource: resourceOf(settings),
    })
    yield* Effect.logInfo(`Metrics are exported to the OpenTelemetry collector at ${originOf(endpoint)}`)
  })
  return Layer.merge(
    GenAiMetrics.layer,
    Layer.effectDiscard(collected).pipe(
      Layer.provide([
        OtlpExporter.layerFlusher,
        Layer.provide(layerUnits, serialization(endpoint.protocol)),
        Layer.provide(layerReporting(endpoint), layerClient),
        // What is configured is in the resource. The exporter would read the environment once more, and die of mistakes in it.
        ConfigProvider.layer(Effect.succeed(ConfigProvider.fromEnvRecord({}))),
      ]),
    ),
  )
}

const originOf = ({ url }: Endpoint): string => new URL(url).origin

/** The client of metrics: with a timeout, and with lines in the log, which the exporter has at level debug only. */
const layerReporting = (endpoint: Endpoint) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) => {
      const reachability = new Reachability("metrics", endpoint.url)
      return HttpClient.transform(limited(client, endpoint), (response) =>
        response.pipe(
          Effect.tap(({ status }) =>
            status < 300 ? reachability.succeeded(0) : reachability.failed(`it answers with status ${status}`),
          ),
          Effect.tapError((error) => reachability.failed(reasonOf(error))),
        ),
      )
    }),
  )

/** The serialization of metrics with their scope and units: Effect's metrics have no unit but a label. */
const layerUnits = Layer.effect(
  OtlpSerialization,
  Effect.map(OtlpSerialization, ({ logs, metrics, traces }) =>
    OtlpSerialization.of({
      logs,
      traces,
      metrics: ({ resourceMetrics }) =>
        metrics({
          resourceMetrics: resourceMetrics.map((resource) => ({
            ...resource,
            scopeMetrics: resource.scopeMetrics.map(({ metrics }) => ({
              scope,
              schemaUrl,
              metrics: metrics.map(conventional),
            })),
          })),
        }),
    }),
  ),
)

type Metric = Parameters<
  (typeof OtlpSerialization)["Service"]["metrics"]
>[0]["resourceMetrics"][number]["scopeMetrics"][number]["metrics"][number]

/** A metric with its unit, and with the port of a server as a number. */
const conventional = (metric: Metric): Metric => {
  const unit = unitOf(metric.name)
  for (const { attributes } of [...(metric.sum?.dataPoints ?? []), ...(metric.histogram?.dataPoints ?? [])]) {
    for (const { key, value } of attributes ?? []) {
      if (key !== "server.port") continue
      value.intValue = Number(value.stringValue)
      delete value.stringValue
    }
  }
  return unit === undefined ? metric : { ...metric, unit }
}

const unitOf = (name: string): string | undefined =>
  GenAiMetrics.units.find(([prefix]) => name.startsWith(prefix))?.[1] ?? (name.endsWith("_seconds") ? "s" : undefined)

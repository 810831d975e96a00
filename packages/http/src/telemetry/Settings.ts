/**
 * What is exported, where and how: the `telemetry` section of the configuration, completed by OpenTelemetry's environment
 * variables. A key of the section takes precedence over its variable; `OTEL_SDK_DISABLED=true` over all.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Protocol, TelemetrySection } from "../config/TelemetrySection.ts"
import { protocols } from "../config/TelemetrySection.ts"
import type { Variables } from "./Environment.ts"
import * as Environment from "./Environment.ts"
import type { Sampler } from "./Sampler.ts"

type Section = typeof TelemetrySection.Type

export interface Settings {
  readonly traces: Traces | undefined
  readonly metrics: Metrics | undefined
  readonly service: string
  /** Attributes of the resource, besides the service. */
  readonly attributes: Readonly<Record<string, string>>
  /** Of environment variables that are ignored. */
  readonly warnings: ReadonlyArray<string>
}

export interface Traces {
  readonly endpoint: Endpoint
  readonly sampler: Sampler
  readonly batching: Batching
  /** Whether prompts and answers are exported. */
  readonly content: boolean
}

export interface Metrics {
  readonly endpoint: Endpoint
  readonly interval: Duration.Duration
}

/** Where one signal is exported, and how. `timeout` bounds one request, and the retries of a batch of spans. */
export interface Endpoint {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly protocol: Protocol
  readonly compression: "gzip" | "none"
  readonly timeout: Duration.Duration
}

export interface Batching {
  /** The time between two requests, unless a batch is full before. */
  readonly delay: Duration.Duration
  /** The spans in one request. */
  readonly size: number
  /** The spans that wait for a request. */
  readonly queue: number
}

/** The specification's defaults. */
const defaultBatching: Batching = { delay: Duration.seconds(5), size: 512, queue: 2048 }

/** The settings of a section, with the environment. */
export const resolve = (section: Section): Effect.Effect<Settings> =>
  Effect.map(Environment.load(names), (variables) => settings(section, variables))

const signals = ["TRACES", "METRICS"] as const
type Signal = (typeof signals)[number]

const settings = (section: Section, variables: Variables): Settings => {
  const { "service.name": named, ...attributes } = {
    ...variables.pairs("OTEL_RESOURCE_ATTRIBUTES"),
    ...section.attributes,
  }
  const service = section.service ?? variables.text("OTEL_SERVICE_NAME") ?? named ?? "understudy"
  const off = variables.flag("OTEL_SDK_DISABLED")
  const traces = off || section.traces === false ? undefined : endpoint("TRACES", section, variables)
  const metrics = off || section.metrics === false ? undefined : endpoint("METRICS", section, variables)
  return {
    service,
    attributes,
    traces: traces && {
      endpoint: traces,
      sampler: sampler(section, variables),
      batching: batching(variables),
      content: section.content ?? false,
    },
    metrics: metrics && {
      endpoint: metrics,
      interval:
        section.metricsInterval ?? millis(variables.count("OTEL_METRIC_EXPORT_INTERVAL")) ?? Duration.minutes(1),
    },
    warnings: variables.warnings,
  }
}

const millis = (count: number | undefined): Duration.Duration | undefined =>
  count === undefined ? undefined : Duration.millis(count)

/** The endpoint of a signal; `undefined` if none is configured, or the signal is turned off. */
const endpoint = (signal: Signal, { otlp }: Section, variables: Variables): Endpoint | undefined => {
  /** A variable of the signal takes precedence over the one of all signals. */
  const own = <A>(suffix: string, read: (name: string) => A | undefined): A | undefined =>
    read(`OTEL_EXPORTER_OTLP_${signal}_${suffix}`) ?? read(`OTEL_EXPORTER_OTLP_${suffix}`)

  const exporter = otlp === undefined ? variables.oneOf(`OTEL_${signal}_EXPORTER`, ["otlp", "none"]) : "otlp"
  if (exporter === "none") return undefined
  const base =
    otlp?.endpoint ??
    variables.url("OTEL_EXPORTER_OTLP_ENDPOINT") ??
    // What the specification has without an endpoint applies only where an exporter is asked for.
    (exporter === "otlp" ? "http://localhost:4318" : undefined)
  const url =
    (otlp === undefined ? variables.url(`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`) : undefined) ??
    (base && `${base.replace(/\/+$/, "")}/v1/${signal.toLowerCase()}`)
  if (url === undefined) return undefined
  const protocol = otlp?.protocol ?? own("PROTOCOL", (name) => protocolOf(variables, name)) ?? defaultProtocol
  if (protocol === "grpc") return undefined
  return {
    url,
    protocol,
    headers: otlp?.headers ?? own("HEADERS", (name) => variables.pairs(name)) ?? {},
    compression: otlp?.compression ?? own("COMPRESSION", (name) => variables.oneOf(name, ["gzip", "none"])) ?? "none",
    timeout: otlp?.timeout ?? own("TIMEOUT", (name) => millis(variables.count(name))) ?? Duration.seconds(10),
  }
}

/** Not the specification's `http/protobuf`: Effect's encoding of it takes fifteen times the CPU time (docs/telemetry.md). */
const defaultProtocol: Protocol = "http/json"

const protocolOf = (variables: Variables, name: string): Protocol | "grpc" | undefined => {
  if (variables.text(name) !== "grpc") return variables.oneOf(name, protocols)
  variables.warnings.push(
    `Nothing is exported to the OpenTelemetry collector: ${name}=grpc is not supported. Set it to http/protobuf, and OTEL_EXPORTER_OTLP_ENDPOINT to the collector's HTTP port, usually 4318`,
  )
  return "grpc"
}

const samplers = {
  always_on: { ratio: 1, parentBased: false },
  always_off: { ratio: 0, parentBased: false },
  traceidratio: { ratio: undefined, parentBased: false },
  parentbased_always_on: { ratio: 1, parentBased: true },
  parentbased_always_off: { ratio: 0, parentBased: true },
  parentbased_traceidratio: { ratio: undefined, parentBased: true },
} as const

const samplerNames = Object.keys(samplers) as ReadonlyArray<keyof typeof samplers>

const sampler = ({ sampling }: Section, variables: Variables): Sampler => {
  if (sampling !== undefined) return { ratio: sampling, parentBased: true }
  const { parentBased, ratio } =
    samplers[variables.oneOf("OTEL_TRACES_SAMPLER", samplerNames) ?? "parentbased_always_on"]
  return { parentBased, ratio: ratio ?? variables.ratio("OTEL_TRACES_SAMPLER_ARG") ?? 1 }
}

const batching = (variables: Variables): Batching => {
  const queue = variables.count("OTEL_BSP_MAX_QUEUE_SIZE") ?? defaultBatching.queue
  return {
    queue,
    delay: millis(variables.count("OTEL_BSP_SCHEDULE_DELAY")) ?? defaultBatching.delay,
    size: Math.min(variables.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") ?? defaultBatching.size, queue),
  }
}

/** Every variable that is read. */
export const names: ReadonlyArray<string> = [
  "OTEL_SDK_DISABLED",
  "OTEL_SERVICE_NAME",
  "OTEL_RESOURCE_ATTRIBUTES",
  ...["ENDPOINT", "HEADERS", "PROTOCOL", "COMPRESSION", "TIMEOUT"].flatMap((suffix) => [
    `OTEL_EXPORTER_OTLP_${suffix}`,
    ...signals.map((signal) => `OTEL_EXPORTER_OTLP_${signal}_${suffix}`),
  ]),
  ...signals.map((signal) => `OTEL_${signal}_EXPORTER`),
  "OTEL_TRACES_SAMPLER",
  "OTEL_TRACES_SAMPLER_ARG",
  "OTEL_BSP_SCHEDULE_DELAY",
  "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
  "OTEL_BSP_MAX_QUEUE_SIZE",
  "OTEL_METRIC_EXPORT_INTERVAL",
]

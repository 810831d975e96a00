/**
 * A stand-in for an OpenTelemetry collector, and the decoder of what it gets: the classes that OpenTelemetry publishes for
 * its protocol (`opentelemetry-proto` for Python, which `.ci/run` installs).
 */
import { spawnSync } from "node:child_process"
import type { IncomingHttpHeaders } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { homedir } from "node:os"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"

/** Where `.ci/run` installs Python's packages. */
const packages = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "understudy-tools", "otlp")

const python = (args: ReadonlyArray<string>, input = "") =>
  spawnSync("python3", args, {
    input,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, PYTHONPATH: packages },
  })

/** Whether the decoder is installed. */
export const hasDecoder = python(["-c", "import opentelemetry.proto.collector.trace.v1.trace_service_pb2"]).status === 0
if (!hasDecoder) {
  process.stderr.write(
    `Tests of the OTLP protocol are skipped: install its decoder with "pip install --target ${packages} opentelemetry-proto"\n`,
  )
}

/** A request that the collector got. */
export interface Export {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Collector {
  readonly url: string
  readonly exports: ReadonlyArray<Export>
  /** Waits until something holds of what has come. */
  readonly until: (holds: (exports: ReadonlyArray<Export>) => boolean) => Promise<void>
  readonly close: () => void
}

/** `answer`: the status of each answer; `undefined` for none, ever. */
export const start = async (answer: (count: number) => number | undefined = () => 200): Promise<Collector> => {
  const exports: Array<Export> = []
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const body = Buffer.concat(chunks)
      const isZipped = request.headers["content-encoding"] === "gzip"
      exports.push({ path: request.url ?? "", headers: request.headers, body: isZipped ? gunzipSync(body) : body })
      const status = answer(exports.length)
      if (status !== undefined) response.writeHead(status).end()
      for (const look of waiting) look()
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exports,
    until: (holds) =>
      new Promise((resolve) => {
        const look = () => {
          if (!holds(exports)) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

type AnyValue = Readonly<Record<string, unknown>>

interface KeyValue {
  readonly key: string
  readonly value: AnyValue
}

export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceState?: string
  readonly flags: number
  readonly name: string
  readonly kind: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes?: ReadonlyArray<KeyValue>
  readonly events?: ReadonlyArray<{ readonly name: string; readonly attributes?: ReadonlyArray<KeyValue> }>
  readonly status?: { readonly code?: string; readonly message?: string }
}

interface Scoped {
  readonly scope: { readonly name: string; readonly version: string }
  readonly spans?: ReadonlyArray<Span>
  readonly metrics?: ReadonlyArray<Metric>
}

interface DataPoint {
  readonly attributes?: ReadonlyArray<KeyValue>
  readonly asDouble?: number
  readonly count?: string
  readonly explicitBounds?: ReadonlyArray<number>
}

export interface Metric {
  readonly name: string
  readonly unit?: string
  readonly sum?: { readonly dataPoints: ReadonlyArray<DataPoint>; readonly isMonotonic?: boolean }
  readonly histogram?: { readonly dataPoints: ReadonlyArray<DataPoint> }
}

interface Decoded {
  readonly resource: { readonly attributes: ReadonlyArray<KeyValue> }
  readonly scopeSpans?: ReadonlyArray<Scoped>
  readonly scopeMetrics?: ReadonlyArray<Scoped>
}

/** What the requests contain, by the protocol's own classes. */
export const decode = (exports: ReadonlyArray<Export>): ReadonlyArray<Decoded> => {
  const lines = exports.map(
    ({ body, headers, path }) =>
      `${path.slice(path.lastIndexOf("/") + 1)} ${headers["content-type"]} ${body.toString("base64")}\n`,
  )
  const { status, stderr, stdout } = python([join(import.meta.dirname, "decode.py")], lines.join(""))
  if (status !== 0) throw new Error(`what was exported is not OTLP: ${stderr}`)
  return stdout
    .trim()
    .split("\n")
    .flatMap((line) => {
      const { resourceMetrics = [], resourceSpans = [] } = JSON.parse(line)
      return [...resourceSpans, ...resourceMetrics]
    })
}

export const spans = (exports: ReadonlyArray<Export>): ReadonlyArray<Span> =>
  decode(exports).flatMap(({ scopeSpans = [] }) => scopeSpans.flatMap(({ spans = [] }) => spans))

export const metrics = (exports: ReadonlyArray<Export>): ReadonlyArray<Metric> =>
  decode(exports).flatMap(({ scopeMetrics = [] }) => scopeMetrics.flatMap(({ metrics = [] }) => metrics))

/** Attributes by name, each with its type and its value. */
export const attributes = (all: ReadonlyArray<KeyValue> = []): Readonly<Record<string, AnyValue>> =>
  Object.fromEntries(all.map(({ key, value }) => [key, value]))

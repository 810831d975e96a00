/**
 * Metrics of the process, under the names that Prometheus' client libraries give them. They are read when metrics are.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { performance } from "node:perf_hooks"

/** CPU time, in seconds. */
const cpu = Metric.counter("process_cpu_seconds_total", { description: "CPU time of the process, user and system" })
const memory = Metric.gauge("process_resident_memory_bytes", { description: "Resident memory of the process" })
const started = Metric.gauge("process_start_time_seconds", { description: "Start of the process, as a Unix time" })

const cpuSeconds = (): number => {
  const { system, user } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Exposes the metrics until the layer is closed. */
export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.contextWith((context) =>
    Effect.acquireRelease(
      Effect.sync(() => [
        Metric.registerUnsafe(cpu, context, { ...readOnly, get: () => ({ count: cpuSeconds(), incremental: true }) }),
        Metric.registerUnsafe(memory, context, { ...readOnly, get: () => ({ value: process.memoryUsage.rss() }) }),
        Metric.registerUnsafe(started, context, { ...readOnly, get: () => ({ value: performance.timeOrigin / 1000 }) }),
      ]),
      (registrations) =>
        Effect.sync(() => {
          for (const { remove } of registrations) remove()
        }),
    ),
  ),
)

const readOnly = { update: () => {}, modify: () => {} }

/**
 * The metrics of the gateway in Prometheus' text format: those of its router, and its own. docs/operations.md lists every name
 * and label.
 */
import * as Metrics from "@understudy/core/Metrics"
import type { Router } from "@understudy/core/Router"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"

const inFlight = Metric.gauge("understudy_http_requests_in_flight", {
  description: "HTTP requests in flight, this one included",
})

/** All metrics at this moment. `requests`: the HTTP requests in flight. */
export const render = (requests: number): Effect.Effect<string, never, Router> =>
  Metrics.collect.pipe(Effect.andThen(Metric.update(inFlight, requests)), Effect.andThen(PrometheusMetrics.format()))

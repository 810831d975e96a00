/**
 * The Prometheus metrics of the gateway: updated by the router's events, rendered by `GET /metrics`. docs/operations.md
 * lists every name and label.
 */
import { total } from "@understudy/core/Receipt"
import type { RouteEvent } from "@understudy/core/RouteEvent"
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import { Router } from "@understudy/core/Router"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"

/** Upper bounds of the latency histograms, in seconds: from a cached response to long reasoning. */
const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300]

/** One time series: a metric with its labels. It is in `GET /metrics` after its first update. */
type Series = Metric.Metric<number, unknown>

/** A counter's series for given labels. */
const counter =
  (id: string, description: string) =>
  (labels: Labels): Series =>
    Metric.counter(id, { description, incremental: true, attributes: labels })

/** A histogram's series for given labels, in seconds. */
const histogram =
  (id: string, description: string) =>
  (labels: Labels): Series =>
    Metric.histogram(id, { description, boundaries: seconds, attributes: labels })

const gauge =
  (id: string, description: string) =>
  (labels: Labels): Series =>
    Metric.gauge(id, { description, attributes: labels })

type Labels = Readonly<Record<string, string>>

const calls = counter("understudy_requests_total", "Calls by route and outcome")
const attempts = counter("understudy_attempts_total", "Attempts by deployment, outcome and reason")
const failovers = counter("understudy_failovers_total", "Fallbacks by deployment, next deployment and reason")
const hedges = counter("understudy_hedges_total", "Hedged attempts by deployment and hedging deployment")
const tokens = counter("understudy_tokens_total", "Tokens by deployment and type (input, output)")
const cost = counter("understudy_cost_usd_total", "Cost in US dollars by deployment, where the price is known")
const unpriced = counter("understudy_unpriced_attempts_total", "Attempts with usage but no known price, by deployment")
const cached = counter("understudy_cache_requests_total", "Calls on cached routes by route and result (hit, miss)")
/** Admitted calls are counted here; rejected calls by `KeyedRouter`. */
export const callsByKey = counter("understudy_key_requests_total", "Calls by virtual key and outcome")
const tokensByKey = counter("understudy_key_tokens_total", "Tokens by virtual key and type (input, output)")
const costByKey = counter(
  "understudy_key_cost_usd_total",
  "Cost in US dollars by virtual key, where the price is known",
)
const latency = histogram("understudy_attempt_duration_seconds", "Duration of attempts by deployment")
const firstToken = histogram(
  "understudy_time_to_first_token_seconds",
  "Time from the start of a streaming call to its first output, by route",
)
const circuit = gauge("understudy_circuit_state", "Circuit state by deployment: 0 closed, 1 half-open, 2 open")
const inFlight = gauge("understudy_attempts_in_flight", "Attempts in flight by deployment")

/** What `make` returns for a key, made once for each key. */
const byKey = <Value>(make: (key: string) => Value): ((key: string) => Value) => {
  const made = new Map<string, Value>()
  return (key) => {
    let value = made.get(key)
    if (value === undefined) made.set(key, (value = make(key)))
    return value
  }
}

// Series are found by one label at a time: looking them up by all labels at once would build a key for every event.

const deploymentSeries = (deployment: string) => ({
  attempts: byKey((outcome) =>
    byKey((reason) => attempts({ deployment, outcome, reason: reason === "" ? "" : snakeCase(reason) })),
  ),
  failovers: byKey((to) => byKey((reason) => failovers({ from: deployment, to, reason: snakeCase(reason) }))),
  hedges: byKey((to) => hedges({ from: deployment, to })),
  inputTokens: tokens({ deployment, type: "input" }),
  outputTokens: tokens({ deployment, type: "output" }),
  cost: cost({ deployment }),
  unpriced: unpriced({ deployment }),
  latency: latency({ deployment }),
})

const routeSeries = (route: string) => ({
  calls: byKey((outcome) => calls({ route, outcome })),
  cached: byKey((result) => cached({ route, result })),
  firstToken: firstToken({ route }),
})

const keySeries = (key: string) => ({
  calls: byKey((outcome) => callsByKey({ key, outcome })),
  inputTokens: tokensByKey({ key, type: "input" }),
  outputTokens: tokensByKey({ key, type: "output" }),
  cost: costByKey({ key }),
})

/** A function that counts an event. */
const record = (context: Context.Context<never>, free: ReadonlySet<string>): ((event: RouteEvent) => void) => {
  const ofDeployment = byKey(deploymentSeries)
  const ofRoute = byKey(routeSeries)
  const ofKey = byKey(keySeries)
  return (event) => {
    switch (event._tag) {
      case "AttemptEnded": {
        const { attempt } = event
        const series = ofDeployment(attempt.deployment)
        series
          .attempts(attempt.outcome)(attempt.reason ?? "")
          .updateUnsafe(1, context)
        series.latency.updateUnsafe(attempt.millis / 1000, context)
        if (attempt.usage !== undefined) {
          series.inputTokens.updateUnsafe(attempt.usage.inputTokens, context)
          series.outputTokens.updateUnsafe(attempt.usage.outputTokens, context)
          if (attempt.cost === undefined && !free.has(attempt.deployment)) series.unpriced.updateUnsafe(1, context)
        }
        if (attempt.cost !== undefined) series.cost.updateUnsafe(attempt.cost, context)
        return
      }
      case "Failover":
        return ofDeployment(event.from).failovers(event.to)(event.reason).updateUnsafe(1, context)
      case "Hedged":
        return ofDeployment(event.from).hedges(event.to).updateUnsafe(1, context)
      case "FirstToken":
        return ofRoute(event.route).firstToken.updateUnsafe(event.millis / 1000, context)
      case "CallEnded": {
        const { cache, caller, outcome = "" } = event.receipt
        const series = ofRoute(event.route)
        series.calls(outcome).updateUnsafe(1, context)
        if (cache !== undefined) series.cached(cache).updateUnsafe(1, context)
        if (caller === undefined) return
        const used = total(event.receipt)
        const ofCaller = ofKey(caller)
        ofCaller.calls(outcome).updateUnsafe(1, context)
        ofCaller.inputTokens.updateUnsafe(used.inputTokens, context)
        ofCaller.outputTokens.updateUnsafe(used.outputTokens, context)
        if (used.cost !== undefined) ofCaller.cost.updateUnsafe(used.cost, context)
        return
      }
      case "AttemptStarted":
      case "DeploymentSkipped":
      case "CacheHit":
        return
    }
  }
}

/**
 * Counts the router's events until the layer is closed. `free`: the deployments without a vendor's price, such as those of
 * local servers. Their attempts are not counted as unpriced.
 */
export const layer = (free: ReadonlySet<string> = new Set()): Layer.Layer<never, never, Router> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* Router
      yield* router.subscribe(record(yield* Effect.context<never>(), free))
    }),
  )

const circuitStates = { closed: 0, "half-open": 1, open: 2 }

/** All metrics with the current status of each deployment, in Prometheus' text format. */
export const render: Effect.Effect<string, never, Router> = Effect.gen(function* () {
  const router = yield* Router
  const context = yield* Effect.context<never>()
  for (const { circuit: state, deployment, inFlight: running } of yield* router.status) {
    circuit({ deployment }).updateUnsafe(circuitStates[state], context)
    inFlight({ deployment }).updateUnsafe(running, context)
  }
  return PrometheusMetrics.formatUnsafe(context)
})

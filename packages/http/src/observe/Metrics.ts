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

const calls = Metric.counter("understudy_requests_total", {
  description: "Calls by route and outcome",
  incremental: true,
})
const attempts = Metric.counter("understudy_attempts_total", {
  description: "Attempts by deployment, outcome and reason",
  incremental: true,
})
const failovers = Metric.counter("understudy_failovers_total", {
  description: "Fallbacks by deployment, next deployment and reason",
  incremental: true,
})
const hedges = Metric.counter("understudy_hedges_total", {
  description: "Hedged attempts by deployment and hedging deployment",
  incremental: true,
})
const tokens = Metric.counter("understudy_tokens_total", {
  description: "Tokens by deployment and type (input, output)",
  incremental: true,
})
const cost = Metric.counter("understudy_cost_usd_total", {
  description: "Cost in US dollars by deployment, where its price is cache",
  incremental: true,
})
const cached = Metric.counter("understudy_cache_requests_total", {
  description: "Calls on cached routes by route and result (hit, miss)",
  incremental: true,
})
/** Admitted calls are counted here; rejected calls by `KeyedRouter`. */
export const callsByKey = Metric.counter("understudy_key_requests_total", {
  description: "Calls by virtual key and outcome",
  incremental: true,
})
const tokensByKey = Metric.counter("understudy_key_tokens_total", {
  description: "Tokens by virtual key and type (input, output)",
  incremental: true,
})
const costByKey = Metric.counter("understudy_key_cost_usd_total", {
  description: "Cost in US dollars by virtual key, where the price is cache",
  incremental: true,
})
const latency = Metric.histogram("understudy_attempt_duration_seconds", {
  description: "Duration of attempts by deployment",
  boundaries: seconds,
})
const firstToken = Metric.histogram("understudy_time_to_first_token_seconds", {
  description: "Time from the start of a streaming call to its first output, by route",
  boundaries: seconds,
})
const circuit = Metric.gauge("understudy_circuit_state", {
  description: "Circuit state by deployment: 0 closed, 1 half-open, 2 open",
})
const inFlight = Metric.gauge("understudy_attempts_in_flight", { description: "Attempts in flight by deployment" })

/** An update function of a metric with labels. Each set of label values is created once and cached. */
const withLabels = <Input, State>(metric: Metric.Metric<Input, State>, ...names: ReadonlyArray<string>) => {
  const cache = new Map<string, Metric.Metric<Input, State>>()
  return (context: Context.Context<never>, input: Input, ...values: ReadonlyArray<string>): void => {
    const key = values.join("\n")
    let labelled = cache.get(key)
    if (labelled === undefined) {
      labelled = Metric.withAttributes(metric, Object.fromEntries(names.map((name, at) => [name, values[at] ?? ""])))
      cache.set(key, labelled)
    }
    labelled.updateUnsafe(input, context)
  }
}

/** A function that counts an event. */
const record = (context: Context.Context<never>): ((event: RouteEvent) => void) => {
  const addCall = withLabels(calls, "route", "outcome")
  const addAttempt = withLabels(attempts, "deployment", "outcome", "reason")
  const addFailover = withLabels(failovers, "from", "to", "reason")
  const addHedge = withLabels(hedges, "from", "to")
  const addTokens = withLabels(tokens, "deployment", "type")
  const addCost = withLabels(cost, "deployment")
  const addCached = withLabels(cached, "route", "result")
  const addCallByKey = withLabels(callsByKey, "key", "outcome")
  const addTokensByKey = withLabels(tokensByKey, "key", "type")
  const addCostByKey = withLabels(costByKey, "key")
  const addLatency = withLabels(latency, "deployment")
  const addFirstToken = withLabels(firstToken, "route")
  return (event) => {
    switch (event._tag) {
      case "AttemptEnded": {
        const { attempt } = event
        addAttempt(
          context,
          1,
          attempt.deployment,
          attempt.outcome,
          attempt.reason === undefined ? "" : snakeCase(attempt.reason),
        )
        addLatency(context, attempt.millis / 1000, attempt.deployment)
        if (attempt.usage !== undefined) {
          addTokens(context, attempt.usage.inputTokens, attempt.deployment, "input")
          addTokens(context, attempt.usage.outputTokens, attempt.deployment, "output")
        }
        if (attempt.cost !== undefined) addCost(context, attempt.cost, attempt.deployment)
        return
      }
      case "Failover":
        return addFailover(context, 1, event.from, event.to, snakeCase(event.reason))
      case "Hedged":
        return addHedge(context, 1, event.from, event.to)
      case "FirstToken":
        return addFirstToken(context, event.millis / 1000, event.route)
      case "CallEnded": {
        const { cache, caller, outcome = "" } = event.receipt
        addCall(context, 1, event.route, outcome)
        if (cache !== undefined) addCached(context, 1, event.route, cache)
        if (caller === undefined) return
        const used = total(event.receipt)
        addCallByKey(context, 1, caller, outcome)
        addTokensByKey(context, used.inputTokens, caller, "input")
        addTokensByKey(context, used.outputTokens, caller, "output")
        if (used.cost !== undefined) addCostByKey(context, used.cost, caller)
        return
      }
      case "AttemptStarted":
      case "DeploymentSkipped":
      case "CacheHit":
        return
    }
  }
}

/** Counts the router's events until the layer is closed. */
export const layer: Layer.Layer<never, never, Router> = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* Router
    yield* router.subscribe(record(yield* Effect.context<never>()))
  }),
)

const circuitStates = { closed: 0, "half-open": 1, open: 2 }

/** All metrics with the current status of each deployment, in Prometheus' text format. */
export const render: Effect.Effect<string, never, Router> = Effect.gen(function* () {
  const router = yield* Router
  const context = yield* Effect.context<never>()
  const setCircuit = withLabels(circuit, "deployment")
  const setInFlight = withLabels(inFlight, "deployment")
  for (const status of yield* router.status) {
    setCircuit(context, circuitStates[status.circuit], status.deployment)
    setInFlight(context, status.inFlight, status.deployment)
  }
  return PrometheusMetrics.formatUnsafe(context)
})

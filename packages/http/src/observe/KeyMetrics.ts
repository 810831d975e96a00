/**
 * Metrics of virtual keys: calls, tokens and cost by the key's id.
 */
import { total } from "@understudy/core/Receipt"
import { Router } from "@understudy/core/Router"
import { byKey, counter } from "@understudy/core/internal/MetricSeries"
import * as QueueMetrics from "@understudy/core/internal/QueueMetrics"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Admitted calls are counted here; rejected calls by `KeyedRouter`. */
export const calls = counter("understudy_key_requests_total", "Calls by virtual key and outcome")
const tokens = counter("understudy_key_tokens_total", "Tokens by virtual key and type (input, output)")
const cost = counter("understudy_key_cost_usd_total", "Cost in US dollars by virtual key, where the price is known")

const queues = { key: QueueMetrics.of("key"), team: QueueMetrics.of("team") }

/** The series of the queue of a key or a team. */
export const queueOf = ({
  id,
  type,
}: {
  readonly type: "key" | "team"
  readonly id: string
}): QueueMetrics.QueueSeries => queues[type](id)

const keySeries = (key: string) => ({
  calls: byKey((outcome) => calls({ key, outcome })),
  inputTokens: tokens({ key, type: "input" }),
  outputTokens: tokens({ key, type: "output" }),
  cost: cost({ key }),
})

/** Counts the calls of keys until the layer is closed. */
export const layer: Layer.Layer<never, never, Router> = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* Router
    const context = yield* Effect.context<never>()
    const ofKey = byKey(keySeries)
    yield* router.subscribe((event) => {
      if (event._tag !== "CallEnded" || event.receipt.caller === undefined) return
      const { caller, outcome = "" } = event.receipt
      const used = total(event.receipt)
      const series = ofKey(caller)
      series.calls(outcome).updateUnsafe(1, context)
      series.inputTokens.updateUnsafe(used.inputTokens, context)
      series.outputTokens.updateUnsafe(used.outputTokens, context)
      if (used.cost !== undefined) series.cost.updateUnsafe(used.cost, context)
    })
  }),
)

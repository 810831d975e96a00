/**
 * Metrics of attempts by OpenTelemetry's semantic conventions for generative AI, version 0.1.0. They are Effect's own
 * metrics, for exporters that send them by OTLP; `Metrics` has those of calls, deployments and budgets.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { byKey, counter, histogram } from "./MetricSeries.ts"
import type { Labels } from "./MetricSeries.ts"
import type { Origin } from "./model/Provider.ts"
import { snakeCase } from "./model/SnakeCase.ts"
import type { Attempt } from "./receipt/Receipt.ts"
import type { RouteEvent } from "./receipt/RouteEvent.ts"
import { Router } from "./Router.ts"
import { operationName } from "./telemetry/GenAi.ts"
import { hasWildcard } from "./route/Wildcard.ts"

/** The buckets, in seconds, that the conventions have for durations. */
const seconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]

const inferenceDuration = histogram(
  "gen_ai.client.inference.duration",
  "GenAI client inference operation duration.",
  seconds,
)
const embeddingsDuration = histogram(
  "gen_ai.client.embeddings.duration",
  "GenAI client embeddings operation duration.",
  seconds,
)
const timeToFirstChunk = histogram(
  "gen_ai.client.inference.time_to_first_chunk",
  "Time to receive the first chunk of a stream.",
  seconds,
)
const tokens = (kind: string, description: string) => counter(`gen_ai.client.inference.usage.${kind}`, description)
const inputTokens = tokens("input_tokens", "The number of input (prompt) tokens used, including cached tokens.")
const outputTokens = tokens("output_tokens", "The number of output tokens used, including reasoning tokens.")
const cacheReadTokens = tokens("cache_read.input_tokens", "The number of input tokens served from a provider's cache.")
const cacheWriteTokens = tokens("cache_write.input_tokens", "The number of input tokens written to a provider's cache.")
const reasoningTokens = tokens("reasoning.output_tokens", "The number of output tokens used for reasoning.")

/** The units of these metrics, by the beginnings of their names, in UCUM. Effect's metrics have none. */
export const units: ReadonlyArray<readonly [prefix: string, unit: string]> = [
  ["gen_ai.client.inference.usage.", "{token}"],
  ["gen_ai.client.", "s"],
]

/** Records the attempts of the router in context until the layer is closed. */
export const layer: Layer.Layer<never, never, Router> = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* Router
    yield* router.subscribe(record(router, yield* Effect.context<never>()))
  }),
)

/** A function that records an event. */
const record = (router: Router["Service"], context: Context.Context<never>): ((event: RouteEvent) => void) => {
  const ofInference = byKey((operation) => series(router, operation, inferenceSeries))
  const ofEmbeddings = series(router, "embeddings", durations(embeddingsDuration))
  /** Of deployments without a wildcard: they have one model. */
  const models = new Map<string, string>()
  return (event) => {
    switch (event._tag) {
      case "AttemptStarted":
        if (!hasWildcard(event.deployment)) models.set(event.deployment, event.model)
        return
      case "FirstToken": {
        const { attemptMillis, deployment, operation } = event
        ofInference(operationName(operation))(deployment)(models.get(deployment) ?? "").firstChunk.updateUnsafe(
          attemptMillis / 1000,
          context,
        )
        return
      }
      case "CallEnded":
        for (const attempt of event.receipt.attempts) {
          const { deployment, millis } = attempt
          const model = modelOf(attempt)
          if (event.receipt.operation === "embeddings") {
            ofEmbeddings(deployment)(model)(errorOf(attempt)).updateUnsafe(millis / 1000, context)
            continue
          }
          const series = ofInference(operationName(event.receipt.operation))(deployment)(model)
          series.duration(errorOf(attempt)).updateUnsafe(millis / 1000, context)
          // What was not reported counts as nothing, as the conventions ask: the ledger has estimates.
          const usage = attempt.estimated === true ? undefined : attempt.usage
          series.inputTokens.updateUnsafe(usage?.inputTokens ?? 0, context)
          series.outputTokens.updateUnsafe(usage?.outputTokens ?? 0, context)
          if (usage?.cachedInputTokens !== undefined) series.cacheRead.updateUnsafe(usage.cachedInputTokens, context)
          if (usage?.cacheWriteTokens !== undefined) series.cacheWrite.updateUnsafe(usage.cacheWriteTokens, context)
          if (usage?.reasoningTokens !== undefined) series.reasoning.updateUnsafe(usage.reasoningTokens, context)
        }
        return
      default:
        return
    }
  }
}

/** The series of a deployment and a model, made once, and again when a reload has given the deployment another server. */
const series = <Made>(
  router: Router["Service"],
  operation: string,
  make: (labels: Labels) => Made,
): ((deployment: string) => (model: string) => Made) => {
  const made = new Map<string, { readonly origin: Origin | undefined; readonly of: (model: string) => Made }>()
  return (deployment) => {
    const origin = router.originOf(deployment)
    const known = made.get(deployment)
    if (known !== undefined && known.origin === origin) return known.of
    const of = byKey((model) => make(labelsOf(operation, origin, model)))
    made.set(deployment, { origin, of })
    return of
  }
}

const labelsOf = (operation: string, { address, name, port }: Origin = { name: "_OTHER" }, model: string): Labels => ({
  "gen_ai.operation.name": operation,
  "gen_ai.provider.name": name,
  ...(model === "" ? undefined : { "gen_ai.request.model": model }),
  ...(address === undefined ? undefined : { "server.address": address }),
  ...(port === undefined ? undefined : { "server.port": String(port) }),
})

/** By `error.type`, empty for none. */
const durations = (histogramOf: typeof inferenceDuration) => (labels: Labels) =>
  byKey((error) => histogramOf(error === "" ? labels : { ...labels, "error.type": error }))

const inferenceSeries = (labels: Labels) => {
  // Vendors report totals of all modalities.
  const counted = { ...labels, "gen_ai.token.modality": "unknown" }
  return {
    duration: durations(inferenceDuration)(labels),
    firstChunk: timeToFirstChunk(labels),
    inputTokens: inputTokens(counted),
    outputTokens: outputTokens(counted),
    cacheRead: cacheReadTokens(counted),
    cacheWrite: cacheWriteTokens(counted),
    reasoning: reasoningTokens(counted),
  }
}

/** Of a deployment with a wildcard, a model that its vendor has answered with: others are any text that a client sends. */
const modelOf = ({ deployment, model, outcome }: Attempt): string =>
  outcome === "success" || !hasWildcard(deployment) ? model : ""

const errorOf = ({ outcome, reason }: Attempt): string => {
  if (outcome === "success") return ""
  return outcome === "cancelled" ? outcome : reason === undefined ? "_OTHER" : snakeCase(reason)
}

/**
 * A call as fields of JSON, in the call log and the usage log, from its receipt. It never contains prompts, answers or keys.
 */
import type { Attempt, Receipt, Skipped } from "@understudy/core/Receipt"
import { total } from "@understudy/core/Receipt"
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import { skipReason } from "./ReasonJson.ts"

/**
 * The fields. Times are milliseconds, `cost_usd` is US dollars; what is not known is `undefined`. `messageOf`: the provider
 * message of an attempt, where it may be shown.
 */
export const of = (
  receipt: Receipt,
  messageOf: (attempt: Attempt) => string | undefined = () => undefined,
): Readonly<Record<string, unknown>> => ({
  call: receipt.id,
  route: receipt.route,
  shadow_of: receipt.shadowOf,
  model: receipt.model,
  key: receipt.caller,
  team: receipt.team,
  tags: receipt.tags.length === 0 ? undefined : receipt.tags,
  protocol: receipt.protocol,
  streaming: receipt.streaming,
  outcome: receipt.outcome,
  error: receipt.error && snakeCase(receipt.error),
  deployment: receipt.deployment,
  split: receipt.split,
  cache: receipt.cache,
  affinity: receipt.affinity?.result,
  affinity_from: receipt.affinity?.from,
  affinity_reason: receipt.affinity?.reason && snakeCase(receipt.affinity.reason),
  attempts: receipt.attempts.map((attempt) => ofAttempt(attempt, messageOf(attempt))),
  skipped: receipt.skipped.map(ofSkipped),
  guardrails: receipt.guardrails?.map(({ action, guardrail, millis, stage }) => ({
    guardrail,
    stage,
    action,
    ms: millis,
  })),
  dropped_params: receipt.droppedParams,
  ...usage(total(receipt)),
  queued_ms: receipt.queuedMillis,
  first_token_ms: receipt.firstTokenMillis,
  ms: receipt.millis,
  trace_id: receipt.traceId,
  span_id: receipt.spanId,
})

const ofAttempt = (
  { account, cost, deployment, estimated, injected, millis, model, outcome, reason, status, usage: used }: Attempt,
  message: string | undefined,
): object => ({
  deployment,
  account,
  model,
  outcome,
  reason: reason && snakeCase(reason),
  status,
  message,
  ...(used === undefined ? undefined : usage({ ...used, cost })),
  estimated,
  ms: millis,
  injected,
})

const ofSkipped = ({ account, deployment, reason }: Skipped): object => ({
  deployment,
  account,
  ...skipReason(reason),
})

const usage = ({
  cachedInputTokens,
  cost,
  inputTokens,
  outputTokens,
}: Omit<ReturnType<typeof total>, "cachedInputTokens"> & {
  readonly cachedInputTokens?: number | undefined
}): object => ({
  input_tokens: inputTokens,
  cached_input_tokens: cachedInputTokens,
  output_tokens: outputTokens,
  cost_usd: cost === undefined ? undefined : Number(cost.toFixed(9)),
})

/**
 * The call log: one line per call with its route, attempts, reasons, durations, tokens, cost (if known) and virtual key. It
 * never contains prompts or answers.
 */
import { runHandlers } from "@understudy/core/RouteEvent"
import type { Attempt, Receipt } from "@understudy/core/Receipt"
import { total } from "@understudy/core/Receipt"
import type { ReasonTag } from "@understudy/core/ProviderError"
import { Router } from "@understudy/core/Router"
import { meaning } from "@understudy/core/SkipReason"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { plain } from "./PlainText.ts"

/** Logs each call when it ends: failures at warn, others at info. */
export const layer: Layer.Layer<never, never, Router> = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* Router
    const level = yield* References.MinimumLogLevel
    yield* runHandlers(router.subscribe, (event) => {
      if (event._tag !== "CallEnded") return undefined
      return LogLevel.isLessThanOrEqualTo(level, severity(event.receipt)) ? log(event.receipt) : undefined
    })
  }),
)

const severity = ({ outcome }: Receipt): LogLevel.Severity => (outcome === "failure" ? "Warn" : "Info")

const log = (receipt: Receipt): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWithLevel(severity(receipt))(line(receipt)), annotations(receipt))

/** `assistant: answered by backup in 707 ms (primary Overloaded 503 after 302 ms; backup succeeded after 403 ms)` */
export const line = (receipt: Receipt): string => {
  const details = [
    ...(receipt.cache === "hit" ? ["cache hit"] : []),
    ...receipt.attempts.map(attempt),
    ...receipt.skipped.map(({ deployment, reason }) => `${deployment} skipped: ${meaning(reason).text}`),
  ]
  return plain(`${receipt.route}: ${outcome(receipt)} in ${receipt.millis} ms (${details.join("; ")})`)
}

/** The receipt has a deployment once one has answered, or started a stream. */
const outcome = ({ deployment, outcome }: Receipt): string => {
  switch (outcome) {
    case "success":
      return `answered by ${deployment}`
    case "failure":
      return deployment === undefined ? "failed" : `stream from ${deployment} interrupted`
    case "cancelled":
    case undefined:
      return "cancelled by client"
  }
}

const attempt = ({ deployment, message, millis, outcome, reason, status }: Attempt): string => {
  const result = [reason ?? (outcome === "success" ? "succeeded" : outcome), status]
    .filter((part) => part !== undefined)
    .join(" ")
  const suffix = reason !== undefined && accountReasons.has(reason) && message !== undefined ? `: ${message}` : ""
  return `${deployment} ${result} after ${millis} ms${suffix}`
}

/** Reasons about the operator's account: their provider messages are logged, because they contain nothing of the prompt. */
const accountReasons: ReadonlySet<string> = new Set<ReasonTag>(["Authentication", "Permission", "QuotaExhausted"])

const annotations = (receipt: Receipt): Record<string, unknown> => {
  const { cost, inputTokens, outputTokens } = total(receipt)
  return {
    call: receipt.id,
    ...(receipt.caller === undefined ? undefined : { key: receipt.caller }),
    tokens: `${inputTokens}+${outputTokens}`,
    ...(receipt.firstTokenMillis === undefined ? undefined : { first_token_ms: receipt.firstTokenMillis }),
    ...(cost === undefined ? undefined : { cost_usd: Number(cost.toFixed(9)) }),
  }
}

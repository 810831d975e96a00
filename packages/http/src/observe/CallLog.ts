/**
 * The call log: a message per call with its route, attempts, reasons, durations, tokens, cost (if known) and virtual key, and each
 * of them as an annotation. It never contains prompts or answers.
 */
import { runHandlers } from "@understudy/core/RouteEvent"
import type { Attempt, Receipt } from "@understudy/core/Receipt"
import { label, total } from "@understudy/core/Receipt"
import type { ReasonTag } from "@understudy/core/ProviderError"
import { Router } from "@understudy/core/Router"
import { meaning } from "@understudy/core/SkipReason"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as CallFields from "./CallFields.ts"
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
  Effect.annotateLogs(Effect.logWithLevel(severity(receipt))(line(receipt)), CallFields.of(receipt, loggedMessage))

/**
 * `assistant: answered by backup in 707 ms (primary Overloaded 503 after 302 ms; backup succeeded after 403 ms), 21+42 tokens,
 * $0.000085, call 4ch9bh6f-7`
 */
export const line = (receipt: Receipt): string => {
  const details = [
    ...(receipt.cache === "hit" ? ["cache hit"] : []),
    ...receipt.attempts.map(attempt),
    ...(receipt.guardrails ?? []).map(
      ({ action, guardrail, millis, stage }) => `guardrail ${guardrail} ${stage}: ${action} after ${millis} ms`,
    ),
    ...receipt.skipped.map(({ reason, ...place }) => `${label(place)} skipped: ${meaning(reason).text}`),
  ]
  const result = `${receipt.route}: ${outcome(receipt)} in ${receipt.millis} ms (${details.join("; ")})`
  return plain([result, ...facts(receipt)].join(", "))
}

const facts = (receipt: Receipt): ReadonlyArray<string> => {
  const { caller, firstTokenMillis, id, queuedMillis, shadowOf, team } = receipt
  const { cost, inputTokens, outputTokens } = total(receipt)
  return [
    ...(queuedMillis === undefined ? [] : [`queued for ${Math.round(queuedMillis)} ms`]),
    ...(firstTokenMillis === undefined ? [] : [`first token after ${firstTokenMillis} ms`]),
    ...(inputTokens + outputTokens === 0 ? [] : [`${inputTokens}+${outputTokens} tokens`]),
    // Not in exponential notation, which small numbers have by default.
    ...(cost === undefined ? [] : [`$${cost.toFixed(9).replace(/\.?0+$/, "")}`]),
    ...(caller === undefined ? [] : [`key ${caller}`]),
    ...(team === undefined ? [] : [`team ${team}`]),
    ...(shadowOf === undefined ? [] : [`shadow of ${shadowOf}`]),
    `call ${id}`,
  ]
}

/** The receipt has a deployment once one has answered, or started a stream. */
const outcome = ({ deployment, error, guardrails, outcome, shadowOf }: Receipt): string => {
  switch (outcome) {
    case "refused":
      return `refused by guardrail ${guardrails?.findLast(({ action }) => action === "refuse")?.guardrail}`
    case "success":
      return `answered by ${deployment}`
    case "failure":
      if (error === "Draining") return "ended by shutdown"
      return deployment === undefined ? "failed" : `stream from ${deployment} interrupted`
    case "cancelled":
    case undefined:
      return shadowOf === undefined ? "cancelled by client" : "cancelled"
  }
}

const attempt = (attempt: Attempt): string => {
  const { injected, millis, outcome, reason, status } = attempt
  const result = [reason ?? (outcome === "success" ? "succeeded" : outcome), status]
    .filter((part) => part !== undefined)
    .join(" ")
  const message = loggedMessage(attempt)
  return `${label(attempt)} ${result} after ${millis} ms${injected === undefined ? "" : ` (injected fault ${injected})`}${message === undefined ? "" : `: ${message}`}`
}

/** Reasons about the operator's account: their provider messages are logged, because they contain nothing of the prompt. */
const accountReasons: ReadonlySet<string> = new Set<ReasonTag>(["Authentication", "Permission", "QuotaExhausted"])

const loggedMessage = ({ contentFree, message, reason }: Attempt): string | undefined =>
  contentFree === true || (reason !== undefined && accountReasons.has(reason)) ? message : undefined

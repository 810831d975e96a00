/**
 * A line a call: its route, who was tried with reason and time, tokens, cost where it is known, and whose key it came
 * with. What was asked and answered is never in it.
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

/** Logs every call when it has ended: a failed one as a warning, any other at info. */
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
  const told = [
    ...(receipt.cache === "hit" ? ["cache hit"] : []),
    ...receipt.attempts.map(attempt),
    ...receipt.skipped.map(({ deployment, reason }) => `${deployment} skipped: ${meaning(reason).text}`),
  ]
  return plain(`${receipt.route}: ${outcome(receipt)} in ${receipt.millis} ms (${told.join("; ")})`)
}

/** A deployment is known once it has answered, or has begun to. */
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
  const ended = [reason ?? (outcome === "success" ? "succeeded" : outcome), status]
    .filter((word) => word !== undefined)
    .join(" ")
  const said = reason !== undefined && ofAccount.has(reason) && message !== undefined ? `: ${message}` : ""
  return `${deployment} ${ended} after ${millis} ms${said}`
}

/** What a vendor says of an account is its operator's to read: it holds nothing of what was asked. */
const ofAccount: ReadonlySet<string> = new Set<ReasonTag>(["Authentication", "Permission", "QuotaExhausted"])

const annotations = (receipt: Receipt): Record<string, unknown> => {
  const { cost, inputTokens, outputTokens } = total(receipt)
  return {
    call: receipt.id,
    ...(receipt.caller === undefined ? undefined : { key: receipt.caller }),
    tokens: `${inputTokens}+${outputTokens}`,
    ...(receipt.firstTokenMillis === undefined ? undefined : { firstTokenMs: receipt.firstTokenMillis }),
    ...(cost === undefined ? undefined : { usd: Number(cost.toFixed(6)) }),
  }
}

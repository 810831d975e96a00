/**
 * The state of a key's limits, in OpenAI's rate limit headers.
 */
import type { LimitStatus } from "@understudy/core/internal/admission/RateLimit"

/** The headers. For requests, of the limits per minute and per day the one with fewer left. */
export const headers = (statuses: ReadonlyArray<LimitStatus>): Record<string, string> => ({
  ...headersOf("requests", leastRemaining(statuses.filter(({ name }) => name !== "tpm"))),
  ...headersOf("tokens", leastRemaining(statuses.filter(({ name: limit }) => limit === "tpm"))),
})

const headersOf = (unit: "requests" | "tokens", status: LimitStatus | undefined): Record<string, string> =>
  status === undefined
    ? {}
    : {
        [`x-ratelimit-limit-${unit}`]: String(status.limit),
        [`x-ratelimit-remaining-${unit}`]: String(Math.max(0, status.remaining)),
        [`x-ratelimit-reset-${unit}`]: resetText(status.resetAfter),
      }

const leastRemaining = (statuses: ReadonlyArray<LimitStatus>): LimitStatus | undefined =>
  statuses.toSorted((a, b) => a.remaining - b.remaining)[0]

/** A duration in milliseconds in OpenAI's format: `120ms`, `1.5s`, `6m0s`, `24h0m0s`. */
export const resetText = (millis: number): string => {
  const rounded = Math.max(0, Math.ceil(millis))
  if (rounded < 1000) return `${rounded}ms`
  const seconds = `${(rounded % 60_000) / 1000}s`
  if (rounded < 60_000) return seconds
  const minutes = Math.floor(rounded / 60_000)
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`
}

/** How long the call has waited for limits, if it has, in milliseconds. */
export const queuedHeaders = (millis: number | undefined): Record<string, string> | undefined =>
  millis === undefined ? undefined : { "x-understudy-queued-ms": String(Math.round(millis)) }

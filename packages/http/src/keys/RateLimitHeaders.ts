/**
 * How a key's limits stand, in the headers that OpenAI has for it.
 */
import type { LimitStatus } from "@understudy/core/internal/admission/RateLimit"

/** Of requests by the minute and by the day, those that fewer are left of. */
export const headers = (standings: ReadonlyArray<LimitStatus>): Record<string, string> => ({
  ...of("requests", scarcest(standings.filter(({ name }) => name !== "tpm"))),
  ...of("tokens", scarcest(standings.filter(({ name: limit }) => limit === "tpm"))),
})

const of = (what: "requests" | "tokens", standing: LimitStatus | undefined): Record<string, string> =>
  standing === undefined
    ? {}
    : {
        [`x-ratelimit-limit-${what}`]: String(standing.limit),
        [`x-ratelimit-remaining-${what}`]: String(Math.max(0, standing.remaining)),
        [`x-ratelimit-reset-${what}`]: resetText(standing.resetAfter),
      }

const scarcest = (standings: ReadonlyArray<LimitStatus>): LimitStatus | undefined =>
  standings.toSorted((a, b) => a.remaining - b.remaining)[0]

/** Milliseconds as OpenAI writes them: `120ms`, `1.5s`, `6m0s`, `24h0m0s`. */
export const resetText = (millis: number): string => {
  const whole = Math.max(0, Math.ceil(millis))
  if (whole < 1000) return `${whole}ms`
  const seconds = `${(whole % 60_000) / 1000}s`
  if (whole < 60_000) return seconds
  const minutes = Math.floor(whole / 60_000)
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`
}

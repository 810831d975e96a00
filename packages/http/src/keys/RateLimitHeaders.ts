/**
 * How a key's limits stand, in the headers that OpenAI has for it.
 */
import type { Standing } from "@understudy/core/RateLimit"

/** Of requests by the minute and by the day, those that fewer are left of. */
export const headers = (standings: ReadonlyArray<Standing>): Record<string, string> => ({
  ...of("requests", scarcest(standings.filter(({ limit }) => limit !== "tpm"))),
  ...of("tokens", scarcest(standings.filter(({ limit }) => limit === "tpm"))),
})

const of = (what: "requests" | "tokens", standing: Standing | undefined): Record<string, string> =>
  standing === undefined
    ? {}
    : {
        [`x-ratelimit-limit-${what}`]: String(standing.most),
        [`x-ratelimit-remaining-${what}`]: String(Math.max(0, standing.remaining)),
        [`x-ratelimit-reset-${what}`]: resetText(standing.resetAfter),
      }

const scarcest = (standings: ReadonlyArray<Standing>): Standing | undefined =>
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

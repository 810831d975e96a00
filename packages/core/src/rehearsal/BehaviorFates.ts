/**
 * The fates of attempts by a behavior: whether they fail, how fast they are and whether they break off is drawn by its
 * distributions.
 */
import * as Duration from "effect/Duration"
import type { Reason } from "../model/ProviderError.ts"
import { ProviderError } from "../model/ProviderError.ts"
import type { Phase } from "./Behavior.ts"
import { Chance, named, numbered } from "./Chance.ts"
import { quantile } from "./Distribution.ts"
import type { Fates } from "./Fate.ts"
import { QuotaMeter } from "./QuotaMeter.ts"

/** How long it takes until a vendor has refused a call, in milliseconds. */
const refusal = 50

/** The fates of a deployment with these phases. `name` and `seed` decide what is drawn. */
export const make = (name: string, seed: number, phases: ReadonlyArray<Phase>): Fates => {
  const own = named(seed, name)
  const quota = new QuotaMeter()
  let current = 0

  /** Time does not go back. */
  const phaseAt = (now: number): Phase => {
    while (current + 1 < phases.length && phases[current + 1]!.from <= now) current++
    return phases[current]!
  }
  const nextOutage = (): number =>
    phases.find(({ isOut }, index) => index > current && isOut)?.from ?? Number.POSITIVE_INFINITY

  const fail = (reason: Reason, status?: number): ProviderError =>
    new ProviderError({ reason, message: `${name} fails in this rehearsal`, status })

  return (call, now, outputTokens) => {
    const chance = new Chance(numbered(numbered(own, call.number), call.attempts++))
    const phase = phaseAt(now)
    if (phase.isOut) return { _tag: "Fails", at: now + refusal, error: fail({ _tag: "Network" }) }
    const luck = chance.next()
    let failing = 0
    for (const { after, reason, share, status } of phase.failures) {
      failing += share
      if (luck < failing)
        return { _tag: "Fails", at: now + quantile(after, chance.next()), error: fail(reason, status) }
    }
    if (phase.quota !== undefined) {
      const wait = quota.take(phase.quota, call.inputTokens + outputTokens, now)
      if (wait > 0) {
        const retryAfter = Duration.millis(Math.ceil(wait / 1000) * 1000)
        return { _tag: "Fails", at: now + refusal, error: fail({ _tag: "RateLimited", retryAfter }, 429) }
      }
    }
    const first = now + quantile(phase.firstToken, chance.next())
    const speed = quantile(phase.tokensPerSecond, chance.next())
    const end = first + (speed > 0 ? (outputTokens / speed) * 1000 : 0)
    const ending = chance.next()
    const breaking = first + (end - first) * chance.next()
    const outage = nextOutage()
    if (outage <= end) {
      const at = Math.max(now, outage)
      const error = fail({ _tag: "Network" })
      return at < first ? { _tag: "Fails", at, error } : { _tag: "Answers", first, end, last: at, error }
    }
    if (ending < phase.cut) return { _tag: "Answers", first, end, last: breaking, error: fail({ _tag: "Network" }) }
    if (ending < phase.cut + phase.stall) return { _tag: "Answers", first, end, last: breaking, error: "silence" }
    return { _tag: "Answers", first, end, last: end, error: undefined }
  }
}

/**
 * The fates of attempts by a tape: what a deployment does at a time is drawn from what it did near that time. Where it was not
 * asked then, that is counted: the report names it.
 */
import * as Duration from "effect/Duration"
import type { Reason, ReasonTag } from "../model/ProviderError.ts"
import { ProviderError, reasonTags } from "../model/ProviderError.ts"
import * as Behavior from "./Behavior.ts"
import * as BehaviorFates from "./BehaviorFates.ts"
import { Chance, named, numbered } from "./Chance.ts"
import type { Fate, Fates } from "./Fate.ts"
import type { Attempt } from "./tape/Tape.ts"

/** What a replay had to assume of a deployment. */
export interface Assumption {
  readonly deployment: string
  /** Attempts that were drawn from its attempts at other times, because there was none within five minutes. */
  distant: number
  /** Attempts that were drawn from `Behavior.usual`, because the tape has none of the deployment. */
  prior: number
}

/** The attempts of one deployment, in the order of their beginnings. */
export class Recorded {
  readonly #starts: Array<number> = []
  readonly #attempts: Array<Attempt> = []
  #isSorted = true

  /**
   * Attempts that were cancelled say nothing of the deployment: another was faster, or the client left. Nor do those with an
   * injected fault.
   */
  add(attempt: Attempt): void {
    if (attempt.outcome === "cancelled" || attempt.injected !== undefined) return
    this.#isSorted &&= attempt.startedAt >= (this.#starts.at(-1) ?? Number.NEGATIVE_INFINITY)
    this.#starts.push(attempt.startedAt)
    this.#attempts.push(attempt)
  }

  get count(): number {
    return this.#attempts.length
  }

  /** One of the attempts that began nearest to a time; `share`, from 0 to 1, chooses among them. */
  near(now: number, share: number): Attempt | undefined {
    this.#sort()
    const at = this.#indexAt(now)
    let [from, until] = [at, at]
    while (until - from < nearest && (from > 0 || until < this.#starts.length)) {
      const before = from > 0 ? now - this.#starts[from - 1]! : Number.POSITIVE_INFINITY
      const after = until < this.#starts.length ? this.#starts[until]! - now : Number.POSITIVE_INFINITY
      // What is far away does not count beside what is near.
      if (until > from && Math.min(before, after) > near) break
      if (before <= after) from--
      else until++
    }
    return this.#attempts[from + Math.floor(share * (until - from))]
  }

  #indexAt(now: number): number {
    let [low, high] = [0, this.#starts.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#starts[middle]! < now) low = middle + 1
      else high = middle
    }
    return low
  }

  #sort(): void {
    if (this.#isSorted) return
    this.#isSorted = true
    this.#attempts.sort((one, other) => one.startedAt - other.startedAt)
    this.#attempts.forEach((attempt, index) => (this.#starts[index] = attempt.startedAt))
  }
}

/**
 * Of how many attempts one is drawn: so few that one before an outage is seldom drawn for a time in it, where there were hardly any. And
 * how near they are, in milliseconds.
 */
const nearest = 4
const near = 300_000

/** The fates of a deployment with these recorded attempts. */
export const make = (name: string, seed: number, recorded: Recorded, assumed: Assumption): Fates => {
  const own = named(seed, name)
  const prior = BehaviorFates.make(name, seed, Behavior.phases(Behavior.usual, []))
  return (call, now, outputTokens) => {
    const chance = new Chance(numbered(numbered(own, call.number), call.attempts))
    const attempt = recorded.near(now, chance.next())
    if (attempt === undefined) {
      assumed.prior++
      return prior(call, now, outputTokens)
    }
    call.attempts++
    if (Math.abs(attempt.startedAt - now) > near) assumed.distant++
    return fateOf(name, attempt, now, outputTokens)
  }
}

const fateOf = (name: string, attempt: Attempt, now: number, outputTokens: number): Fate => {
  const { firstTokenMillis, millis, outcome, usage } = attempt
  if (outcome !== "success") {
    const error = errorOf(name, attempt)
    // How long it would have taken is not known: it takes as long as it may.
    if (error.reason._tag === "Timeout") return { _tag: "Fails", at: Number.POSITIVE_INFINITY, error }
    if (firstTokenMillis === undefined) return { _tag: "Fails", at: now + millis, error }
    const last = now + millis
    return { _tag: "Answers", first: now + firstTokenMillis, end: last + 1, last, error }
  }
  // Without a first token, the whole answer came at once.
  const first = firstTokenMillis ?? millis
  const written = usage?.outputTokens ?? 0
  const writing = (millis - first) * (written > 0 ? outputTokens / written : 1)
  const end = now + first + writing
  return { _tag: "Answers", first: now + first, end, last: end, error: undefined }
}

const known: ReadonlySet<string> = new Set(reasonTags)

const isReasonTag = (tag: string): tag is ReasonTag => known.has(tag)

const errorOf = (name: string, { reason = "ServerError", retryAfter, status }: Attempt): ProviderError =>
  new ProviderError({
    reason: reasonOf(isReasonTag(reason) ? reason : "ServerError", retryAfter),
    message: `${name} failed on the tape`,
    status,
  })

const reasonOf = (tag: ReasonTag, retryAfter: number | undefined): Reason => {
  switch (tag) {
    case "RateLimited":
    case "Overloaded":
    case "ServerError":
      return { _tag: tag, retryAfter: retryAfter === undefined ? undefined : Duration.millis(retryAfter) }
    case "Timeout":
      return { _tag: tag, phase: "attempt" }
    case "NotAccepted":
      return { _tag: "Malformed" }
    case "InvalidRequest":
      return { _tag: tag }
    case "Unsupported":
      return { _tag: tag, feature: "what the call needs" }
    default:
      return { _tag: tag }
  }
}

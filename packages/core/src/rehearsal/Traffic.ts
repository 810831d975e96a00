/**
 * Traffic: the calls of a rehearsal, as they come. The times between them are random (a Poisson process), around a rate that
 * follows the hours of the day and bursts.
 */
import type { Capability } from "../model/Call.ts"
import type { Distribution } from "./Distribution.ts"
import { quantile } from "./Distribution.ts"
import { Chance, named, numbered } from "./Chance.ts"
import { log } from "./Elementary.ts"

export interface Traffic {
  /** Calls a second, on average over a day without bursts. */
  readonly rate: number
  /** The share of the calls of each of 24 hours (UTC), in any unit. Default: the same for all. */
  readonly hours?: ReadonlyArray<number> | undefined
  /** Times with so many times the rate. */
  readonly bursts?: ReadonlyArray<Burst> | undefined
  /** The routes that are called, each with its share in any unit. Default: all routes, the same for each. */
  readonly routes?: Readonly<Record<string, number>> | undefined
  /** The share of streams. */
  readonly streaming: number
  readonly inputTokens: Distribution
  readonly outputTokens: Distribution
  /** Callers with their shares in any unit. */
  readonly callers?: Readonly<Record<string, number>> | undefined
  /** The share of the calls that have each tag. */
  readonly tags?: Readonly<Record<string, number>> | undefined
  /** The share of the calls that repeat a request of the last hundred: caches may answer them. */
  readonly repeats?: number | undefined
  /** What clients do after an error: they make the call again, so often and after so many milliseconds each. */
  readonly clientRetries?: { readonly times: number; readonly after: number } | undefined
}

/** `from` and `for` are milliseconds, counted from the beginning of the rehearsal. */
export interface Burst {
  readonly from: number
  readonly for: number
  readonly factor: number
}

/** Steady traffic of short conversations, half of them streamed. */
export const usual: Traffic = {
  rate: 10,
  streaming: 0.5,
  inputTokens: { median: 600, p95: 6000 },
  outputTokens: { median: 200, p95: 900 },
}

/** A call that is to be made. */
export interface PlannedCall {
  /** Its place among all calls. A client's retry has the number of its call. */
  readonly number: number
  /** Clock milliseconds. */
  readonly at: number
  readonly model: string
  readonly streaming: boolean
  readonly inputTokens: number
  readonly outputTokens: number
  readonly caller: string | undefined
  readonly tags: ReadonlyArray<string>
  /** Calls with the same number here ask for the same. */
  readonly content: number
  /** Default: `chat`. Embeddings are not streamed. */
  readonly operation?: "chat" | "embeddings" | undefined
  /** What the request allows its answer at most, in tokens. */
  readonly maxTokens?: number | undefined
  readonly requires?: ReadonlyArray<Capability> | undefined
}

/** The calls from `start` up to, not including, `end`, in order. Both are clock milliseconds. */
export function* calls(
  traffic: Traffic,
  routes: ReadonlyArray<string>,
  { end, seed, start }: { readonly start: number; readonly end: number; readonly seed: number },
): Generator<PlannedCall, void, undefined> {
  const rate = rateOf(traffic, start)
  const chance = new Chance(named(seed, "arrivals"))
  const each = named(seed, "calls")
  const byRoute = choice(traffic.routes ?? Object.fromEntries(routes.map((name) => [name, 1])))
  const byCaller = choice(traffic.callers ?? {})
  const tags = Object.entries(traffic.tags ?? {})
  let at = start
  let number = 0
  if (rate.most <= 0) return
  for (;;) {
    at += (-log(1 - chance.next()) / rate.most) * 1000
    if (at >= end) return
    // Thinning: of events at the highest rate, those that the rate at their time has.
    if (!chance.happens(rate.at(at) / rate.most)) continue
    const own = new Chance(numbered(each, number))
    const model = byRoute(own.next())
    if (model === undefined) return
    const repeats = own.happens(traffic.repeats ?? 0)
    const distance = 1 + Math.floor(own.next() * 100)
    yield {
      number,
      at,
      model,
      streaming: own.happens(traffic.streaming),
      inputTokens: Math.max(1, Math.round(quantile(traffic.inputTokens, own.next()))),
      outputTokens: Math.max(1, Math.round(quantile(traffic.outputTokens, own.next()))),
      caller: byCaller(own.next()),
      tags: tags.flatMap(([tag, share]) => (own.happens(share) ? [tag] : [])),
      content: repeats ? Math.max(0, number - distance) : number,
    }
    number++
  }
}

const hour = 3_600_000

/** The rate at a time, in calls a second, and the highest of all. */
const rateOf = (
  { bursts = [], hours, rate }: Traffic,
  start: number,
): { readonly at: (now: number) => number; readonly most: number } => {
  const sum = hours?.reduce((total, share) => total + share, 0) ?? 0
  const factors = hours === undefined || sum <= 0 ? [1] : hours.map((share) => (share / sum) * hours.length)
  const burstAt = (now: number): number =>
    bursts.reduce(
      (product, { factor, for: millis, from }) =>
        now >= start + from && now < start + from + millis ? product * factor : product,
      1,
    )
  const highest = bursts.reduce((product, { factor }) => product * Math.max(1, factor), 1)
  return {
    at: (now) => rate * (factors[Math.floor(now / hour) % factors.length] ?? 1) * burstAt(now),
    most: rate * Math.max(...factors) * highest,
  }
}

/** Chooses among names by their shares. */
const choice = (shares: Readonly<Record<string, number>>): ((luck: number) => string | undefined) => {
  const entries = Object.entries(shares)
  let total = 0
  const totals = entries.map(([, share]) => (total += share))
  return (luck) => entries[totals.findIndex((until) => luck * total < until)]?.[0]
}

/**
 * What is on a tape: its span, the rate of calls, gaps, and by route and deployment how calls and attempts went. Memory is bounded
 * by the minutes of the span and the names on the tape, not by the number of calls.
 *
 * Calls of a sampled tape are counted as they are: a share of those that were made. Quantiles are at most 19 % too high.
 */
import type * as Tape from "@understudy/core/Tape"
import * as DurationHistogram from "../observe/DurationHistogram.ts"

/** Milliseconds that half, 95 % and 99 % of some durations do not exceed; `undefined` without durations. */
export interface Quantiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

class Durations {
  readonly #counts = new Uint32Array(DurationHistogram.classes)
  #count = 0

  add(millis: number): void {
    this.#counts[DurationHistogram.classOf(millis)]!++
    this.#count++
  }

  get quantiles(): Quantiles | undefined {
    if (this.#count === 0) return undefined
    return { p50: this.#quantile(0.5), p95: this.#quantile(0.95), p99: this.#quantile(0.99) }
  }

  #quantile(share: number): number {
    let left = Math.ceil(this.#count * share)
    for (const [bound, count] of DurationHistogram.pairs(this.#counts, 0)) {
      left -= count
      if (left <= 0) return Math.round(bound)
    }
    return 0
  }
}

/** Counts by name. */
class Counts {
  readonly #counts = new Map<string, number>()

  add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  /** The largest first. */
  get sorted(): ReadonlyArray<readonly [name: string, count: number]> {
    return [...this.#counts].toSorted(([a, first], [b, second]) => second - first || (a < b ? -1 : 1))
  }
}

/** Calls of a route, or attempts at a deployment. */
class Group {
  count = 0
  succeeded = 0
  streaming = 0
  attempts = 0
  inputTokens = 0
  outputTokens = 0
  /** US dollars. */
  cost = 0
  /** Of calls their error, of attempts their reason; those that were cancelled. */
  readonly failures = new Counts()
  readonly durations = new Durations()
  readonly firstTokens = new Durations()

  ended(outcome: Tape.Call["outcome"], failure: string | undefined, millis: number, first: number | undefined): void {
    this.count++
    if (outcome === "success") {
      this.succeeded++
      this.durations.add(millis)
    } else this.failures.add(outcome === "cancelled" ? "cancelled" : (failure ?? "other"))
    if (first !== undefined) this.firstTokens.add(first)
  }

  used({ cost = 0, usage }: Tape.Attempt): void {
    this.inputTokens += usage?.inputTokens ?? 0
    this.outputTokens += usage?.outputTokens ?? 0
    this.cost += cost
  }
}

const minute = 60_000

/** A time without calls, in clock milliseconds. */
export interface Gap {
  readonly from: number
  readonly to: number
  /** Whether a process that recorded was started in it. */
  readonly isRestart: boolean
}

export class TapeSummary {
  calls = 0
  attempts = 0
  streaming = 0
  shadows = 0
  cost = 0
  lost = 0
  /** The first start and the last end of a call, in clock milliseconds. */
  from = Infinity
  to = -Infinity
  /** The processes that recorded it, by their ids: their versions, and when they started. */
  readonly instances = new Map<string, { readonly version: string; readonly startedAt: number }>()
  readonly samples = new Set<number>()
  readonly routes = new Map<string, Group>()
  readonly deployments = new Map<string, Group>()
  readonly keys = new Counts()
  readonly skipped = new Counts()
  /** Attempts with an injected fault, by its name. */
  readonly injected = new Counts()
  /** Calls that could not be written, and when the tape went on after them, in clock milliseconds. */
  readonly losses: Array<{ readonly at: number; readonly calls: number }> = []
  readonly damages: Array<Tape.Damage & { readonly file: string }> = []
  readonly #minutes = new Map<number, number>()

  add(item: Tape.Item, file: string): void {
    switch (item._tag) {
      case "Segment":
        this.instances.set(item.instance, { version: item.version, startedAt: item.startedAt })
        this.samples.add(item.sample)
        this.lost += item.lost
        if (item.lost > 0) this.losses.push({ at: item.at, calls: item.lost })
        return
      case "Damage":
        this.damages.push({ ...item, file })
        return
      case "Call":
        this.#call(item)
    }
  }

  /** The minute with the most calls: when it begins, and how many. */
  get busiest(): { readonly at: number; readonly calls: number } | undefined {
    let found: { readonly at: number; readonly calls: number } | undefined
    for (const [index, calls] of this.#minutes) if (calls > (found?.calls ?? 0)) found = { at: index * minute, calls }
    return found
  }

  /** Times of a minute and more without calls, the longest first. */
  get gaps(): ReadonlyArray<Gap> {
    const busy = [...this.#minutes.keys()].toSorted((a, b) => a - b)
    const starts = [...this.instances.values()].map(({ startedAt }) => startedAt)
    return busy
      .flatMap((index, at) => {
        const next = busy[at + 1] ?? index + 1
        const [from, to] = [(index + 1) * minute, next * minute]
        // The minutes beside it may begin, or end, without calls.
        const isRestart = starts.some((start) => start > from - minute && start < to + minute)
        return to > from ? [{ from, to, isRestart }] : []
      })
      .toSorted((a, b) => b.to - b.from - (a.to - a.from) || a.from - b.from)
  }

  #call(call: Tape.Call): void {
    const { attempts, caller, firstTokenMillis, millis, outcome, route, skipped, startedAt, streaming } = call
    this.calls++
    this.attempts += attempts.length
    if (streaming) this.streaming++
    if (call.shadow) this.shadows++
    this.from = Math.min(this.from, startedAt)
    this.to = Math.max(this.to, startedAt + millis)
    const index = Math.floor(startedAt / minute)
    this.#minutes.set(index, (this.#minutes.get(index) ?? 0) + 1)
    if (caller !== undefined) this.keys.add(caller)
    for (const { reason } of skipped) this.skipped.add(reason)
    const group = groupOf(this.routes, route)
    group.ended(outcome, call.error, millis, firstTokenMillis)
    group.attempts += attempts.length
    if (streaming) group.streaming++
    for (const attempt of attempts) {
      const { deployment, firstTokenMillis, millis, outcome, reason } = attempt
      const tried = groupOf(this.deployments, deployment)
      tried.ended(outcome, reason, millis, firstTokenMillis)
      tried.used(attempt)
      if (attempt.injected !== undefined) this.injected.add(attempt.injected)
      group.used(attempt)
      this.cost += attempt.cost ?? 0
    }
  }
}

const groupOf = (groups: Map<string, Group>, name: string): Group => {
  let group = groups.get(name)
  if (group === undefined) groups.set(name, (group = new Group()))
  return group
}

export type { Group }

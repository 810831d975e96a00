/** Counts what comes of calls, and makes the report. */
import type { Kind } from "../model/ErrorKind.ts"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { SkipReason } from "../model/SkipReason.ts"
import { meaning } from "../model/SkipReason.ts"
import type { Receipt } from "../receipt/Receipt.ts"
import type { Minute, Percentiles, Report } from "./Report.ts"

/** How a call ended. A call that was refused before it reached a route has no receipt. */
export interface Ended {
  /** When it began, in clock milliseconds. */
  readonly at: number
  readonly millis: number
  readonly error: Kind | undefined
  readonly receipt: Receipt | undefined
}

interface DeploymentCounts {
  attempts: number
  answered: number
  cost: number
  readonly failures: Map<ReasonTag, number>
  readonly skipped: Map<SkipReason["_tag"], number>
}

interface MinuteCounts {
  readonly at: number
  /** Calls that began in it and have not ended. */
  running: number
  calls: number
  failed: number
  attempts: number
  cost: number
  readonly latencies: Numbers
  readonly firstTokens: Numbers
  readonly answered: Map<string, number>
  open: ReadonlyArray<string>
}

const minute = 60_000

export class Tally {
  readonly #start: number
  /** By their place in time: those in which no call runs any more as they are reported, so that they take little memory. */
  readonly #minutes: Array<MinuteCounts | Minute> = []
  /** How many of the first minutes are as they are reported. */
  #settled = 0
  readonly #deployments = new Map<string, DeploymentCounts>()
  readonly #errors = new Map<Kind, number>()
  readonly #failovers = new Map<string, Map<string, number>>()
  readonly #latencies = new Numbers()
  readonly #firstTokens = new Numbers()
  #until: number
  #calls = 0
  #failed = 0
  #attempts = 0
  #cost = 0
  #cacheHits = 0
  #rescued = 0

  /** `start` is in clock milliseconds. */
  constructor(start: number) {
    this.#start = start
    this.#until = start
  }

  /** Of the calls that have ended until now. */
  get soFar(): Pick<Report, "calls" | "availability" | "attempts" | "cost"> {
    return { calls: this.#calls, availability: this.#availability, attempts: this.#attempts, cost: this.#cost }
  }

  get #availability(): number {
    return share(this.#calls - this.#failed, this.#calls, 1)
  }

  /** A call begins at a time. */
  began(at: number): void {
    this.#minuteOf(at).running++
  }

  ended({ at, error, millis, receipt }: Ended): void {
    const counts = this.#minuteOf(at)
    counts.running--
    this.#calls++
    counts.calls++
    if (at > this.#until) this.#until = at
    if (receipt !== undefined) this.#attempted(receipt, counts)
    if (error !== undefined) {
      this.#failed++
      counts.failed++
      increment(this.#errors, error)
      return
    }
    this.#latencies.push(millis)
    counts.latencies.push(millis)
    if (receipt === undefined) return
    if (receipt.streaming && receipt.firstTokenMillis !== undefined) {
      this.#firstTokens.push(receipt.firstTokenMillis)
      counts.firstTokens.push(receipt.firstTokenMillis)
    }
    if (receipt.cache === "hit") this.#cacheHits++
    else if (receipt.deployment !== undefined) this.#answered(receipt, receipt.deployment, counts)
  }

  /** A minute is over at a time. `open`: the deployments whose circuit is open then. */
  minuteOver(at: number, open: ReadonlyArray<string>): void {
    const over = this.#minuteOf(at)
    over.open = open
    for (let next = this.#minutes[this.#settled]; next !== undefined; next = this.#minutes[this.#settled]) {
      if (next.at > over.at || !isCounting(next) || next.running > 0) return
      this.#minutes[this.#settled++] = minuteOf(next)
    }
  }

  #attempted({ attempts, skipped }: Receipt, counts: MinuteCounts): void {
    this.#attempts += attempts.length
    counts.attempts += attempts.length
    for (const { cost = 0, deployment, reason } of attempts) {
      const of = this.#deployment(deployment)
      of.attempts++
      of.cost += cost
      this.#cost += cost
      counts.cost += cost
      if (reason !== undefined) increment(of.failures, reason)
    }
    for (const { deployment, reason } of skipped) increment(this.#deployment(deployment).skipped, reason._tag)
  }

  #answered({ attempts, skipped }: Receipt, by: string, counts: MinuteCounts): void {
    this.#deployment(by).answered++
    increment(counts.answered, by)
    const passed = skipped.find(({ reason }) => isRejection(reason))?.deployment
    const from = passed ?? attempts[0]?.deployment
    if (from === undefined || from === by) return
    this.#rescued++
    let targets = this.#failovers.get(from)
    if (targets === undefined) this.#failovers.set(from, (targets = new Map()))
    increment(targets, by)
  }

  /** The minute of a time in which calls begin, run, or have just ended. */
  #minuteOf(at: number): MinuteCounts {
    const index = Math.max(this.#settled, Math.floor((at - this.#start) / minute))
    for (let next = this.#minutes.length; next <= index; next++) {
      this.#minutes.push({
        at: this.#start + next * minute,
        running: 0,
        calls: 0,
        failed: 0,
        attempts: 0,
        cost: 0,
        latencies: new Numbers(),
        firstTokens: new Numbers(),
        answered: new Map(),
        open: [],
      })
    }
    return this.#minutes[index] as MinuteCounts
  }

  #deployment(name: string): DeploymentCounts {
    let counts = this.#deployments.get(name)
    if (counts === undefined) {
      counts = { attempts: 0, answered: 0, cost: 0, failures: new Map(), skipped: new Map() }
      this.#deployments.set(name, counts)
    }
    return counts
  }

  /** The report. `deployments` are named in this order, also those that no call reached. */
  report(deployments: ReadonlyArray<string>, assumed: Report["assumed"]): Report {
    const minutes = this.#minutes.map((each) => (isCounting(each) ? minuteOf(each) : each))
    const answers = deployments.reduce((sum, name) => sum + (this.#deployments.get(name)?.answered ?? 0), 0)
    return {
      from: this.#start,
      until: this.#until,
      calls: this.#calls,
      answered: this.#calls - this.#failed,
      availability: this.#availability,
      errors: sorted(this.#errors),
      latency: percentiles(this.#latencies),
      firstToken: percentiles(this.#firstTokens),
      attempts: this.#attempts,
      attemptsPerCall: share(this.#attempts, this.#calls, 0),
      cost: this.#cost,
      cacheHits: this.#cacheHits,
      rescued: this.#rescued,
      failovers: [...this.#failovers]
        .flatMap(([from, targets]) => [...targets].map(([to, calls]) => ({ from, to, calls })))
        .toSorted((one, other) => other.calls - one.calls),
      deployments: deployments.map((deployment) => {
        const { answered, attempts, cost, failures, skipped } = this.#deployment(deployment)
        return {
          deployment,
          attempts,
          failures: sorted(failures),
          skipped: sorted(skipped),
          answered,
          share: share(answered, answers, 0),
          cost,
        }
      }),
      assumed: assumed.filter(({ distant, prior }) => distant + prior > 0),
      worstMinutes: worst(minutes),
      minutes,
    }
  }
}

const worst = (minutes: ReadonlyArray<Minute>): ReadonlyArray<Minute> =>
  minutes
    .filter(({ calls }) => calls > 0)
    .toSorted(
      (one, other) =>
        other.failed - one.failed ||
        (other.latency.p95 ?? Infinity) - (one.latency.p95 ?? Infinity) ||
        one.at - other.at,
    )
    .slice(0, 10)

const isCounting = (each: MinuteCounts | Minute): each is MinuteCounts => "running" in each

const minuteOf = ({
  answered,
  at,
  attempts,
  calls,
  cost,
  failed,
  firstTokens,
  latencies,
  open,
}: MinuteCounts): Minute => ({
  at,
  calls,
  failed,
  attempts,
  cost,
  latency: percentiles(latencies),
  firstToken: percentiles(firstTokens),
  answered: sorted(answered),
  open,
})

/** Whether a deployment was skipped that suits the request: otherwise it would have been tried. */
const isRejection = (reason: SkipReason): boolean => meaning(reason).kind !== undefined

const share = (part: number, whole: number, otherwise: number): number => (whole === 0 ? otherwise : part / whole)

const increment = <K>(counts: Map<K, number>, key: K): void => void counts.set(key, (counts.get(key) ?? 0) + 1)

const sorted = <K extends string>(counts: ReadonlyMap<K, number>): Partial<Record<K, number>> & Record<K, number> =>
  Object.fromEntries([...counts].toSorted(([one], [other]) => (one < other ? -1 : 1))) as Record<K, number>

const percentiles = (numbers: Numbers): Percentiles => {
  const values = numbers.sorted()
  const at = (part: number): number | undefined =>
    values.length === 0 ? undefined : values[Math.min(values.length - 1, Math.ceil(part * values.length) - 1)]
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

/** Numbers, eight bytes each, in arrays that are never copied: of those that were, the copies would take as much memory again. */
class Numbers {
  readonly #full: Array<Float64Array> = []
  #last = new Float64Array(first)
  #count = 0

  push(value: number): void {
    if (this.#count === this.#last.length) {
      this.#full.push(this.#last)
      this.#last = new Float64Array(Math.min(this.#count * 2, most))
      this.#count = 0
    }
    this.#last[this.#count++] = value
  }

  sorted(): Float64Array {
    const all = [...this.#full, this.#last.subarray(0, this.#count)]
    const sorted = new Float64Array(all.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const part of all) {
      sorted.set(part, at)
      at += part.length
    }
    return sorted.sort()
  }
}

/** The sizes of the first array, and of the largest. */
const first = 256
const most = 65_536

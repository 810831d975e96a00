/**
 * The laws of limits that workers lease, over workers that hang and end, messages that take time, and windows that change:
 * what calls have taken never exceeds a limit; no call is refused while a worker that responds has something of it unused; and
 * when all calls have ended, nothing is missing.
 */
import { assert, describe, it } from "@effect/vitest"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import type { Bucket } from "@understudy/core/internal/policy/Bucket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Connection } from "../../src/workers/MainProcess.ts"
import { LeasedLimits } from "../../src/workers/LeasedLimits.ts"
import type { Asks, Reclaim, Tells } from "../../src/workers/Protocol.ts"
import { SharedLimits } from "../../src/workers/SharedLimits.ts"
import type { Time } from "../../src/workers/Time.ts"
import { random } from "../budgets/MeteredUpstream.ts"

/** What a simulation is like. Times are in milliseconds. */
interface Setting {
  readonly workers: number
  readonly slowest: number
  readonly betweenCalls: number
  readonly longestCall: number
  readonly hangs: boolean
  readonly ends: boolean
  readonly buckets: ReadonlyArray<Bucket>
  readonly permit: RateLimit.Permit
}

interface Worker {
  readonly id: number
  readonly limits: LeasedLimits
  /** What a function asks and tells, in order. */
  sent: Array<{ readonly type: string; readonly body: unknown }>
  isAlive: boolean
  /** It does nothing before this time, and messages from before it are still on their way for a while. */
  hangsUntil: number
  calls: Set<Call>
}

interface Call {
  readonly worker: Worker
  readonly tokens: number
  readonly permit: RateLimit.Permit | undefined
}

/** By key and window or by key: numbers that start at 0. */
class Sums {
  readonly #sums = new Map<string, number>()
  get = (...key: ReadonlyArray<string | number>): number => this.#sums.get(key.join(" ")) ?? 0
  add(amount: number, ...key: ReadonlyArray<string | number>): number {
    const sum = this.get(...key) + amount
    this.#sums.set(key.join(" "), sum)
    return sum
  }
}

class Simulation {
  readonly #draw: () => number
  readonly #setting: Setting
  readonly #counters = new RateLimit.Counters()
  readonly #main: SharedLimits
  readonly #replace: (worker: Worker) => void
  readonly #time: Time
  readonly #workers: Array<Worker> = []
  #events: Array<{
    readonly at: number
    readonly order: number
    readonly worker: Worker | undefined
    run: () => void
  }> = []
  #now = 1_000_000
  #order = 0
  /** When the last message that was sent on a channel arrives. */
  readonly #arrivals = new Map<string, number>()

  /** What calls have taken, by limit and window; what workers have leased and not used, by limit, window and worker. */
  readonly #taken = new Sums()
  readonly #unused = new Sums()
  /** What workers have leased that have ended. */
  readonly #lost = new Sums()
  /** Permits of calls, by key, and by key and worker. */
  readonly #busy = new Sums()
  readonly #ended = new Set<number>()
  readonly counts = { calls: 0, refused: 0, local: 0, messages: 0, reclaims: 0 }

  constructor(seed: number) {
    this.#draw = random(seed)
    this.#setting = this.#makeSetting()
    const timeOf = (worker: () => Worker | undefined): Time => ({
      now: () => this.#now,
      schedule: (run, millis) => {
        let isStopped = false
        this.#at(this.#now + millis, worker(), () => void (isStopped || run()))
        return () => void (isStopped = true)
      },
    })
    this.#time = timeOf(() => undefined)
    this.#main = new SharedLimits({
      reclaim: (id, reclaim) => this.#sendReclaim(id, reclaim),
      time: this.#time,
      counters: this.#counters,
    })
    for (let id = 1; id <= this.#setting.workers; id++) this.#start(timeOf)
    this.#replace = (worker) => {
      this.#end(worker)
      this.#start(timeOf)
    }
  }

  #below(count: number): number {
    return Math.floor(this.#draw() * count)
  }

  #oneOf<A>(values: ReadonlyArray<A>): A {
    return values[this.#below(values.length)]!
  }

  #makeSetting(): Setting {
    return {
      workers: 1 + this.#below(3),
      slowest: this.#oneOf([1, 1, 3, 3, 20, 20, 200]),
      betweenCalls: this.#oneOf([1, 4, 30]),
      longestCall: this.#oneOf([5, 50, 500]),
      hangs: this.#draw() < 0.3,
      ends: this.#draw() < 0.5,
      buckets: [
        bucketOf("rpm", this.#oneOf([5, 60, 300, 2000, 20_000]), this.#oneOf([300, 2000, 20_000])),
        bucketOf("tpm", this.#oneOf([100, 1000, 30_000, 1_000_000]), this.#oneOf([300, 2000, 20_000])),
      ],
      permit: { key: "deployment:k", max: this.#oneOf([1, 4, 7, 30, 200]) },
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Events, messages and workers
  // -------------------------------------------------------------------------------------------------------------------

  #at(at: number, worker: Worker | undefined, run: () => void): void {
    this.#events.push({ at, order: this.#order++, worker, run })
  }

  /** Runs what happens up to a time. What happens at a worker that hangs happens when it no longer does. */
  #runUntil(end: number): void {
    for (;;) {
      let next = -1
      this.#events.forEach(({ at, order }, index) => {
        const best = this.#events[next]
        if (at <= end && (best === undefined || at < best.at || (at === best.at && order < best.order))) next = index
      })
      if (next < 0) break
      const [event] = this.#events.splice(next, 1)
      if (event === undefined) break
      this.#now = Math.max(this.#now, event.at)
      const { order, run, worker } = event
      if (worker?.isAlive === false) continue
      if (worker !== undefined && worker.hangsUntil > this.#now) {
        this.#events.push({ at: worker.hangsUntil, order, worker, run })
      } else run()
    }
    this.#now = Math.max(this.#now, end)
  }

  #deliver(channel: string, worker: Worker | undefined, run: () => void): void {
    const arrival = Math.max(this.#arrivals.get(channel) ?? 0, this.#now + this.#below(this.#setting.slowest + 1))
    this.#arrivals.set(channel, arrival)
    this.counts.messages++
    this.#at(arrival, worker, run)
  }

  #toMain(worker: Worker, run: () => void): void {
    this.#deliver(`${worker.id} to main`, undefined, () => {
      if (this.#ended.has(worker.id)) return
      this.#main.responded(worker.id)
      run()
      this.#checkCounts()
    })
  }

  #sendReclaim(id: number, reclaim: Reclaim): void {
    const worker = this.#workers.find((each) => each.id === id)!
    this.counts.reclaims++
    this.#deliver(`main to ${id}`, worker, () => this.#reclaims.get(worker)?.(reclaim))
  }

  readonly #reclaims = new Map<Worker, (reclaim: Reclaim) => void>()

  #start(timeOf: (worker: () => Worker | undefined) => Time): void {
    const id = this.#workers.length + 1
    let reclaim: (reclaim: Reclaim) => void = () => {}
    const self = (): Worker => worker
    const connection: Pick<Connection, "ask" | "tell" | "onReclaim"> = {
      ask: <Type extends keyof Asks>(type: Type, body: Asks[Type]["ask"]) =>
        Effect.callback<Asks[Type]["reply"]>((resume) => {
          self().sent.push({ type, body })
          this.#toMain(self(), () =>
            this.#acquireAtMain(self(), body as Asks["acquire"]["ask"], (reply) =>
              this.#deliver(`main to ${id}`, self(), () => {
                self().sent = []
                resume(Effect.succeed(reply as Asks[Type]["reply"]))
              }),
            ),
          )
        }),
      tell: (type, body) => {
        self().sent.push({ type, body })
        this.#toMain(self(), () => this.#tellMain(self(), type, body))
      },
      onReclaim: (listener) => void (reclaim = listener),
    }
    const limits = new LeasedLimits(connection, timeOf(self))
    const worker: Worker = { id, limits, sent: [], isAlive: true, hangsUntil: 0, calls: new Set() }
    this.#reclaims.set(worker, (asked) => reclaim(asked))
    this.#workers.push(worker)
  }

  /** A worker ends. The main process knows it when it has read what the worker had sent, or some of it. */
  #end(worker: Worker): void {
    worker.isAlive = false
    this.#at(this.#now + this.#below(2 * this.#setting.slowest + 1), undefined, () => {
      this.#ended.add(worker.id)
      for (const { key } of this.#setting.buckets) {
        const window = this.#counters.window(key, this.#now)
        this.#lost.add(this.#unused.get(key, window, worker.id), key, window)
      }
      const { key } = this.#setting.permit
      this.#busy.add(-this.#busy.get(key, worker.id), key)
      this.#main.left(worker.id)
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What is taken and given back
  // -------------------------------------------------------------------------------------------------------------------

  /** The main process counts what calls have taken and what workers have leased, and nothing else. */
  #checkCounts(): void {
    for (const { key } of this.#setting.buckets) {
      const window = this.#counters.window(key, this.#now)
      const unused = this.#workers.reduce((sum, { id }) => sum + this.#unused.get(key, window, id), 0)
      const taken = this.#taken.get(key, window)
      const count = this.#counters.count(key, this.#now)
      if (count !== taken + unused) assert.fail(`${key} counts ${count}, not ${taken} taken and ${unused} leased`)
      if (taken < 0) assert.fail(`more of ${key} is given back than was taken`)
    }
  }

  #take(bucket: Bucket, amount: number): void {
    const taken = this.#taken.add(amount, bucket.key, this.#counters.window(bucket.key, this.#now))
    if (taken > bucket.max) assert.fail(`${taken} of ${bucket.key} are taken, of ${bucket.max}`)
  }

  #hold(worker: Worker, { key, max }: RateLimit.Permit): void {
    this.#busy.add(1, key, worker.id)
    const busy = this.#busy.add(1, key)
    if (busy > max) assert.fail(`${busy} permits of ${key} are taken, of ${max}`)
  }

  #free(worker: Worker, key: string): void {
    this.#busy.add(-1, key, worker.id)
    this.#busy.add(-1, key)
  }

  /** Takes from or gives back to what a worker has leased. */
  #takeLeased(worker: Worker, bucket: Bucket, amount: number): void {
    const window = this.#counters.window(bucket.key, this.#now)
    if (this.#unused.add(-amount, bucket.key, window, worker.id) < 0) assert.fail(`${bucket.key} is not leased`)
    this.#take(bucket, amount)
  }

  #acquireAtMain(worker: Worker, ask: Asks["acquire"]["ask"], reply: (reply: Asks["acquire"]["reply"]) => void): void {
    this.#main.acquire(worker.id, ask, (replied) => {
      if (replied.exceeded === undefined) {
        for (const bucket of ask.buckets) this.#take(bucket, RateLimit.amountOf(ask, bucket))
        if (ask.permit !== undefined) this.#hold(worker, ask.permit)
        replied.leases.forEach((lease, index) => {
          if (lease !== null) this.#unused.add(lease.amount, ask.buckets[index]!.key, lease.window, worker.id)
        })
      } else this.#checkRefusal(ask, replied.exceeded.limit)
      reply(replied)
    })
  }

  /** A limit refuses when all of it is taken, or leased to workers that have ended or hang. */
  #checkRefusal(ask: Asks["acquire"]["ask"], limit: string): void {
    const hangs = ({ hangsUntil }: Worker) => hangsUntil + 500 > this.#now || this.#setting.slowest > 50
    const hanging = this.#workers.filter((worker) => !this.#ended.has(worker.id) && hangs(worker))
    const silent = this.#workers.filter(({ id, isAlive }) => !isAlive && !this.#ended.has(id))
    if (limit === "concurrency") {
      if (hanging.length + silent.length > 0) return
      const { key, max } = ask.permit!
      if (this.#busy.get(key) < max) assert.fail(`${key} refuses, but ${max - this.#busy.get(key)} permits are free`)
      return
    }
    const bucket = ask.buckets.find((each) => each.limit === limit)!
    const window = this.#counters.window(bucket.key, this.#now)
    const unusable =
      this.#lost.get(bucket.key, window) +
      [...hanging, ...silent].reduce((sum, { id }) => sum + this.#unused.get(bucket.key, window, id), 0)
    const needed = this.#taken.get(bucket.key, window) + unusable + RateLimit.amountOf(ask, bucket)
    if (needed <= bucket.max) assert.fail(`${bucket.key} refuses, but is not used up`)
  }

  #tellMain<Type extends keyof Tells>(worker: Worker, type: Type, told: Tells[Type]): void {
    const body = told as never
    if (type === "release") {
      const { key } = body as Tells["release"]
      this.#free(worker, key)
      this.#main.release(worker.id, key)
    } else if (type === "adjust") {
      const { bucket, tokens } = body as Tells["adjust"]
      const before = this.#counters.count(bucket.key, this.#now)
      this.#main.adjust(bucket, tokens)
      const window = this.#counters.window(bucket.key, this.#now)
      this.#taken.add(this.#counters.count(bucket.key, this.#now) - before, bucket.key, window)
    } else {
      const returned = body as Tells["returned"]
      for (const { key, unused, window } of returned.rates) this.#unused.add(-unused, key, window, worker.id)
      this.#main.returned(worker.id, returned)
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Calls
  // -------------------------------------------------------------------------------------------------------------------

  /** Books what a worker has given back, by what it has not told the main process. */
  #gaveBack(worker: Worker, permit: RateLimit.Permit | undefined, amounts: ReadonlyMap<Bucket, number>): void {
    if (permit !== undefined && !worker.sent.some(({ type }) => type === "release")) this.#free(worker, permit.key)
    for (const [bucket, amount] of amounts) {
      const told = worker.sent.flatMap(({ body, type }) => {
        const adjust = body as Tells["adjust"]
        return type === "adjust" && adjust.bucket.key === bucket.key ? [adjust.tokens] : []
      })
      const local = amount + told.reduce((sum, tokens) => sum + tokens, 0)
      if (local !== 0) this.#takeLeased(worker, bucket, -local)
    }
  }

  #call(worker: Worker): void {
    const { buckets, longestCall, permit } = this.#setting
    const kind = this.#below(4)
    const tokens = 1 + this.#below(Math.ceil(buckets[1]!.max / this.#oneOf([2, 20, 100])))
    const wanted = kind === 0 ? [] : kind === 1 ? buckets.slice(0, 1) : buckets
    const call: Call = { worker, tokens, permit: kind === 1 ? undefined : permit }
    this.counts.calls++
    worker.sent = []
    let local: ReadonlyArray<Bucket> = []
    let hasLocalPermit = false
    const acquired = worker.limits.acquire({ buckets: wanted, tokens, permit: call.permit })
    if (Exit.isExit(acquired)) this.counts.local++
    const run = Effect.runCallback(acquired, {
      onExit: (exit) => {
        if (Exit.isSuccess(exit)) {
          worker.calls.add(call)
          this.#at(this.#now + this.#below(longestCall), worker, () => this.#finish(call, wanted))
          for (const { limit, remaining } of exit.value)
            if (remaining > limit) assert.fail("more than the limit is left")
        } else {
          this.counts.refused++
          const amounts = local.map((bucket) => [bucket, RateLimit.amountOf(call, bucket)] as const)
          this.#gaveBack(worker, hasLocalPermit ? permit : undefined, new Map(amounts))
        }
      },
    })
    void run
    const ask = worker.sent.find(({ type }) => type === "acquire")?.body as Asks["acquire"]["ask"] | undefined
    local = wanted.filter((bucket) => ask?.buckets.every(({ key }) => key !== bucket.key) ?? true)
    hasLocalPermit = call.permit !== undefined && ask?.permit === undefined
    for (const bucket of local) this.#takeLeased(worker, bucket, RateLimit.amountOf(call, bucket))
    if (hasLocalPermit) this.#hold(worker, permit)
  }

  #finish(call: Call, buckets: ReadonlyArray<Bucket>): void {
    const { permit, tokens, worker } = call
    worker.calls.delete(call)
    const tpm = buckets.find(({ limit }) => limit === "tpm")
    const unused = this.#below(tokens + 1)
    worker.sent = []
    if (permit !== undefined) worker.limits.release(permit)
    if (tpm !== undefined && unused > 0) Effect.runSync(worker.limits.adjust(tpm, -unused))
    this.#gaveBack(worker, permit, tpm === undefined ? new Map() : new Map([[tpm, unused]]))
  }

  /** Calls for twenty seconds or so, then none until all is returned. */
  readonly run = (): void => {
    const { betweenCalls, ends, hangs } = this.#setting
    for (let step = 0; step < 600; step++) {
      this.#runUntil(this.#now + this.#below(betweenCalls + 1) + (this.#below(200) === 0 ? this.#below(4000) : 0))
      const running = this.#workers.filter(({ hangsUntil, isAlive }) => isAlive && hangsUntil <= this.#now)
      if (running.length === 0) continue
      const worker = running[this.#below(running.length)]!
      if (hangs && this.#below(150) === 0) worker.hangsUntil = this.#now + this.#below(1500)
      else if (ends && this.#below(60) === 0) this.#replace(worker)
      else this.#call(worker)
    }
    this.#runUntil(this.#now + 60_000)
    const { buckets, permit } = this.#setting
    assert.strictEqual(this.#main.read({ buckets, permit }).held, 0, "permits are missing")
    assert.strictEqual(this.#busy.get(permit.key), 0)
  }
}

describe("limits that workers lease", () => {
  it("are never exceeded, refuse nothing while some of them is unused, and miss nothing in the end", () => {
    const all = { calls: 0, refused: 0, local: 0, reclaims: 0 }
    for (let seed = 1; seed <= 100; seed++) {
      const { counts, run } = new Simulation(seed)
      try {
        run()
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
      all.calls += counts.calls
      all.refused += counts.refused
      all.local += counts.local
      all.reclaims += counts.reclaims
    }
    // The stories have what the laws are about.
    for (const [name, count] of Object.entries(all)) assert.isAbove(count, 100, name)
  })
})

const bucketOf = (limit: "rpm" | "tpm", max: number, window: number): Bucket => ({
  limit,
  key: `${limit}:k`,
  max,
  window,
  refill: window / max,
})

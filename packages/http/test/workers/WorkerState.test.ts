/** What several workers share: exact limits, one probe, and what they learn of each other's failures. */
import { assert, describe, it } from "@effect/vitest"
import type * as Circuit from "@understudy/core/internal/admission/Circuit"
import { Circuits } from "@understudy/core/internal/admission/Circuit"
import { AffinityStore } from "@understudy/core/internal/affinity/AffinityStore"
import { Cooldowns } from "@understudy/core/internal/admission/Cooldowns"
import type { Limiter, RemoteLimits } from "@understudy/core/internal/admission/RateLimit"
import * as Bucket from "@understudy/core/internal/policy/Bucket"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { Connection } from "../../src/workers/MainProcess.ts"
import { MainState } from "../../src/workers/MainState.ts"
import type { Reclaim, StateChange } from "../../src/workers/Protocol.ts"
import * as WorkerState from "../../src/workers/WorkerState.ts"

/** JSON, as over the channel. */
const sent = <A>(value: A): A => (value === undefined ? value : JSON.parse(JSON.stringify(value)))

/** A main process in memory, with workers that it can lose. */
const gateway = () => {
  const listeners = new Map<number, (change: StateChange) => void>()
  const reclaims = new Map<number, (reclaim: Reclaim) => void>()
  const clock = { now: 1_000_000 }
  const messages: Array<string> = []
  const time = { now: () => clock.now, schedule: () => () => {} }
  const state = new MainState(
    (change) => listeners.forEach((listener) => listener(sent(change))),
    (worker, reclaim) => reclaims.get(worker)?.(sent(reclaim)),
    time,
  )
  const connection = (worker: number): Connection => {
    const own: Array<(change: StateChange) => void> = []
    listeners.set(worker, (change) => own.forEach((listener) => listener(change)))
    const receive = (type: string, body: unknown) => {
      messages.push(type)
      let replied: unknown = undefined
      const message = sent({ id: 1, type, body }) as Parameters<MainState["receive"]>[1]
      state.receive(worker, message, (reply) => (replied = sent(reply)))
      return replied
    }
    return {
      worker,
      ask: (type, body) => Effect.sync(() => receive(type, body) as never),
      tell: (type, body) => void receive(type, body),
      onChange: (listener) => void own.push(listener),
      onReclaim: (listener) => void reclaims.set(worker, listener),
      answer: () => Effect.void,
      shutdown: Effect.never,
      hurry: Effect.never,
      end: Effect.never,
    }
  }
  const start = (worker: number) =>
    Effect.map(Layer.build(WorkerState.layer(connection(worker), sent(state.changes), time)), (context) => ({
      circuits: (Context.get(context, CircuitBreaker.CircuitBreakerStore) as Circuit.Store).immediate!,
      limits: (Context.get(context, RateLimiter.RateLimiter) as Limiter).remote!,
      cooldowns: Context.get(context, Cooldowns),
      conversations: Context.get(context, AffinityStore),
    }))
  const lose = (worker: number) => {
    listeners.delete(worker)
    state.left(worker)
  }
  return { clock, lose, messages, start }
}

const buckets = Bucket.make("primary", { rpm: 10, tpm: 1000 })
const permit = { key: "deployment:primary", max: 2 }
const call = { buckets, tokens: 10, permit: undefined }

const failure = (generation: number): Circuit.Record => ({
  key: "primary",
  generation,
  outcome: "Failure",
  tripPolicy: CircuitBreaker.consecutive(3),
  openFor: Duration.seconds(30),
})
const success = (generation: number): Circuit.Record => ({ ...failure(generation), outcome: "Success" })

const exceeded = (acquired: Effect.Effect<unknown, { readonly limit: string }>) =>
  Effect.match(acquired, { onFailure: ({ limit }) => limit, onSuccess: () => "taken" })

describe("the state of workers", () => {
  it.effect("admits exactly what the limit of requests allows, whoever asks", () =>
    Effect.gen(function* () {
      const { clock, start } = gateway()
      const workers: ReadonlyArray<{ readonly limits: RemoteLimits }> = [
        yield* start(1),
        yield* start(2),
        yield* start(3),
      ]
      const taken = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, index) => workers[index % 3]!),
        ({ limits }) => exceeded(limits.acquire(call)),
        { concurrency: "unbounded" },
      )
      assert.strictEqual(taken.filter((each) => each === "taken").length, 10)
      assert.strictEqual(taken.filter((each) => each === "rpm").length, 30)
      // What is given back can be taken again, by another.
      yield* workers[0]!.limits.adjust(buckets[0]!, -1)
      assert.strictEqual(yield* exceeded(workers[2]!.limits.acquire(call)), "taken")
      clock.now += 60_000
      const { statuses } = yield* workers[1]!.limits.read(buckets, undefined)
      assert.deepStrictEqual(
        statuses.map(({ remaining }) => remaining),
        [10, 1000],
      )
    }),
  )

  it.effect("keeps the conversations of all, by the time of the main process, also of a worker that has ended", () =>
    Effect.gen(function* () {
      const { clock, lose, start } = gateway()
      const [one, two] = [yield* start(1), yield* start(2)]
      yield* one.conversations.set(["k", "l"], "primary", 60_000)
      lose(1)
      assert.strictEqual(yield* two.conversations.find(["other", "l"], undefined), "primary")
      clock.now += 50_000
      assert.strictEqual(yield* two.conversations.find(["k"], 60_000), "primary")
      clock.now += 50_000
      assert.strictEqual(yield* two.conversations.find(["k"], undefined), "primary")
      assert.isUndefined(yield* two.conversations.find(["l"], undefined))
    }),
  )

  it.effect("takes nothing of a limit when another refuses", () =>
    Effect.gen(function* () {
      const { limits } = yield* gateway().start(1)
      assert.strictEqual(yield* exceeded(limits.acquire({ ...call, tokens: 2000, permit })), "tpm")
      const { held, statuses } = yield* limits.read(buckets, permit)
      assert.deepStrictEqual([held, ...statuses.map(({ remaining }) => remaining)], [0, 10, 1000])
    }),
  )

  it.effect("gives back the permits of a worker that has ended, and of no other", () =>
    Effect.gen(function* () {
      const { lose, start } = gateway()
      const [one, other] = [yield* start(1), yield* start(2)]
      const acquire = ({ limits }: typeof one) => exceeded(limits.acquire({ buckets: [], tokens: 0, permit }))
      assert.deepStrictEqual([yield* acquire(one), yield* acquire(other)], ["taken", "taken"])
      assert.strictEqual(yield* acquire(other), "concurrency")
      lose(1)
      assert.deepStrictEqual([yield* acquire(other), yield* acquire(other)], ["taken", "concurrency"])
      other.limits.release(permit)
      other.limits.release(permit)
      // More than were taken.
      other.limits.release(permit)
      assert.deepStrictEqual(
        [yield* acquire(other), yield* acquire(other), yield* acquire(other)],
        ["taken", "taken", "concurrency"],
      )
    }),
  )

  it.effect(
    "takes from what it has leased without a message, and counts as used what a worker had leased that ends",
    () =>
      Effect.gen(function* () {
        const { clock, lose, messages, start } = gateway()
        const [one, other] = [yield* start(1), yield* start(2)]
        const large = Bucket.make("large", { rpm: 50_000, tpm: 10_000_000 })
        const permit = { key: "deployment:large", max: 100 }
        const run = function* (calls: number) {
          for (let index = 0; index < calls; index++) {
            yield* one.limits.acquire({ buckets: large, tokens: 100, permit })
            one.limits.release(permit)
            yield* one.limits.adjust(large[1]!, -60)
            clock.now += 1
          }
        }
        yield* run(5000)
        assert.isBelow(messages.length, 60)
        const left = Effect.map(other.limits.read(large, undefined), ({ statuses }) =>
          statuses.map(({ remaining }) => remaining),
        )
        const [requests = 0] = yield* left
        assert.isBelow(requests, 45_001)
        assert.isAbove(requests, 43_000)
        lose(1)
        assert.strictEqual((yield* left)[0], requests)
        clock.now += 60_000
        assert.deepStrictEqual(yield* left, [50_000, 10_000_000])
      }),
  )

  it.effect(
    "opens a circuit by the failures of several workers, for all of them, and sends nothing for a success",
    () =>
      Effect.gen(function* () {
        const { clock, messages, start } = gateway()
        const [one, other] = [yield* start(1), yield* start(2)]
        for (let index = 0; index < 100; index++) {
          const { generation } = yield* one.circuits.admit("primary", clock.now)
          yield* one.circuits.record(success(generation), clock.now)
        }
        assert.deepStrictEqual(messages, [])
        yield* one.circuits.record(failure(0), clock.now)
        yield* other.circuits.record(failure(0), clock.now)
        // Ends the series.
        yield* other.circuits.record(success(0), clock.now)
        yield* one.circuits.record(failure(0), clock.now)
        yield* other.circuits.record(failure(0), clock.now)
        assert.isTrue(Exit.isSuccess(yield* Effect.exit(one.circuits.admit("primary", clock.now))))
        yield* one.circuits.record(failure(0), clock.now)
        for (const { circuits } of [one, other, yield* start(3)]) {
          const { reason } = yield* Effect.flip(circuits.admit("primary", clock.now + 1000))
          assert.strictEqual(reason._tag, "CircuitOpen")
          assert.strictEqual(reason._tag === "CircuitOpen" ? Duration.toSeconds(reason.retryAfter) : 0, 29)
        }
      }),
  )

  it.effect("lets one call of one worker probe, and another when the worker of the probe has ended", () =>
    Effect.gen(function* () {
      const { clock, lose, start } = gateway()
      const [one, other] = [yield* start(1), yield* start(2)]
      for (let index = 0; index < 3; index++) yield* one.circuits.record(failure(0), clock.now)
      clock.now += 30_000
      const probe = yield* one.circuits.admit("primary", clock.now)
      assert.isTrue(probe.probe)
      const refused = yield* Effect.flip(other.circuits.admit("primary", clock.now))
      assert.strictEqual(refused.reason._tag, "CircuitHalfOpen")
      lose(1)
      const second = yield* other.circuits.admit("primary", clock.now)
      assert.isTrue(second.probe)
      yield* other.circuits.record(success(second.generation), clock.now)
      const three = yield* start(3)
      for (const { circuits } of [other, three]) assert.isFalse((yield* circuits.admit("primary", clock.now)).probe)
    }),
  )

  it.effect("shares cooldowns, and lets one worker probe a long one", () =>
    Effect.gen(function* () {
      const { lose, start } = gateway()
      const [one, other] = [yield* start(1), yield* start(2)]
      const now = Date.now()
      yield* one.cooldowns.start("primary", now + 1000, now + 60_000)
      assert.deepStrictEqual(
        [other.cooldowns.until("primary"), other.cooldowns.requestedUntil("primary")],
        [now + 1000, now + 60_000],
      )
      yield* other.cooldowns.release("primary")
      assert.isTrue(yield* one.cooldowns.probe("primary", now + 30_000))
      assert.isFalse(yield* other.cooldowns.probe("primary", now + 30_000))
      lose(1)
      assert.isTrue(yield* other.cooldowns.probe("primary", now + 30_000))
      yield* other.cooldowns.end("primary")
      assert.strictEqual((yield* start(3)).cooldowns.requestedUntil("primary"), 0)
    }),
  )

  it.effect("is a circuit in memory, for a worker alone", () =>
    Effect.gen(function* () {
      for (let seed = 1; seed <= 200; seed++) {
        let draw = seed
        const choose = (choices: number) => {
          draw = (draw * 1_103_515_245 + 12_345) % 2_147_483_648
          return Math.floor((draw / 2_147_483_648) * choices)
        }
        const policy = [
          CircuitBreaker.consecutive(1 + choose(3)),
          CircuitBreaker.rate({ size: 4, minimumCalls: 2, threshold: 0.5 }),
        ][choose(2)]!
        const { clock, start } = gateway()
        const { circuits } = yield* start(1)
        const alone = new Circuits()
        const running: Array<number> = []
        const seen: Array<string> = []
        const expected: Array<string> = []
        for (let step = 0; step < 40; step++) {
          clock.now += choose(3) * 400
          if (running.length === 0 || choose(2) === 0) {
            const [admission, plain] = [yield* Effect.exit(circuits.admit("k", clock.now)), alone.admit("k", clock.now)]
            seen.push(shown(admission))
            expected.push(shown(plain))
            if (Exit.isSuccess(plain)) running.push(plain.value.generation)
          } else {
            const [generation = 0] = running.splice(choose(running.length), 1)
            const outcome = (["Success", "Failure", "Ignored"] as const)[choose(3)]!
            const record = { key: "k", generation, outcome, tripPolicy: policy, openFor: Duration.seconds(1) }
            yield* circuits.record(record, clock.now)
            alone.record(record, clock.now)
          }
        }
        assert.deepStrictEqual(seen, expected, `seed ${seed}`)
      }
    }),
  )
})

const shown = (exit: Exit.Exit<CircuitBreaker.Admission, CircuitBreaker.CircuitBreakerError>): string =>
  Exit.match(exit, {
    onSuccess: ({ consecutiveOpenings, generation, probe }) =>
      JSON.stringify({ consecutiveOpenings, generation, probe }),
    onFailure: (cause) =>
      String(cause.reasons[0]?._tag === "Fail" ? JSON.stringify(cause.reasons[0].error.reason) : ""),
  })

import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import type { Limits } from "../../src/policy/Limits.ts"
import * as Bucket from "../../src/policy/Bucket.ts"
import * as RateLimit from "../../src/admission/RateLimit.ts"

/** A new limiter over Effect's memory store. */
const ofEffect = Effect.provide(
  RateLimiter.RateLimiter,
  Layer.fresh(Layer.provide(RateLimiter.layer, RateLimiter.layerStoreMemory)),
)

/** A new limiter over our counters. */
const fresh = Effect.provide(RateLimiter.RateLimiter, Layer.fresh(RateLimit.layerMemory))

const window = Duration.minutes(1)

describe("Effect's limiter, as we use it", () => {
  it.effect("gives back for a negative amount", () =>
    Effect.gen(function* () {
      const limiter = yield* ofEffect
      const consume = (tokens: number) => limiter.consume({ key: "k", window, limit: 10, tokens })
      assert.strictEqual((yield* consume(10)).remaining, 0)
      assert.strictEqual((yield* Effect.flip(consume(1))).reason._tag, "RateLimitExceeded")
      assert.strictEqual((yield* consume(-4)).remaining, 4)
      assert.strictEqual((yield* consume(4)).remaining, 0)
      assert.strictEqual((yield* Effect.flip(consume(1))).reason._tag, "RateLimitExceeded")
    }),
  )

  it.effect("carries no credit over from what was given back when nothing was taken", () =>
    Effect.gen(function* () {
      const limiter = yield* ofEffect
      const consume = (tokens: number) => limiter.consume({ key: "k", window, limit: 10, tokens })
      yield* consume(-100)
      assert.strictEqual((yield* consume(10)).remaining, 0)
      assert.strictEqual((yield* Effect.flip(consume(1))).reason._tag, "RateLimitExceeded")
    }),
  )

  it.effect("only returns the delay where it is told to delay, and books an overrun", () =>
    Effect.gen(function* () {
      const limiter = yield* ofEffect
      const book = (tokens: number) => limiter.consume({ key: "k", window, limit: 10, tokens, onExceeded: "delay" })
      yield* book(10)
      const over = yield* book(15)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0, "nobody has waited")
      assert.strictEqual(over.remaining, -15)
      assert.deepStrictEqual(over.delay, Duration.minutes(2))
    }),
  )

  it.effect("takes nothing for an amount of 0", () =>
    Effect.gen(function* () {
      const limiter = yield* ofEffect
      const look = limiter.consume({ key: "k", window, limit: 10, tokens: 0, onExceeded: "delay" })
      for (let times = 0; times < 20; times++) assert.strictEqual((yield* look).remaining, 10)
      yield* limiter.consume({ key: "k", window, limit: 10, tokens: 7 })
      for (let times = 0; times < 20; times++) assert.strictEqual((yield* look).remaining, 3)
    }),
  )
})

/** The limits of one deployment; `acquire` gives the limit that is used up in place of an error. */
const limited = (limiter: RateLimit.Limiter, limits: Limits = { rpm: 3, tpm: 100 }, name = "a") => {
  const buckets = Bucket.make(name, limits)
  return {
    acquire: (tokens: number) =>
      Effect.clockWith((clock) =>
        Effect.match(RateLimit.tryAcquire({ limiter, buckets, tokens }, clock), {
          onSuccess: () => undefined,
          onFailure: (exceeded) => exceeded,
        }),
      ),
    peek: (tokens: number) => RateLimit.peek({ limiter, buckets, tokens }),
    reconcile: (estimated: number, used: number) =>
      Effect.clockWith((clock) => RateLimit.reconcile({ limiter, buckets, estimated, used }, clock)),
    statuses: RateLimit.statuses({ limiter, buckets }),
  }
}

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

describe("tryAcquire", () => {
  it.effect("takes one request a call up to the limit, then fails with the time until one is available", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      const take = limited(limiter, { rpm: 2 }).acquire(0)
      assert.isUndefined(yield* take)
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(yield* take)
      assert.deepStrictEqual(yield* take, { limit: "rpm", retryAfter: 50_000 })
      assert.isUndefined(yield* limited(limiter, { rpm: 2 }, "b").acquire(0), "each deployment has its own limit")
      yield* TestClock.adjust("50 seconds")
      assert.isUndefined(yield* take)
    }),
  )

  it.effect("takes the tokens of a call", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      assert.isUndefined(yield* limited(limiter, { tpm: 100 }).acquire(60))
      assert.deepStrictEqual(yield* limited(limiter, { tpm: 100 }).acquire(41), {
        limit: "tpm",
        retryAfter: 36_000,
      })
      assert.isUndefined(yield* limited(limiter, { tpm: 100 }).acquire(40))
    }),
  )

  it.effect("takes from both limits or from neither", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      const limits = limited(limiter)
      const { acquire: take } = limits
      assert.isUndefined(yield* take(90))
      for (let times = 0; times < 10; times++) assert.strictEqual((yield* take(20))?.limit, "tpm")
      assert.isUndefined(yield* take(5), "no request was taken with the tokens refused")
      assert.isUndefined(yield* take(5))
      for (let times = 0; times < 10; times++) assert.strictEqual((yield* take(0))?.limit, "rpm")
      yield* limits.reconcile(90, 0)
      assert.isUndefined(yield* limited(limiter, { tpm: 100 }).acquire(90), "no token with the requests refused")
    }),
  )

  it.effect("refuses a call larger than the limit, and takes nothing for it", () =>
    Effect.gen(function* () {
      const limits = limited(yield* fresh)
      assert.deepStrictEqual(yield* limits.acquire(101), { limit: "tpm", retryAfter: 60_000 })
      for (let times = 0; times < 3; times++) assert.isUndefined(yield* limits.acquire(33))
    }),
  )

  it.effect("gives the state of each limit", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      const limits = limited(limiter)
      const clock = yield* Clock.Clock
      const buckets = Bucket.make("a", { rpm: 3, tpm: 100 })
      const rpm = { name: "rpm", limit: 3, remaining: 2, resetAfter: 20_000 } as const
      const tpm = { name: "tpm", limit: 100, remaining: 90, resetAfter: 6000 } as const
      assert.deepStrictEqual(yield* RateLimit.tryAcquire({ limiter, buckets, tokens: 10 }, clock), [rpm, tpm])
      assert.deepStrictEqual(yield* Effect.flip(RateLimit.tryAcquire({ limiter, buckets, tokens: 91 }, clock)), {
        limit: "tpm",
        retryAfter: 6000,
      })
      for (let times = 0; times < 5; times++) assert.deepStrictEqual(yield* limits.statuses, [rpm, tpm])
      assert.deepStrictEqual(yield* limited(limiter, {}).statuses, [])
    }),
  )

  it.effect("always succeeds without limits", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      for (let times = 0; times < 10; times++) assert.isUndefined(yield* limited(limiter, {}).acquire(1e9))
    }),
  )

  it.effect("lets a call pass when the store cannot be reached", () =>
    Effect.gen(function* () {
      const away = Effect.fail(
        new RateLimiter.RateLimiterError({ reason: new RateLimiter.RateLimitStoreError({ message: "away" }) }),
      )
      const limiter = yield* Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, {
        fixedWindow: () => away,
        tokenBucket: () => away,
        adaptiveConsume: () => away,
        adaptiveFeedback: () => away,
      })
      const limits = limited(limiter)
      assert.isUndefined(yield* limits.acquire(10))
      assert.isUndefined(yield* limits.peek(10))
      yield* limits.reconcile(10, 20)
    }),
  )
})

describe("a limiter in memory", () => {
  it.effect.prop(
    "counts as Effect's memory store does, whether it is asked at once or by an effect",
    {
      steps: Schema.Array(
        Schema.Struct({ estimated: upTo(120), used: upTo(150), seconds: upTo(40), byEffect: Schema.Boolean }),
      ).check(Schema.isMinLength(10), Schema.isMaxLength(40)),
    },
    Effect.fnUntraced(function* ({ steps }) {
      const ours = yield* fresh
      const expected = limited(yield* ofEffect)
      const [atOnce, byEffect] = [limited(ours), limited({ ...ours, counters: undefined })]
      for (const { estimated, seconds, used, ...step } of steps) {
        const limits = step.byEffect ? byEffect : atOnce
        const taken = rounded(yield* limits.acquire(estimated))
        assert.deepStrictEqual(taken, rounded(yield* expected.acquire(estimated)))
        yield* TestClock.adjust(Duration.seconds(seconds))
        for (const { reconcile } of taken === undefined ? [limits, expected] : []) yield* reconcile(estimated, used)
        assert.deepStrictEqual((yield* limits.statuses).map(rounded), (yield* expected.statuses).map(rounded))
      }
    }),
  )

  /** To whole milliseconds: Effect's durations are rounded. */
  const rounded = <A extends object | undefined>(value: A): unknown =>
    value &&
    Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, typeof each === "number" ? Math.round(each) : each]),
    )
})

describe("reconcile", () => {
  it.effect("gives back tokens that were estimated and not used", () =>
    Effect.gen(function* () {
      const limits = limited(yield* fresh)
      yield* limits.acquire(100)
      yield* limits.reconcile(100, 30)
      assert.strictEqual((yield* limits.acquire(71))?.limit, "tpm")
      assert.isUndefined(yield* limits.acquire(70))
    }),
  )

  it.effect("books an overrun without waiting, and later calls wait for it", () =>
    Effect.gen(function* () {
      const limits = limited(yield* fresh)
      yield* limits.acquire(50)
      yield* limits.reconcile(50, 200)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      assert.deepStrictEqual(yield* limits.acquire(1), { limit: "tpm", retryAfter: 120_000 })
      yield* TestClock.adjust("2 minutes")
      assert.isUndefined(yield* limits.acquire(100))
    }),
  )

  it.effect("does not change the requests taken", () =>
    Effect.gen(function* () {
      const limits = limited(yield* fresh)
      for (let times = 0; times < 3; times++) {
        assert.isUndefined(yield* limits.acquire(10))
        yield* limits.reconcile(10, 0)
      }
      assert.strictEqual((yield* limits.acquire(10))?.limit, "rpm")
    }),
  )
})

describe("peek", () => {
  it.effect("finds the limit that would refuse a call, and takes nothing", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      const limits = limited(limiter)
      const { peek } = limits
      for (let times = 0; times < 20; times++) assert.isUndefined(yield* peek(100))
      assert.deepStrictEqual(yield* peek(101), { limit: "tpm", retryAfter: 60_000 })
      yield* limits.acquire(60)
      assert.isUndefined(yield* peek(40))
      assert.deepStrictEqual(yield* peek(41), { limit: "tpm", retryAfter: 36_000 })
      yield* limits.acquire(0)
      yield* limits.acquire(0)
      assert.deepStrictEqual(yield* peek(0), { limit: "rpm", retryAfter: 60_000 })
      assert.isUndefined(yield* limited(limiter, {}).peek(1e9))
    }),
  )

  it.effect.prop(
    "agrees with `tryAcquire` in any state",
    {
      steps: Schema.Array(Schema.Struct({ estimated: upTo(120), used: upTo(150), seconds: upTo(40) })).check(
        Schema.isMinLength(10),
        Schema.isMaxLength(40),
      ),
    },
    Effect.fnUntraced(function* ({ steps }) {
      const limits = limited(yield* fresh)
      for (const { estimated, seconds, used } of steps) {
        const seen = yield* limits.peek(estimated)
        const taken = yield* limits.acquire(estimated)
        assert.deepStrictEqual(seen, taken)
        yield* TestClock.adjust(Duration.seconds(seconds))
        if (taken === undefined) yield* limits.reconcile(estimated, used)
      }
    }),
  )
})

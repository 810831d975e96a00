import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import type { Limits } from "../../src/policy/Limits.ts"
import * as RateLimit from "../../src/admission/RateLimit.ts"

/** A limiter of one's own, over Effect's memory store. */
const fresh = Effect.provide(
  RateLimiter.RateLimiter,
  Layer.fresh(Layer.provide(RateLimiter.layer, RateLimiter.layerStoreMemory)),
)

const window = Duration.minutes(1)

describe("Effect's limiter, as we use it", () => {
  it.effect("gives back for a negative amount", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
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
      const limiter = yield* fresh
      const consume = (tokens: number) => limiter.consume({ key: "k", window, limit: 10, tokens })
      yield* consume(-100)
      assert.strictEqual((yield* consume(10)).remaining, 0)
      assert.strictEqual((yield* Effect.flip(consume(1))).reason._tag, "RateLimitExceeded")
    }),
  )

  it.effect("only returns the delay where it is told to delay, and books an overrun", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
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
      const limiter = yield* fresh
      const look = limiter.consume({ key: "k", window, limit: 10, tokens: 0, onExceeded: "delay" })
      for (let times = 0; times < 20; times++) assert.strictEqual((yield* look).remaining, 10)
      yield* limiter.consume({ key: "k", window, limit: 10, tokens: 7 })
      for (let times = 0; times < 20; times++) assert.strictEqual((yield* look).remaining, 3)
    }),
  )
})

const both: Limits = { rpm: 3, tpm: 100 }

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

describe("take", () => {
  it.effect("takes a request each time, until the limit, and says when there is room again", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      const take = RateLimit.check(limiter, "a", { rpm: 2 }, 0)
      assert.isUndefined(yield* take)
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(yield* take)
      assert.deepStrictEqual(yield* take, { limit: "rpm", retryAfter: 50_000 })
      assert.isUndefined(yield* RateLimit.check(limiter, "b", { rpm: 2 }, 0), "each deployment has its own")
      yield* TestClock.adjust("50 seconds")
      assert.isUndefined(yield* take)
    }),
  )

  it.effect("takes tokens by their number", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      assert.isUndefined(yield* RateLimit.check(limiter, "a", { tpm: 100 }, 60))
      assert.deepStrictEqual(yield* RateLimit.check(limiter, "a", { tpm: 100 }, 41), {
        limit: "tpm",
        retryAfter: 36_000,
      })
      assert.isUndefined(yield* RateLimit.check(limiter, "a", { tpm: 100 }, 40))
    }),
  )

  it.effect("takes from both limits or from none", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      const take = (tokens: number) => RateLimit.check(limiter, "a", both, tokens)
      assert.isUndefined(yield* take(90))
      for (let times = 0; times < 10; times++) assert.strictEqual((yield* take(20))?.limit, "tpm")
      assert.isUndefined(yield* take(5), "no request was taken with the tokens refused")
      assert.isUndefined(yield* take(5))
      for (let times = 0; times < 10; times++) assert.strictEqual((yield* take(0))?.limit, "rpm")
      yield* RateLimit.reconcile(limiter, "a", both, 90, 0)
      assert.isUndefined(yield* RateLimit.check(limiter, "a", { tpm: 100 }, 90), "no token with the requests refused")
    }),
  )

  it.effect("never lets in what is larger than the limit, and takes nothing for it", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      assert.deepStrictEqual(yield* RateLimit.check(limiter, "a", both, 101), { limit: "tpm", retryAfter: 60_000 })
      for (let times = 0; times < 3; times++) assert.isUndefined(yield* RateLimit.check(limiter, "a", both, 33))
    }),
  )

  it.effect("tells how each limit stands, where that is wanted", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      const rpm = { name: "rpm", limit: 3, remaining: 2, resetAfter: 20_000 } as const
      const tpm = { name: "tpm", limit: 100, remaining: 90, resetAfter: 6000 } as const
      assert.deepStrictEqual(yield* RateLimit.tryAcquire(limiter, "a", both, 10), [rpm, tpm])
      assert.deepStrictEqual(yield* Effect.flip(RateLimit.tryAcquire(limiter, "a", both, 91)), {
        limit: "tpm",
        retryAfter: 6000,
      })
      for (let times = 0; times < 5; times++)
        assert.deepStrictEqual(yield* RateLimit.statuses(limiter, "a", both), [rpm, tpm])
      assert.deepStrictEqual(yield* RateLimit.statuses(limiter, "a", {}), [])
    }),
  )

  it.effect("asks for nothing where there is no limit", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      for (let times = 0; times < 10; times++) assert.isUndefined(yield* RateLimit.check(limiter, "a", {}, 1e9))
    }),
  )

  it.effect("lets a call pass when the store cannot answer", () =>
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
      assert.isUndefined(yield* RateLimit.check(limiter, "a", both, 10))
      assert.isUndefined(yield* RateLimit.peek(limiter, "a", both, 10))
      yield* RateLimit.reconcile(limiter, "a", both, 10, 20)
    }),
  )
})

describe("settle", () => {
  it.effect("gives back what was estimated and not used", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      yield* RateLimit.check(limiter, "a", both, 100)
      yield* RateLimit.reconcile(limiter, "a", both, 100, 30)
      assert.strictEqual((yield* RateLimit.check(limiter, "a", both, 71))?.limit, "tpm")
      assert.isUndefined(yield* RateLimit.check(limiter, "a", both, 70))
    }),
  )

  it.effect("books an overrun without waiting, which the next calls pay for", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      yield* RateLimit.check(limiter, "a", both, 50)
      yield* RateLimit.reconcile(limiter, "a", both, 50, 200)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      assert.deepStrictEqual(yield* RateLimit.check(limiter, "a", both, 1), { limit: "tpm", retryAfter: 120_000 })
      yield* TestClock.adjust("2 minutes")
      assert.isUndefined(yield* RateLimit.check(limiter, "a", both, 100))
    }),
  )

  it.effect("leaves the requests alone", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      for (let times = 0; times < 3; times++) {
        assert.isUndefined(yield* RateLimit.check(limiter, "a", both, 10))
        yield* RateLimit.reconcile(limiter, "a", both, 10, 0)
      }
      assert.strictEqual((yield* RateLimit.check(limiter, "a", both, 10))?.limit, "rpm")
    }),
  )
})

describe("peek", () => {
  it.effect("sees what `take` would refuse, and takes nothing", () =>
    Effect.gen(function* () {
      const limiter = yield* fresh
      const peek = (tokens: number) => RateLimit.peek(limiter, "a", both, tokens)
      for (let times = 0; times < 20; times++) assert.isUndefined(yield* peek(100))
      assert.deepStrictEqual(yield* peek(101), { limit: "tpm", retryAfter: 60_000 })
      yield* RateLimit.check(limiter, "a", both, 60)
      assert.isUndefined(yield* peek(40))
      assert.deepStrictEqual(yield* peek(41), { limit: "tpm", retryAfter: 36_000 })
      yield* RateLimit.check(limiter, "a", both, 0)
      yield* RateLimit.check(limiter, "a", both, 0)
      assert.deepStrictEqual(yield* peek(0), { limit: "rpm", retryAfter: 60_000 })
      assert.isUndefined(yield* RateLimit.peek(limiter, "a", {}, 1e9))
    }),
  )

  it.effect.prop(
    "says what `take` then says, whatever went before",
    {
      steps: Schema.Array(Schema.Struct({ estimated: upTo(120), used: upTo(150), seconds: upTo(40) })).check(
        Schema.isMinLength(10),
        Schema.isMaxLength(40),
      ),
    },
    Effect.fnUntraced(function* ({ steps }) {
      const limiter = yield* fresh
      for (const { estimated, seconds, used } of steps) {
        const seen = yield* RateLimit.peek(limiter, "a", both, estimated)
        const taken = yield* RateLimit.check(limiter, "a", both, estimated)
        assert.deepStrictEqual(seen, taken)
        yield* TestClock.adjust(Duration.seconds(seconds))
        if (taken === undefined) yield* RateLimit.reconcile(limiter, "a", both, estimated, used)
      }
    }),
  )
})

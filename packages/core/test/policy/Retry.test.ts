import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import { Rejected } from "../../src/model/SkipReason.ts"
import { ProviderError } from "../../src/model/ProviderError.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import * as Retry from "../../src/policy/Retry.ts"

const failure = (reason: Reason) => new ProviderError({ reason, message: "scripted" })

const overloaded = failure({ _tag: "Overloaded" })
const limited = (seconds: number) => failure({ _tag: "RateLimited", retryAfter: Duration.seconds(seconds) })

/** The times at which a candidate is asked that always fails like this, in milliseconds from the first. */
const asked = (
  error: ProviderError | Rejected,
  policy: Partial<Retry.RetryPolicy> = {},
  bounds: Partial<Retry.Bounds> = {},
) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    const attempt = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      times.push(now)
      return Effect.fail(error)
    })
    const schedule = Retry.schedule(Retry.resolve({ ...Retry.defaults, ...policy }), {
      deadline: Number.POSITIVE_INFINITY,
      hasAvailablePeer: () => false,
      tryAcquire: () => true,
      ...bounds,
    })
    const fiber = yield* Effect.forkChild(Effect.flip(Effect.retry(attempt, schedule)))
    yield* TestClock.adjust("10 minutes")
    assert.strictEqual(yield* Fiber.join(fiber), error)
    return times
  }).pipe(Random.withSeed("retry"))

const gaps = (times: ReadonlyArray<number>) => times.slice(1).map((time, at) => time - times[at]!)

describe("Retry.schedule", () => {
  it.effect("doubles the backoff with 20 % jitter up to `max`", () =>
    Effect.gen(function* () {
      const times = yield* asked(overloaded, { times: 6, base: "1 second", max: "5 seconds" })
      const expected = [1000, 2000, 4000, 5000, 5000, 5000]
      assert.strictEqual(times.length, 7)
      for (const [at, gap] of gaps(times).entries()) {
        assert.isAtLeast(gap, Math.min(expected[at]! * 0.8, 5000) - 1)
        assert.isAtMost(gap, Math.min(expected[at]! * 1.2, 5000) + 1)
      }
    }),
  )

  it.effect("retries after a failure for a reason as often as `timesByReason` says", () =>
    Effect.gen(function* () {
      const policy = { times: 1, timesByReason: { RateLimited: 0, Network: 4 } }
      const attempts = (reason: Reason) => Effect.map(asked(failure(reason), policy), (times) => times.length)
      assert.strictEqual(yield* attempts({ _tag: "RateLimited" }), 1)
      assert.strictEqual(yield* attempts({ _tag: "Network" }), 5)
      assert.strictEqual(yield* attempts({ _tag: "ServerError" }), 2)
      assert.strictEqual(Retry.mostTimes(Retry.resolve({ ...Retry.defaults, ...policy })), 4)
    }),
  )

  it.effect("counts retries after other failures too", () =>
    Effect.gen(function* () {
      const failures: ReadonlyArray<Reason> = [{ _tag: "Network" }, { _tag: "Network" }, { _tag: "Overloaded" }]
      let attempts = 0
      const policy = Retry.resolve({ ...Retry.defaults, times: 1, timesByReason: { Network: 3 } })
      const bounds = { deadline: Infinity, hasAvailablePeer: () => false, tryAcquire: () => true }
      const attempt = Effect.suspend(() => Effect.fail(failure(failures[attempts++] ?? { _tag: "Network" })))
      const fiber = yield* Effect.forkChild(Effect.flip(Effect.retry(attempt, Retry.schedule(policy, bounds))))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.strictEqual(attempts, 3)
    }),
  )

  it.effect("retries `times` times", () =>
    Effect.gen(function* () {
      for (const times of [0, 1, 2, 5]) assert.strictEqual((yield* asked(overloaded, { times })).length, times + 1)
    }),
  )

  it.effect("waits for Retry-After up to maxRetryAfter", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(gaps(yield* asked(limited(3), { times: 2 })), [3000, 3000])
      assert.deepStrictEqual(gaps(yield* asked(limited(6), { times: 2 })), [])
    }),
  )

  it.effect("does not wait past the deadline", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(gaps(yield* asked(limited(3), { times: 5 }, { deadline: 7000 })), [3000, 3000])
    }),
  )

  it.effect("does not wait for a rate limit while a peer is available, but backs off after a server error", () =>
    Effect.gen(function* () {
      const equalReady = () => true
      assert.strictEqual((yield* asked(limited(1), { times: 2 }, { hasAvailablePeer: equalReady })).length, 1)
      assert.strictEqual((yield* asked(overloaded, { times: 2 }, { hasAvailablePeer: equalReady })).length, 3)
    }),
  )

  it.effect("does not retry permanent failures or rejections by admission", () =>
    Effect.gen(function* () {
      const once: ReadonlyArray<ProviderError | Rejected> = [
        failure({ _tag: "Authentication" }),
        failure({ _tag: "InvalidRequest" }),
        failure({ _tag: "Timeout", phase: "idle" }),
        failure({ _tag: "ContextWindowExceeded" }),
        new Rejected({ _tag: "ConcurrencyLimited" }),
      ]
      for (const error of once) assert.strictEqual((yield* asked(error)).length, 1)
    }),
  )

  it.effect("uses the shortest backoff as cooldown without Retry-After", () =>
    Effect.gen(function* () {
      const policy = { times: 1, base: "1 second" } as const
      const [first] = gaps(yield* asked(overloaded, policy))
      assert.isAtMost(Retry.shortestDelay(Retry.resolve({ ...Retry.defaults, ...policy })), first!)
    }),
  )
})

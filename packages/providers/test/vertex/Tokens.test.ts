import { assert, describe, it } from "@effect/vitest"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Tokens from "../../src/vertex/Tokens.ts"

const hour = 3_600_000

const lost = new ProviderError({ reason: { _tag: "Network" }, message: "the token endpoint is down" })

/** Tokens whose source issues `token 1`, `token 2` and so on, valid for `life`. */
const staged = Effect.gen(function* () {
  const clock = yield* Effect.clockWith(Effect.succeed)
  const source = { life: hour, fails: false, fetches: 0, gate: undefined as Deferred.Deferred<void> | undefined }
  const fetch: Effect.Effect<Tokens.Token, ProviderError> = Effect.suspend(() => {
    const serial = ++source.fetches
    const issued = Effect.suspend(() =>
      source.fails
        ? Effect.fail(lost)
        : Effect.succeed({
            headers: ["authorization", `token ${serial}`],
            expiresAt: clock.currentTimeMillisUnsafe() + source.life,
          }),
    )
    return source.gate === undefined ? issued : Effect.andThen(Deferred.await(source.gate), issued)
  })
  const scope = yield* Scope.make()
  const tokens = yield* Scope.provide(
    Tokens.make({ fetch, sleep: (millis) => Effect.sleep(Duration.millis(millis)) }),
    scope,
  )
  let discarded = 0
  /** A call, which the API answers with `status`. It returns the token that was sent last. */
  const call = (status: (token: string) => number = () => 200, before: Effect.Effect<void> = Effect.void) =>
    tokens.use(
      ({ headers: [, token = ""] }) => Effect.as(before, { token, status: status(token) }),
      () => Effect.sync(() => discarded++),
    )
  return { source, call, scope, discarded: () => discarded }
})

describe("Tokens", () => {
  it.effect("are fetched by the first call, and refreshed in the background before they expire", () =>
    Effect.gen(function* () {
      const { call, source } = yield* staged
      assert.strictEqual(source.fetches, 0)
      assert.strictEqual((yield* call()).token, "token 1")
      yield* TestClock.adjust(Duration.millis(hour - 225_001))
      assert.strictEqual((yield* call()).token, "token 1")
      yield* TestClock.adjust(Duration.millis(1))
      assert.strictEqual(source.fetches, 2)
      assert.strictEqual((yield* call()).token, "token 2")
      // Without any call, too.
      yield* TestClock.adjust(Duration.hours(10))
      assert.isAtLeast(source.fetches, 11)
      const { fetches } = source
      yield* call()
      assert.strictEqual(source.fetches, fetches)
    }),
  )

  it.effect("are fetched once for concurrent calls, which wait for it", () =>
    Effect.gen(function* () {
      const { call, source } = yield* staged
      const gate = (source.gate = yield* Deferred.make<void>())
      const calls = yield* Effect.forEach(Array.from({ length: 20 }), () =>
        Effect.forkChild(call(), { startImmediately: true }),
      )
      assert.strictEqual(source.fetches, 1)
      yield* Deferred.succeed(gate, undefined)
      const sent = yield* Effect.forEach(calls, Fiber.join)
      assert.deepStrictEqual(new Set(sent.map(({ token }) => token)), new Set(["token 1"]))
    }),
  )

  it.effect("are used while a refresh fails, which is tried again with a backoff", () =>
    Effect.gen(function* () {
      const { call, source } = yield* staged
      yield* call()
      source.fails = true
      yield* TestClock.adjust(Duration.millis(hour - 225_000))
      assert.strictEqual(source.fetches, 2)
      yield* TestClock.adjust("7 seconds")
      assert.strictEqual(source.fetches, 5, "after 1, 2 and 4 seconds")
      assert.strictEqual((yield* call()).token, "token 1")
      source.fails = false
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual((yield* call()).token, "token 6")
      assert.strictEqual(source.fetches, 6)
    }),
  )

  it.effect("that have expired are fetched by the next call, and its failure is the call's", () =>
    Effect.gen(function* () {
      const { call, source } = yield* staged
      yield* call()
      source.fails = true
      yield* TestClock.adjust(Duration.millis(hour))
      const { fetches } = source
      assert.strictEqual(yield* Effect.flip(call()), lost)
      assert.strictEqual(source.fetches, fetches + 1)
      // An expired token is not refreshed in the background.
      yield* TestClock.adjust(Duration.hours(5))
      assert.strictEqual(source.fetches, fetches + 1)
      source.fails = false
      yield* call()
      assert.strictEqual(source.fetches, fetches + 2)
    }),
  )

  it.effect("that are short-lived are refreshed after half of their time, and no more often than every second", () =>
    Effect.gen(function* () {
      const { call, source } = yield* staged
      source.life = 240_000
      yield* call()
      yield* TestClock.adjust("119 seconds")
      assert.strictEqual(source.fetches, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(source.fetches, 2)
      source.life = 0
      yield* TestClock.adjust("120 seconds")
      const { fetches } = source
      yield* TestClock.adjust("5 seconds")
      assert.isAtMost(source.fetches, fetches + 5)
    }),
  )

  it.effect("that have worked and are rejected are replaced once, whatever the number of calls", () =>
    Effect.gen(function* () {
      const { call, discarded, source } = yield* staged
      yield* call()
      const revoked = (token: string) => (token === "token 1" ? 401 : 200)
      const answered = yield* Deferred.make<void>()
      const calls = yield* Effect.forEach(Array.from({ length: 5 }), () =>
        Effect.forkChild(call(revoked, Deferred.await(answered)), { startImmediately: true }),
      )
      yield* Deferred.succeed(answered, undefined)
      for (const each of calls) assert.deepStrictEqual(yield* Fiber.join(each), { token: "token 2", status: 200 })
      assert.deepStrictEqual([source.fetches, discarded()], [2, 5])
    }),
  )

  it.effect("that never worked are replaced no sooner than after a minute", () =>
    Effect.gen(function* () {
      const { call, source } = yield* staged
      const never = () => 401
      for (let each = 0; each < 3; each++) assert.strictEqual((yield* call(never)).status, 401)
      assert.strictEqual(source.fetches, 1)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* call(never), { token: "token 2", status: 401 })
      yield* call(never)
      assert.strictEqual(source.fetches, 2)
    }),
  )

  it.effect("end with their scope: no refresh, and no fetch that is under way", () =>
    Effect.gen(function* () {
      const { call, scope, source } = yield* staged
      yield* call()
      source.gate = yield* Deferred.make<void>()
      yield* TestClock.adjust(Duration.millis(hour - 225_000))
      assert.strictEqual(source.fetches, 2)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(Duration.hours(3))
      assert.strictEqual(source.fetches, 2)
    }),
  )
})

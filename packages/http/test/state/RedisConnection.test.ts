/** A network that swallows what is sent, between a gateway's state and a real Redis. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { Cooldowns } from "@understudy/core/Cooldowns"
import * as RedisState from "../../src/state/RedisState.ts"
import * as Proxy from "./TestProxy.ts"
import type { TestRedis } from "./TestRedis.ts"
import * as Redis from "./TestRedis.ts"

let server: TestRedis

const quiet = Layer.mergeAll(
  Layer.succeed(References.MinimumLogLevel, "None"),
  Layer.sync(Metric.MetricRegistry, () => new Map()),
)

/** The state of one gateway. */
const gateway = (url: string) => Layer.build(Layer.provide(Layer.fresh(RedisState.layer(Redacted.make(url))), quiet))

const until = Effect.fnUntraced(function* (what: string, holds: Effect.Effect<boolean>) {
  for (let times = 0; times < 400; times++) {
    if (yield* holds) return
    yield* Effect.sleep("25 millis")
  }
  assert.fail(`never: ${what}`)
})

describe.skipIf(!Redis.installed)("a Redis behind a network that swallows packets", { timeout: 30_000 }, () => {
  beforeAll(async () => {
    server = await Redis.start()
  })
  afterAll(() => server.kill())

  const proxied = Effect.acquireRelease(
    Effect.promise(() => Proxy.start(Number(new URL(server.url).port))),
    (proxy) => Effect.sync(proxy.close),
  )
  const through = ({ port }: Proxy.TestProxy) => gateway(`redis://127.0.0.1:${port}`)

  let runs = 0
  /** Whether what one learns reaches the other through Redis. */
  const shares = (one: Context.Context<Cooldowns>, two: Context.Context<Cooldowns>) =>
    Effect.gen(function* () {
      const key = `shared-${++runs}`
      yield* Context.get(one, Cooldowns).start(key, Date.now() + 60_000)
      return (yield* Context.get(two, Cooldowns).read!(key)) > Date.now()
    })

  it.live("fails at once while packets are dropped, and reconnects when they pass", () =>
    Effect.gen(function* () {
      const proxy = yield* proxied
      const state = yield* through(proxy)
      const other = yield* gateway(server.url)
      assert.isTrue(yield* shares(state, other))
      proxy.swallow()
      const circuits = Context.get(state, CircuitBreaker.CircuitBreakerStore)
      const limits = Context.get(state, RateLimiter.RateLimiter)
      const rests = Context.get(state, Cooldowns)
      const limit = { key: "a", limit: 1_000_000, window: "1 minute", algorithm: "token-bucket", tokens: 1 } as const
      const operations = Effect.all([circuits.state("a"), limits.consume(limit), rests.read!("a")])
      yield* operations
      // The first to notice waits a tenth of a second; nobody after it waits for anything, though packets are still swallowed.
      assert.strictEqual(Effect.runSyncExit(operations)._tag, "Success")
      yield* until(
        "a new connection is tried",
        Effect.sync(() => proxy.opened() > 1),
      )
      assert.isFalse(yield* shares(state, other), "what stays swallowed stays lost")
      assert.isAtMost(proxy.open(), 2, "and connections do not pile up")
      proxy.heal()
      yield* until("shared again", shares(state, other))
      yield* until(
        "one connection is left",
        Effect.sync(() => proxy.open() === 1),
      )
    }).pipe(Effect.scoped),
  )

  it.live("does not delay closing", () =>
    Effect.gen(function* () {
      const proxy = yield* proxied
      yield* Effect.scoped(
        Effect.gen(function* () {
          const state = yield* through(proxy)
          assert.isTrue(yield* shares(state, state))
          proxy.swallow()
          yield* shares(state, state)
          assert.strictEqual(proxy.open(), 1)
        }),
      )
      yield* until(
        "nothing is left open",
        Effect.sync(() => proxy.open() === 0),
      )
    }).pipe(Effect.scoped),
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redis from "effect/persistence/Redis"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { TestClock } from "effect/testing"
import * as AffinityStore from "../src/affinity/AffinityStore.ts"
import * as CacheStore from "../src/cache/CacheStore.ts"
import * as Bucket from "../src/policy/Bucket.ts"
import * as RateLimit from "../src/admission/RateLimit.ts"
import * as Cooldowns from "../src/admission/Cooldowns.ts"
import * as SharedState from "../src/SharedState.ts"

/** Shared state over a Redis that is as it is told to be; what it logged, and how often Redis was asked. */
const make = Effect.gen(function* () {
  const world = { mood: "silent" as "silent" | "gone" | "back", asked: 0, logged: new Array<string>() }
  const reply = Effect.suspend((): Effect.Effect<never, Redis.RedisError> => {
    world.asked++
    if (world.mood === "silent") return Effect.never
    if (world.mood === "gone") return Effect.fail(new Redis.RedisError({ cause: new Error("gone") }))
    return Effect.succeed(0) as Effect.Effect<never>
  })
  const redis = Redis.Redis.of({
    send: () => reply,
    eval: () => () => reply,
    subscribe: () => Effect.die("not asked for"),
    reserve: Effect.die("not asked for"),
  })
  const logger = Logger.make(({ message }) => void world.logged.push(String(message).split(":")[0] ?? ""))
  const services = yield* Layer.build(
    Layer.provideMerge(SharedState.layer, [
      Layer.succeed(Redis.Redis, redis),
      Logger.layer([logger]),
      Layer.succeed(Metric.MetricRegistry, new Map()),
    ]),
  )
  const degraded = Effect.sync(
    () => /^understudy_state_degraded (\d)/m.exec(PrometheusMetrics.formatUnsafe(services))?.[1],
  )
  return {
    world,
    degraded,
    circuits: Context.get(services, CircuitBreaker.CircuitBreakerStore),
    limiter: Context.get(services, RateLimiter.RateLimiter),
    rests: Context.get(services, Cooldowns.Cooldowns),
    cache: Context.get(services, CacheStore.CacheStore),
    conversations: Context.get(services, AffinityStore.AffinityStore),
  }
})

describe("SharedState", () => {
  it.effect("waits 100 ms for a Redis that does not answer, once, then uses memory", () =>
    Effect.gen(function* () {
      const { circuits, degraded, limiter, rests, world } = yield* make
      assert.strictEqual(yield* degraded, "0")
      const looking = yield* Effect.forkChild(Effect.uninterruptible(rests.read!("a")))
      yield* TestClock.adjust("99 millis")
      assert.isUndefined(looking.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(looking), 0)
      assert.strictEqual(yield* degraded, "1")

      const { asked } = world
      const buckets = Bucket.make("a", { rpm: 1 })
      const acquire = Effect.clockWith((clock) => RateLimit.tryAcquire({ limiter, buckets, tokens: 0 }, clock))
      yield* acquire
      assert.strictEqual((yield* Effect.flip(acquire)).limit, "rpm")
      assert.isFalse((yield* Effect.scoped(circuits.admit("a"))).probe)
      yield* rests.start("a", 60_000)
      assert.strictEqual(yield* rests.read!("a"), 60_000)
      assert.strictEqual(world.asked, asked, "nobody asks Redis meanwhile")
    }),
  )

  it.effect("uses memory when Redis fails, and Redis again when it is back, and logs each once", () =>
    Effect.gen(function* () {
      const { degraded, rests, world } = yield* make
      world.mood = "gone"
      for (let times = 0; times < 5; times++) assert.strictEqual(yield* rests.read!("a"), 0)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* degraded, "1")
      assert.deepStrictEqual(world.logged, ["Redis is unavailable"])
      world.mood = "back"
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* degraded, "0")
      assert.deepStrictEqual(world.logged, ["Redis is unavailable", "Redis is available again"])
      const { asked } = world
      yield* rests.read!("a")
      assert.strictEqual(world.asked, asked + 1)
    }),
  )
})

describe("a shared cache", () => {
  it.effect("misses without a wait while Redis is unavailable", () =>
    Effect.gen(function* () {
      const { cache, rests, world } = yield* make
      const place = yield* cache.forRoute({ ttl: 60_000, max: 10 })
      const looking = yield* Effect.forkChild(rests.read!("a"))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(looking)
      const { asked } = world
      yield* place.set("k", { deployment: "a", droppedParams: undefined, answer: { _tag: "Streamed", frames: [] } })
      assert.isUndefined(yield* place.get("k"))
      assert.strictEqual(world.asked, asked)
      world.mood = "gone"
      yield* TestClock.adjust("1 second")
      assert.isUndefined(yield* place.get("k"))
    }),
  )
})

describe("shared conversations", () => {
  it.effect("are those of this gateway while Redis is unavailable, without a wait for each", () =>
    Effect.gen(function* () {
      const { conversations, world } = yield* make
      const keeping = yield* Effect.forkChild(conversations.set(["k"], "a", 60_000))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(keeping)
      const { asked } = world
      assert.strictEqual(yield* conversations.find(["other", "k"], 60_000), "a")
      assert.isUndefined(yield* conversations.find(["other"], 60_000))
      yield* conversations.set(["k"], "b", 60_000)
      assert.strictEqual(yield* conversations.find(["k"], undefined), "b")
      assert.strictEqual(world.asked, asked)
    }),
  )
})

describe("a probe under way when Redis returns", () => {
  it.effect("is recorded in the store that admitted it", () =>
    Effect.gen(function* () {
      const { circuits, degraded, rests, world } = yield* make
      const record = (generation: number, outcome: "Success" | "Failure") =>
        circuits.record({
          key: "a",
          generation,
          outcome,
          tripPolicy: CircuitBreaker.consecutive(1),
          openFor: Duration.seconds(1),
        })
      world.mood = "gone"
      const { generation } = yield* Effect.scoped(circuits.admit("a"))
      yield* record(generation, "Failure")
      yield* TestClock.adjust("1 second")
      const probe = yield* Effect.scoped(circuits.admit("a"))
      assert.isTrue(probe.probe)
      world.mood = "back"
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* degraded, "0")
      yield* Effect.ignoreCause(record(probe.generation, "Success"))
      world.mood = "gone"
      yield* rests.read!("a")
      assert.strictEqual((yield* circuits.state("a"))._tag, "Closed")
    }),
  )
})

describe("Cooldowns.makeMemory", () => {
  it.effect("never shortens a cooldown", () =>
    Effect.gen(function* () {
      const rests = Cooldowns.makeMemory()
      assert.isUndefined(rests.read)
      assert.strictEqual(rests.until("a"), 0)
      yield* rests.start("a", 2000)
      yield* rests.start("a", 1000)
      assert.strictEqual(rests.until("a"), 2000)
      assert.strictEqual(rests.until("b"), 0)
    }),
  )
})

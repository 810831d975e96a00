/**
 * Circuits, rate limits, rests and kept answers in Redis, so that gateways that share it trip, throttle, rest and remember
 * as one.
 *
 * A call never fails because of Redis, and hardly waits for it: an operation that fails, or takes longer than `operationTimeout`,
 * is done in memory instead, and so is every one after it until Redis answers again. Meanwhile each gateway goes by what
 * it sees itself, and finds no answer kept; a warning says so, and the gauge `understudy_state_degraded` is 1.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redis from "effect/persistence/Redis"
import * as Result from "effect/Result"
import * as CacheStore from "./cache/CacheStore.ts"
import * as Circuit from "./admission/Circuit.ts"
import * as RateLimit from "./admission/RateLimit.ts"
import * as Cooldowns from "./admission/Cooldowns.ts"

/** How long an operation may take before memory does it. */
const operationTimeout = Duration.millis(100)

/** Redis' own time, in milliseconds. */
const now = `local time = redis.call("TIME")
local now = math.floor(time[1] * 1000 + time[2] / 1000)`

/** How often Redis is tried while it is lost. */
const reconnectInterval = Duration.millis(250)

const prefix = "understudy:"

const degraded = Metric.gauge("understudy_state_degraded", {
  description: "1 while the shared state cannot be reached and each gateway goes by what it sees itself, else 0",
})

/** Does an operation on Redis, or what stands in for it. `isLost` tells Redis' own failures from answers that are errors. */
type WithFallback = <A, E, R>(
  shared: Effect.Effect<A, E, R>,
  local: Effect.Effect<A, E, R>,
  isLost: (error: E) => boolean,
) => Effect.Effect<A, E, R>

const makeWithFallback = Effect.gen(function* () {
  const redis = yield* Redis.Redis
  const scope = yield* Effect.scope
  const context = yield* Effect.context<never>()
  yield* Metric.update(degraded, 0)
  let lost = false

  // A reply that lies unread because this process was busy still counts: it is read before the yield comes back.
  const late = Effect.as(Effect.andThen(Effect.sleep(operationTimeout), Effect.yieldNow), undefined)
  const inTime = <A, E, R>(shared: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(Effect.interruptible(Effect.result(shared)), late)

  // A write, since a Redis that only reads is of no use either.
  const probe = Effect.delay(inTime(redis.send("SET", `${prefix}probe`, "1", "PX", "1000")), reconnectInterval)
  const standIn = Effect.fnUntraced(function* (cause: unknown) {
    yield* Metric.update(degraded, 1)
    yield* Effect.logWarning("Redis is lost: circuits, limits and rests are this gateway's own until it is back", cause)
    yield* Effect.repeat(probe, { until: (reply) => reply !== undefined && Result.isSuccess(reply) })
    lost = false
    yield* Metric.update(degraded, 0)
    yield* Effect.logInfo("Redis is back: circuits, limits and rests are shared again")
  })
  const lose = (cause: unknown) =>
    Effect.suspend(() => {
      if (lost) return Effect.void
      lost = true
      return Effect.forkIn(Effect.interruptible(Effect.provideContext(standIn(cause), context)), scope)
    })

  const ask: WithFallback = (shared, local, isLost) =>
    Effect.suspend(() =>
      lost
        ? local
        : Effect.flatMap(inTime(shared), (reply) => {
            if (reply === undefined) return Effect.andThen(lose("no answer in time"), local)
            if (Result.isSuccess(reply)) return Effect.succeed(reply.success)
            return isLost(reply.failure) ? Effect.andThen(lose(reply.failure), local) : Effect.fail(reply.failure)
          }),
    )
  return ask
})

const circuitPrefix = `${prefix}circuit:`

const circuits = (
  ask: WithFallback,
  redis: Redis.Redis["Service"],
  shared: Circuit.Store,
  local: Circuit.Store,
): Circuit.Store => {
  const isLost = ({ reason }: CircuitBreaker.CircuitBreakerError) => reason._tag === "CircuitBreakerStoreError"
  return {
    admit: (key) => ask(shared.admit(key), local.admit(key), isLost),
    // Both hear of it, since Redis may have come or gone since the call was admitted: a probe must never stay unsettled.
    // The one that did not admit it knows nothing of its generation, and changes nothing.
    record: (options) =>
      Effect.flatMap(local.record(options), (moved) => ask(shared.record(options), Effect.succeed(moved), isLost)),
    state: (key) => ask(shared.state(key), local.state(key), isLost),
    open: (key, millis) =>
      Effect.andThen(
        local.open?.(key, millis) ?? Effect.void,
        Effect.ignore(ask(opened(shared, key, millis), Effect.void, () => true)),
      ),
    reset: (key) =>
      Effect.andThen(
        local.reset?.(key) ?? Effect.void,
        Effect.ignore(ask(Effect.asVoid(redis.send("DEL", `${circuitPrefix}${key}`)), Effect.void, () => true)),
      ),
  }
}

/** By a call that fails: Effect's store opens a circuit in no other way. */
const opened = (shared: Circuit.Store, key: string, millis: number) =>
  Effect.scoped(
    Effect.flatMap(shared.admit(key), ({ generation }) =>
      shared.record({
        key,
        generation,
        outcome: "Failure",
        tripPolicy: CircuitBreaker.consecutive(1),
        openFor: Duration.millis(millis),
      }),
    ),
  ).pipe(
    Effect.asVoid,
    Effect.catch((error) => (error.reason._tag === "CircuitBreakerStoreError" ? Effect.fail(error) : Effect.void)),
  )

const limiter = (
  ask: WithFallback,
  shared: RateLimiter.RateLimiter,
  local: RateLimiter.RateLimiter,
): RateLimiter.RateLimiter => {
  const isLost = ({ reason }: RateLimiter.RateLimiterError) => reason._tag === "RateLimitStoreError"
  return {
    ...local,
    consume: (options) => ask(shared.consume(options), local.consume(options), isLost),
    adaptiveConsume: (options) => ask(shared.adaptiveConsume(options), local.adaptiveConsume(options), isLost),
    adaptiveFeedback: (options) => ask(shared.adaptiveFeedback(options), local.adaptiveFeedback(options), isLost),
  }
}

/**
 * A rest is a key that lives as long as the deployment said, and holds until when nobody asks, by Redis' own clock: no
 * clock of ours is compared with anybody's.
 */
const cooldownScripts = {
  /** Milliseconds left: above zero while nobody asks, below zero while one may; zero where there is no rest. */
  look: Redis.script((key: string) => [key], {
    numberOfKeys: 1,
    lua: `${now}
local left = redis.call("PTTL", KEYS[1])
if left <= 0 then return 0 end
local rests = (tonumber(redis.call("GET", KEYS[1])) or 0) - now
if rests > 0 then return rests end
return -left`,
  }).withReturnType<number>(),
  rest: Redis.script((key: string, millis: number, said: number) => [key, millis, said], {
    numberOfKeys: 1,
    lua: `${now}
local rests = math.max(now + ARGV[1], tonumber(redis.call("GET", KEYS[1]) or 0) or 0)
local said = math.max(tonumber(ARGV[2]), redis.call("PTTL", KEYS[1]))
redis.call("SET", KEYS[1], string.format("%.0f", rests), "PX", string.format("%.0f", said))`,
  }),
  /** 1 where the caller is the one that asks. With no milliseconds to rest, the next caller is. */
  probe: Redis.script((key: string, millis: number) => [key, millis], {
    numberOfKeys: 1,
    lua: `${now}
local left = redis.call("PTTL", KEYS[1])
if left <= 0 then return 1 end
local millis = tonumber(ARGV[1])
if millis > 0 and (tonumber(redis.call("GET", KEYS[1])) or 0) > now then return 0 end
redis.call("SET", KEYS[1], string.format("%.0f", now + math.min(millis, left)), "PX", string.format("%.0f", left))
return 1`,
  }).withReturnType<number>(),
}

const cooldowns = (
  ask: WithFallback,
  redis: Redis.Redis["Service"],
  local: Cooldowns.Cooldowns["Service"],
): Cooldowns.Cooldowns["Service"] => {
  const always = () => true
  const at = (key: string) => `${prefix}rest:${key}`
  const [look, rest, probe] = [
    redis.eval(cooldownScripts.look),
    redis.eval(cooldownScripts.rest),
    redis.eval(cooldownScripts.probe),
  ]
  const tell = <A, E>(shared: Effect.Effect<A, E>) => Effect.ignore(ask(Effect.asVoid(shared), Effect.void, always))
  return {
    until: local.until,
    requestedUntil: local.requestedUntil,
    read: (key) =>
      Effect.clockWith((clock) => {
        const known = Effect.sync(() => local.until(key))
        const left = Effect.orElseSucceed(
          ask<number | undefined, Redis.RedisError, never>(look(at(key)), Effect.undefined, always),
          () => undefined,
        )
        return Effect.flatMap(left, (millis) => {
          const now = clock.currentTimeMillisUnsafe()
          if (millis === undefined) return known
          if (millis > 0) {
            // What is known here is as good: times that travelled differ by what the way takes.
            return local.until(key) > now ? known : Effect.andThen(local.start(key, now + millis), known)
          }
          // One that another gateway ended, or asks after.
          const ended = local.until(key) === 0 && local.requestedUntil(key) === 0 ? Effect.void : local.end(key)
          return millis < 0
            ? Effect.as(Effect.andThen(ended, local.start(key, 0, now - millis)), 0)
            : Effect.as(ended, 0)
        })
      }),
    start: (key, until, said = until) =>
      Effect.clockWith((clock) => {
        const now = clock.currentTimeMillisUnsafe()
        const [millis, promised] = [Math.ceil(until - now), Math.ceil(said - now)]
        if (millis <= 0) return Effect.void
        return Effect.andThen(local.start(key, until, said), tell(rest(at(key), millis, promised)))
      }),
    probe: (key, until) =>
      Effect.clockWith((clock) => {
        const millis = Math.max(1, Math.ceil(until - clock.currentTimeMillisUnsafe()))
        const here = local.probe(key, until)
        const asks = ask(
          Effect.map(probe(at(key), millis), (won) => won === 1),
          here,
          always,
        )
        return Effect.flatMap(
          Effect.orElseSucceed(asks, () => true),
          (won) => Effect.as(won ? here : local.start(key, until), won),
        )
      }),
    release: (key) => Effect.andThen(local.release(key), tell(probe(at(key), 0))),
    end: (key) => Effect.andThen(local.end(key), tell(redis.send("DEL", at(key)))),
  }
}

/** Kept answers are keys that live as long as they: how many there may be is Redis' own to say. */
const cacheStore = (ask: WithFallback, redis: Redis.Redis["Service"]): CacheStore.CacheStore["Service"] => {
  const always = () => true
  const at = (key: string) => `${prefix}answer:${key}`
  return {
    forRoute: ({ ttl }) =>
      Effect.succeed({
        get: (key) =>
          ask(redis.send<string | null>("GET", at(key)), Effect.succeed(null), always).pipe(
            Effect.map((text) => (text === null ? undefined : CacheStore.parse(text))),
            Effect.orElseSucceed(() => undefined),
          ),
        set: (key, entry) =>
          Effect.ignore(
            ask(redis.send("SET", at(key), CacheStore.print(entry), "PX", String(Math.ceil(ttl))), Effect.void, always),
          ),
      }),
  }
}

/**
 * What shares state, for `Router.layerShared`. Redis may go away and come back while the layer stands; its client must
 * let commands fail while it is away, not queue them.
 *
 * ```ts
 * Router.layerShared(options).pipe(
 *   Layer.provide(SharedState.layer),
 *   Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379", disableOfflineQueue: true }))
 * )
 * ```
 */
export const layer: Layer.Layer<
  CircuitBreaker.CircuitBreakerStore | RateLimiter.RateLimiter | Cooldowns.Cooldowns | CacheStore.CacheStore,
  never,
  Redis.Redis
> = Layer.effectContext(
  Effect.gen(function* () {
    const redis = yield* Redis.Redis
    const ask = yield* makeWithFallback
    const shared = yield* Layer.build(
      Layer.mergeAll(
        CircuitBreaker.layerStoreRedis({ prefix: circuitPrefix }),
        Layer.provide(RateLimiter.layer, RateLimiter.layerStoreRedis({ prefix: `${prefix}limit:` })),
      ),
    )
    const local = yield* Layer.build(Layer.mergeAll(Circuit.layerStore, RateLimit.layerMemory))
    const both = <I, S>(tag: Context.Key<I, S>, join: (ask: WithFallback, shared: S, local: S) => S) =>
      Context.make(tag, join(ask, Context.getUnsafe(shared, tag), Context.getUnsafe(local, tag)))
    return Context.mergeAll(
      both(CircuitBreaker.CircuitBreakerStore, (ask, shared, local) => circuits(ask, redis, shared, local)),
      both(RateLimiter.RateLimiter, limiter),
      Context.make(Cooldowns.Cooldowns, cooldowns(ask, redis, Cooldowns.makeMemory())),
      Context.make(CacheStore.CacheStore, cacheStore(ask, redis)),
    )
  }),
)

/**
 * Circuits, rate limits, cooldowns, cached responses and kept conversations in Redis, shared by all gateways that use it.
 *
 * A call never fails because of Redis. An operation that fails, or takes longer than 100 ms, is done in memory instead, and
 * so are all that follow until Redis answers again. Until then each gateway uses its own circuits, limits, cooldowns and
 * conversations, and its caches are empty. A warning is logged, and the gauge `understudy_state_degraded` is 1.
 *
 * ```ts
 * const RouterLive = Router.layerShared({ deployments, routes }).pipe(
 *   Layer.provide(SharedState.layer),
 *   Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379", disableOfflineQueue: true })),
 * )
 * ```
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
import * as AffinityStore from "./affinity/AffinityStore.ts"
import * as CacheStore from "./cache/CacheStore.ts"
import * as Circuit from "./admission/Circuit.ts"
import * as RateLimit from "./admission/RateLimit.ts"
import * as Cooldowns from "./admission/Cooldowns.ts"

/** The timeout of an operation on Redis, after which it is done in memory. */
const operationTimeout = Duration.millis(100)

/** Lua: the time of the Redis server, in milliseconds. */
const now = `local time = redis.call("TIME")
local now = math.floor(time[1] * 1000 + time[2] / 1000)`

/** The interval at which Redis is probed while it is unavailable. */
const reconnectInterval = Duration.millis(250)

const prefix = "understudy:"

const degraded = Metric.gauge("understudy_state_degraded", {
  description: "1 while Redis is unavailable and each gateway uses its own memory, else 0",
})

/**
 * Runs `shared`, an operation on Redis, or `local` in its place while Redis is unavailable. `isUnavailable`: whether an error
 * is Redis' own, rather than a result of the operation.
 */
type WithFallback = <A, E, R>(
  shared: Effect.Effect<A, E, R>,
  local: Effect.Effect<A, E, R>,
  isUnavailable: (error: E) => boolean,
) => Effect.Effect<A, E, R>

const makeWithFallback = Effect.gen(function* () {
  const redis = yield* Redis.Redis
  const scope = yield* Effect.scope
  const context = yield* Effect.context<never>()
  yield* Metric.update(degraded, 0)
  let down = false

  // After a blocked event loop, a reply may wait unread in the socket: it is read before the yield returns.
  const timedOut = Effect.as(Effect.andThen(Effect.sleep(operationTimeout), Effect.yieldNow), undefined)
  const inTime = <A, E, R>(shared: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(Effect.interruptible(Effect.result(shared)), timedOut)

  // A write: a read-only replica does not count as available.
  const probe = Effect.delay(inTime(redis.send("SET", `${prefix}probe`, "1", "PX", "1000")), reconnectInterval)
  const runDegraded = Effect.fnUntraced(function* (cause: unknown) {
    yield* Metric.update(degraded, 1)
    yield* Effect.logWarning(
      "Redis is unavailable: using in-memory circuits, limits and cooldowns until it reconnects",
      cause,
    )
    yield* Effect.repeat(probe, { until: (reply) => reply !== undefined && Result.isSuccess(reply) })
    down = false
    yield* Metric.update(degraded, 0)
    yield* Effect.logInfo("Redis is available again: circuits, limits and cooldowns are shared")
  })
  const markDown = (cause: unknown) =>
    Effect.suspend(() => {
      if (down) return Effect.void
      down = true
      return Effect.forkIn(Effect.interruptible(Effect.provideContext(runDegraded(cause), context)), scope)
    })

  const withFallback: WithFallback = (shared, local, isUnavailable) =>
    Effect.suspend(() =>
      down
        ? local
        : Effect.flatMap(inTime(shared), (reply) => {
            if (reply === undefined) return Effect.andThen(markDown("no reply in time"), local)
            if (Result.isSuccess(reply)) return Effect.succeed(reply.success)
            return isUnavailable(reply.failure)
              ? Effect.andThen(markDown(reply.failure), local)
              : Effect.fail(reply.failure)
          }),
    )
  return withFallback
})

const circuitPrefix = `${prefix}circuit:`

const circuits = (
  withFallback: WithFallback,
  redis: Redis.Redis["Service"],
  shared: Circuit.Store,
  local: Circuit.Store,
): Circuit.Store => {
  const isUnavailable = ({ reason }: CircuitBreaker.CircuitBreakerError) => reason._tag === "CircuitBreakerStoreError"
  return {
    admit: (key) => withFallback(shared.admit(key), local.admit(key), isUnavailable),
    // Both stores record the outcome, since Redis may have come or gone since the call was admitted, and a probe must be
    // settled. The store that did not admit the call does not know its generation, and ignores it.
    record: (options) =>
      Effect.flatMap(local.record(options), (transition) =>
        withFallback(shared.record(options), Effect.succeed(transition), isUnavailable),
      ),
    state: (key) => withFallback(shared.state(key), local.state(key), isUnavailable),
    open: (key, millis) =>
      Effect.andThen(
        local.open?.(key, millis) ?? Effect.void,
        Effect.ignore(withFallback(openCircuit(shared, key, millis), Effect.void, () => true)),
      ),
    reset: (key) =>
      Effect.andThen(
        local.reset?.(key) ?? Effect.void,
        Effect.ignore(
          withFallback(Effect.asVoid(redis.send("DEL", `${circuitPrefix}${key}`)), Effect.void, () => true),
        ),
      ),
  }
}

/** Opens a circuit by recording a failed call: Effect's store has no other way. */
const openCircuit = (shared: Circuit.Store, key: string, millis: number) =>
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
  withFallback: WithFallback,
  shared: RateLimiter.RateLimiter,
  local: RateLimiter.RateLimiter,
): RateLimit.Limiter => {
  const isUnavailable = ({ reason }: RateLimiter.RateLimiterError) => reason._tag === "RateLimitStoreError"
  return {
    ...local,
    // Those of Redis count.
    counters: undefined,
    consume: (options) => withFallback(shared.consume(options), local.consume(options), isUnavailable),
    adaptiveConsume: (options) =>
      withFallback(shared.adaptiveConsume(options), local.adaptiveConsume(options), isUnavailable),
    adaptiveFeedback: (options) =>
      withFallback(shared.adaptiveFeedback(options), local.adaptiveFeedback(options), isUnavailable),
  }
}

/**
 * A cooldown is a key that expires when the wait that the provider requested is over. Its value is the time until which no
 * call is made, by the clock of the Redis server: clocks of gateways are never compared.
 */
const cooldownScripts = {
  /** The milliseconds left: positive until a probe is allowed, negative once it is, 0 without a cooldown. */
  read: Redis.script((key: string) => [key], {
    numberOfKeys: 1,
    lua: `${now}
local left = redis.call("PTTL", KEYS[1])
if left <= 0 then return 0 end
local wait = (tonumber(redis.call("GET", KEYS[1])) or 0) - now
if wait > 0 then return wait end
return -left`,
  }).withReturnType<number>(),
  start: Redis.script((key: string, millis: number, requested: number) => [key, millis, requested], {
    numberOfKeys: 1,
    lua: `${now}
local untilTime = math.max(now + ARGV[1], tonumber(redis.call("GET", KEYS[1]) or 0) or 0)
local requested = math.max(tonumber(ARGV[2]), redis.call("PTTL", KEYS[1]))
redis.call("SET", KEYS[1], string.format("%.0f", untilTime), "PX", string.format("%.0f", requested))`,
  }),
  /** 1 if the call may probe. Other calls then wait `millis`; with 0, the next call may probe. */
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
  withFallback: WithFallback,
  redis: Redis.Redis["Service"],
  local: Cooldowns.Cooldowns["Service"],
): Cooldowns.Cooldowns["Service"] => {
  const always = () => true
  const at = (key: string) => `${prefix}cooldown:${key}`
  const [read, start, probe] = [
    redis.eval(cooldownScripts.read),
    redis.eval(cooldownScripts.start),
    redis.eval(cooldownScripts.probe),
  ]
  const share = <A, E>(shared: Effect.Effect<A, E>) =>
    Effect.ignore(withFallback(Effect.asVoid(shared), Effect.void, always))
  return {
    until: local.until,
    requestedUntil: local.requestedUntil,
    read: (key) =>
      Effect.clockWith((clock) => {
        const known = Effect.sync(() => local.until(key))
        const left = Effect.orElseSucceed(
          withFallback<number | undefined, Redis.RedisError, never>(read(at(key)), Effect.undefined, always),
          () => undefined,
        )
        return Effect.flatMap(left, (millis) => {
          const now = clock.currentTimeMillisUnsafe()
          if (millis === undefined) return known
          if (millis > 0) {
            // A local cooldown is as good: the time from Redis is off by the latency of the reply.
            return local.until(key) > now ? known : Effect.andThen(local.start(key, now + millis), known)
          }
          // Another gateway ended the cooldown, or probes.
          const ended = local.until(key) === 0 && local.requestedUntil(key) === 0 ? Effect.void : local.end(key)
          return millis < 0
            ? Effect.as(Effect.andThen(ended, local.start(key, 0, now - millis)), 0)
            : Effect.as(ended, 0)
        })
      }),
    start: (key, until, requestedUntil = until) =>
      Effect.clockWith((clock) => {
        const now = clock.currentTimeMillisUnsafe()
        const [millis, requested] = [Math.ceil(until - now), Math.ceil(requestedUntil - now)]
        if (millis <= 0) return Effect.void
        return Effect.andThen(local.start(key, until, requestedUntil), share(start(at(key), millis, requested)))
      }),
    probe: (key, until) =>
      Effect.clockWith((clock) => {
        const millis = Math.max(1, Math.ceil(until - clock.currentTimeMillisUnsafe()))
        const locally = local.probe(key, until)
        const probes = withFallback(
          Effect.map(probe(at(key), millis), (won) => won === 1),
          locally,
          always,
        )
        return Effect.flatMap(
          Effect.orElseSucceed(probes, () => true),
          (won) => Effect.as(won ? locally : local.start(key, until), won),
        )
      }),
    release: (key) => Effect.andThen(local.release(key), share(probe(at(key), 0))),
    end: (key) => Effect.andThen(local.end(key), share(redis.send("DEL", at(key)))),
  }
}

/** A cached response is a key that expires after `ttl`. `max` does not apply: Redis evicts by its own memory policy. */
const cacheStore = (withFallback: WithFallback, redis: Redis.Redis["Service"]): CacheStore.CacheStore["Service"] => {
  const always = () => true
  const at = (key: string) => `${prefix}cache:${key}`
  return {
    forRoute: ({ ttl }) =>
      Effect.succeed({
        get: (key) =>
          withFallback(redis.send<string | null>("GET", at(key)), Effect.succeed(null), always).pipe(
            Effect.map((text) => (text === null ? undefined : CacheStore.parse(text))),
            Effect.orElseSucceed(() => undefined),
          ),
        set: (key, entry) =>
          Effect.ignore(
            withFallback(
              redis.send("SET", at(key), CacheStore.print(entry), "PX", String(Math.ceil(ttl))),
              Effect.void,
              always,
            ),
          ),
      }),
  }
}

const affinityScripts = {
  /** The deployment of the first key that has one, or "". With `ttl`, it stays that many milliseconds from now on. */
  find: Redis.script((keys: ReadonlyArray<string>, ttl: number) => [...keys, ttl], {
    numberOfKeys: (keys) => keys.length,
    lua: `for _, key in ipairs(KEYS) do
  local deployment = redis.call("GET", key)
  if deployment then
    if tonumber(ARGV[1]) > 0 then redis.call("PEXPIRE", key, ARGV[1]) end
    return deployment
  end
end
return ""`,
  }).withReturnType<string>(),
  set: Redis.script((keys: ReadonlyArray<string>, deployment: string, ttl: number) => [...keys, deployment, ttl], {
    numberOfKeys: (keys) => keys.length,
    lua: `for _, key in ipairs(KEYS) do redis.call("SET", key, ARGV[1], "PX", ARGV[2]) end`,
  }),
}

/** A conversation is a key that expires. What this gateway keeps or finds there, it also keeps itself, for an outage of Redis. */
const affinityStore = (
  withFallback: WithFallback,
  redis: Redis.Redis["Service"],
  local: AffinityStore.AffinityStore["Service"],
): AffinityStore.AffinityStore["Service"] => {
  const always = () => true
  const [find, set] = [redis.eval(affinityScripts.find), redis.eval(affinityScripts.set)]
  const at = (keys: ReadonlyArray<string>) => keys.map((key) => `${prefix}affinity:${key}`)
  return {
    find: (keys, ttl) => {
      const shared = Effect.flatMap(find(at(keys), Math.ceil(ttl ?? 0)), (deployment) => {
        if (deployment === "") return Effect.undefined
        return ttl === undefined
          ? Effect.succeed(deployment)
          : Effect.as(local.set(keys.slice(0, 1), deployment, ttl), deployment)
      })
      return Effect.orElseSucceed(withFallback(shared, local.find(keys, ttl), always), () => undefined)
    },
    set: (keys, deployment, ttl) =>
      Effect.andThen(
        local.set(keys, deployment, ttl),
        Effect.ignore(withFallback(Effect.asVoid(set(at(keys), deployment, Math.ceil(ttl))), Effect.void, always)),
      ),
  }
}

/**
 * The stores for `Router.layerShared`, in Redis. Redis may disconnect and reconnect while the layer is in use. Its client
 * must fail commands while it is disconnected, not queue them.
 */
export const layer: Layer.Layer<
  | CircuitBreaker.CircuitBreakerStore
  | RateLimiter.RateLimiter
  | Cooldowns.Cooldowns
  | CacheStore.CacheStore
  | AffinityStore.AffinityStore,
  never,
  Redis.Redis
> = Layer.effectContext(
  Effect.gen(function* () {
    const redis = yield* Redis.Redis
    const withFallback = yield* makeWithFallback
    const shared = yield* Layer.build(
      Layer.mergeAll(
        CircuitBreaker.layerStoreRedis({ prefix: circuitPrefix }),
        Layer.provide(RateLimiter.layer, RateLimiter.layerStoreRedis({ prefix: `${prefix}limit:` })),
      ),
    )
    const local = yield* Layer.build(Layer.mergeAll(Circuit.layerStore, RateLimit.layerMemory))
    const combine = <I, S>(tag: Context.Key<I, S>, join: (withFallback: WithFallback, shared: S, local: S) => S) =>
      Context.make(tag, join(withFallback, Context.getUnsafe(shared, tag), Context.getUnsafe(local, tag)))
    return Context.mergeAll(
      combine(CircuitBreaker.CircuitBreakerStore, (withFallback, shared, local) =>
        circuits(withFallback, redis, shared, local),
      ),
      combine(RateLimiter.RateLimiter, limiter),
      Context.make(Cooldowns.Cooldowns, cooldowns(withFallback, redis, Cooldowns.makeMemory())),
      Context.make(CacheStore.CacheStore, cacheStore(withFallback, redis)),
      Context.make(AffinityStore.AffinityStore, affinityStore(withFallback, redis, AffinityStore.makeMemory())),
    )
  }),
)

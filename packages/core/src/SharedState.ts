/**
 * Circuits, rate limits, rests and kept answers in Redis, so that gateways that share it trip, throttle, rest and remember
 * as one.
 *
 * A call never fails because of Redis, and hardly waits for it: an operation that fails, or takes longer than `patience`,
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
import * as Cache from "./Cache.ts"
import * as Circuit from "./Circuit.ts"
import * as RateLimit from "./RateLimit.ts"
import * as Rests from "./Rests.ts"

/** How long an operation may take before memory does it. */
const patience = Duration.millis(100)

/** How often Redis is tried while it is lost. */
const recovery = Duration.millis(250)

const prefix = "understudy:"

const degraded = Metric.gauge("understudy_state_degraded", {
  description: "1 while the shared state cannot be reached and each gateway goes by what it sees itself, else 0",
})

/** Does an operation on Redis, or what stands in for it. `isLost` tells Redis' own failures from answers that are errors. */
type Ask = <A, E, R>(
  shared: Effect.Effect<A, E, R>,
  local: Effect.Effect<A, E, R>,
  isLost: (error: E) => boolean,
) => Effect.Effect<A, E, R>

const makeAsk = Effect.gen(function* () {
  const redis = yield* Redis.Redis
  const scope = yield* Effect.scope
  const context = yield* Effect.context<never>()
  yield* Metric.update(degraded, 0)
  let lost = false

  // A reply that lies unread because this process was busy still counts: it is read before the yield comes back.
  const late = Effect.as(Effect.andThen(Effect.sleep(patience), Effect.yieldNow), undefined)
  const inTime = <A, E, R>(shared: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(Effect.interruptible(Effect.result(shared)), late)

  // A write, since a Redis that only reads is of no use either.
  const probe = Effect.delay(inTime(redis.send("SET", `${prefix}probe`, "1", "PX", "1000")), recovery)
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

  const ask: Ask = (shared, local, isLost) =>
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

type Circuits = CircuitBreaker.CircuitBreakerStore["Service"]

const circuits = (ask: Ask, shared: Circuits, local: Circuits): Circuits => {
  const isLost = ({ reason }: CircuitBreaker.CircuitBreakerError) => reason._tag === "CircuitBreakerStoreError"
  return {
    admit: (key) => ask(shared.admit(key), local.admit(key), isLost),
    // Both hear of it, since Redis may have come or gone since the call was admitted: a probe must never stay unsettled.
    // The one that did not admit it knows nothing of its generation, and changes nothing.
    record: (options) =>
      Effect.flatMap(local.record(options), (moved) => ask(shared.record(options), Effect.succeed(moved), isLost)),
    state: (key) => ask(shared.state(key), local.state(key), isLost),
  }
}

const limiter = (
  ask: Ask,
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

/** A rest is a key that lives as long as it: no clock of ours is compared with anybody's. */
const restScript = Redis.script((key: string, millis: number) => [key, millis], {
  numberOfKeys: 1,
  lua: `if tonumber(ARGV[1]) > redis.call("PTTL", KEYS[1]) then redis.call("SET", KEYS[1], "1", "PX", ARGV[1]) end`,
})

/** The longest rest that Redis is told of: a day. */
const longest = Duration.toMillis(Duration.days(1))

const rests = (ask: Ask, redis: Redis.Redis["Service"], local: Rests.Rests["Service"]): Rests.Rests["Service"] => {
  const always = () => true
  const key = (name: string) => `${prefix}rest:${name}`
  return {
    until: local.until,
    // Whoever rests by what is known here need not be asked about.
    look: (name) =>
      Effect.clockWith((clock) => {
        const known = Effect.sync(() => local.until(name))
        if (local.until(name) > clock.currentTimeMillisUnsafe()) return known
        const left = Effect.orElseSucceed(
          ask(redis.send<number>("PTTL", key(name)), Effect.succeed(0), always),
          () => 0,
        )
        return Effect.flatMap(left, (millis) =>
          millis > 0 ? Effect.andThen(local.rest(name, clock.currentTimeMillisUnsafe() + millis), known) : known,
        )
      }),
    rest: (name, until) =>
      Effect.clockWith((clock) => {
        const millis = Math.min(longest, Math.ceil(until - clock.currentTimeMillisUnsafe()))
        const told = Effect.ignore(ask(redis.eval(restScript)(key(name), millis), Effect.void, always))
        return millis > 0 ? Effect.andThen(local.rest(name, until), told) : Effect.void
      }),
  }
}

/** Kept answers are keys that live as long as they: how many there may be is Redis' own to say. */
const cacheStore = (ask: Ask, redis: Redis.Redis["Service"]): Cache.CacheStore["Service"] => {
  const always = () => true
  const at = (key: string) => `${prefix}answer:${key}`
  return {
    open: ({ ttl }) =>
      Effect.succeed({
        get: (key) =>
          ask(redis.send<string | null>("GET", at(key)), Effect.succeed(null), always).pipe(
            Effect.map((text) => (text === null ? undefined : Cache.parse(text))),
            Effect.orElseSucceed(() => undefined),
          ),
        set: (key, entry) =>
          Effect.ignore(
            ask(redis.send("SET", at(key), Cache.print(entry), "PX", String(Math.ceil(ttl))), Effect.void, always),
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
  CircuitBreaker.CircuitBreakerStore | RateLimiter.RateLimiter | Rests.Rests | Cache.CacheStore,
  never,
  Redis.Redis
> = Layer.effectContext(
  Effect.gen(function* () {
    const redis = yield* Redis.Redis
    const ask = yield* makeAsk
    const shared = yield* Layer.build(
      Layer.mergeAll(
        CircuitBreaker.layerStoreRedis({ prefix: `${prefix}circuit:` }),
        Layer.provide(RateLimiter.layer, RateLimiter.layerStoreRedis({ prefix: `${prefix}limit:` })),
      ),
    )
    const local = yield* Layer.build(Layer.mergeAll(Circuit.layerStore, RateLimit.layerMemory))
    const both = <I, S>(tag: Context.Key<I, S>, join: (ask: Ask, shared: S, local: S) => S) =>
      Context.make(tag, join(ask, Context.getUnsafe(shared, tag), Context.getUnsafe(local, tag)))
    return Context.mergeAll(
      both(CircuitBreaker.CircuitBreakerStore, circuits),
      both(RateLimiter.RateLimiter, limiter),
      Context.make(Rests.Rests, rests(ask, redis, Rests.makeMemory())),
      Context.make(Cache.CacheStore, cacheStore(ask, redis)),
    )
  }),
)

/** Circuits, limits and rests in a real Redis, by the rules that hold for them in memory. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { CacheStore } from "@understudy/core/CacheStore"
import type { Entry } from "@understudy/core/CacheStore"
import * as Circuit from "@understudy/core/internal/admission/Circuit"
import * as Bucket from "@understudy/core/internal/policy/Bucket"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import { Cooldowns } from "@understudy/core/Cooldowns"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redis from "effect/persistence/Redis"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import { createServer } from "node:net"
import type { AddressInfo, Server } from "node:net"
import { build, Key, perform, Steps } from "../../../core/test/admission/CircuitSteps.ts"
import type { Tried } from "../../../core/test/admission/CircuitSteps.ts"
import * as RedisState from "../../src/state/RedisState.ts"
import type { TestRedis } from "./TestRedis.ts"
import * as TestRedisServer from "./TestRedis.ts"

let server: TestRedis

const client = Layer.unwrap(Effect.sync(() => NodeRedis.layer({ url: server.url })))

/** The state of a gateway. */
const gateway = Effect.suspend(() => Layer.build(Layer.fresh(RedisState.layer(Redacted.make(server.url)))))

/** Redis goes by its own clock: time passes there by bringing what is to come nearer. */
const pass = Effect.fnUntraced(function* (prefix: string, seconds: number) {
  const redis = yield* Redis.Redis
  for (const key of Key.literals) {
    for (const field of ["openUntil", "resetAt"]) {
      const at = yield* redis.send<string | null>("HGET", `${prefix}${key}`, field)
      if (at !== null) yield* redis.send("HSET", `${prefix}${key}`, field, String(Number(at) - seconds * 1000))
    }
  }
})

/** What is seen of a store, its times in whole seconds: a run takes a fraction of one in Redis, none in memory. */
const seen = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value ?? null, (key, value) =>
      key === "retryAfter" ? Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(value))) : value,
    ),
  )

describe.skipIf(!TestRedisServer.installed)("state in Redis", { timeout: 60_000 }, () => {
  beforeAll(async () => {
    server = await TestRedisServer.start()
  })
  afterAll(() => server.kill())

  let runs = 0

  it.effect.prop(
    "has circuits that admit, refuse, move and show themselves as those in memory do",
    { steps: Steps },
    Effect.fnUntraced(function* ({ steps }) {
      const prefix = `run-${++runs}:`
      const redis = yield* Redis.Redis
      const shared = yield* build(
        Layer.provide(CircuitBreaker.layerStoreRedis({ prefix }), Layer.succeed(Redis.Redis, redis)),
      )
      const local = yield* build(Circuit.layerStore)
      const both: ReadonlyArray<Tried> = [shared, local]
      for (const step of steps) {
        if (step._tag === "Pass") {
          yield* TestClock.adjust(Duration.seconds(step.seconds))
          yield* pass(prefix, step.seconds)
        }
        assert.deepStrictEqual(seen(yield* perform(shared, step)), seen(yield* perform(local, step)))
        for (const key of Key.literals) {
          const state = yield* local.store.state(key)
          assert.deepStrictEqual(seen(yield* shared.store.state(key)), seen(state))
          // A probe that ended without a word has left: in Redis it can say nothing more, and nobody lets it.
          if (state._tag === "HalfOpen" && !state.probing) for (const { calls } of both) calls[key] = []
        }
      }
    }, Effect.provide(client)),
    { arbitrary: { runs: 30 } },
  )

  it.live("acquires, refunds and reads limits as in memory, for all gateways", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* gateway, yield* gateway].map((context) =>
        Context.get(context, RateLimiter.RateLimiter),
      )
      const clock = yield* Clock.Clock
      const limited = { buckets: Bucket.make("a", { rpm: 3, tpm: 100 }) }
      const acquire = (limiter: RateLimiter.RateLimiter, tokens: number) =>
        Effect.match(RateLimit.tryAcquire({ ...limited, limiter, tokens }, clock), {
          onSuccess: () => undefined,
          onFailure: ({ limit }) => limit,
        })
      assert.isUndefined(yield* acquire(one!, 60))
      assert.strictEqual((yield* RateLimit.peek({ ...limited, limiter: two!, tokens: 41 }))?.limit, "tpm")
      assert.strictEqual(yield* acquire(two!, 41), "tpm")
      yield* RateLimit.reconcile({ ...limited, limiter: one!, estimated: 60, used: 30 }, clock)
      assert.isUndefined(yield* RateLimit.peek({ ...limited, limiter: two!, tokens: 70 }))
      assert.isUndefined(yield* acquire(two!, 70))
      assert.isUndefined(yield* acquire(one!, 0))
      assert.strictEqual(yield* acquire(two!, 0), "rpm")
    }),
  )

  it.live("caches responses for all gateways until they expire", () =>
    Effect.gen(function* () {
      const policy = { ttl: 60_000, max: 1 }
      const places = [yield* gateway, yield* gateway].map((context) =>
        Context.get(context, CacheStore).forRoute(policy),
      )
      const [one, two] = yield* Effect.all(places)
      const entry: Entry = {
        deployment: "a",
        droppedParams: ["seed"],
        answer: { _tag: "Complete", response: { content: [{ type: "text", text: "Hello" }], finishReason: "stop" } },
      }
      assert.isUndefined(yield* two!.get("kept"))
      yield* one!.set("kept", entry)
      assert.deepStrictEqual(yield* two!.get("kept"), entry)
      const redis = yield* Redis.Redis
      const left = yield* redis.send<number>("PTTL", "understudy:cache:kept")
      assert.isTrue(left > 50_000 && left <= 60_000)
      yield* redis.send("SET", "understudy:cache:kept", "what nobody wrote")
      assert.isUndefined(yield* one!.get("kept"))
    }).pipe(Effect.provide(client)),
  )

  it.live("cools a deployment down for all gateways, for the longest cooldown", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* gateway, yield* gateway].map((context) => Context.get(context, Cooldowns))
      const now = Date.now()
      yield* one!.start("a", now + 30_000)
      yield* two!.start("a", now + 10_000)
      const three = Context.get(yield* gateway, Cooldowns)
      assert.strictEqual(three.until("a"), 0)
      assert.approximately(yield* three.read!("a"), now + 30_000, 1000)
      assert.strictEqual(three.until("a"), yield* three.read!("a"), "it asks no more while it knows of a rest")
      assert.strictEqual(yield* three.read!("b"), 0)
    }),
  )

  it.live("lets one gateway probe a cooldown, and ends it for all", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* gateway, yield* gateway].map((context) => Context.get(context, Cooldowns))
      const now = Date.now()
      yield* one!.start("long", now + 40, now + 3_600_000)
      assert.isAbove(yield* two!.read!("long"), now)
      yield* Effect.sleep(60)
      for (const each of [one!, two!]) {
        assert.isAtMost(yield* each.read!("long"), Date.now())
        assert.approximately(each.requestedUntil("long"), now + 3_600_000, 1000)
      }
      const later = Date.now() + 30_000
      assert.deepStrictEqual(
        [yield* two!.probe("long", later), yield* one!.probe("long", later), yield* two!.probe("long", later)],
        [true, false, false],
      )
      assert.isAbove(yield* one!.read!("long"), Date.now() + 20_000)
      yield* two!.release("long")
      assert.isTrue(yield* one!.probe("long", later), "the next one asks")
      yield* one!.end("long")
      for (const each of [one!, two!]) {
        assert.strictEqual(yield* each.read!("long"), 0)
        assert.strictEqual(each.requestedUntil("long"), 0)
        assert.isTrue(yield* each.probe("long", later))
      }
    }),
  )

  it.live("opens and closes a circuit manually for all gateways", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* gateway, yield* gateway].map((context): Circuit.Store =>
        Context.get(context, CircuitBreaker.CircuitBreakerStore),
      )
      const seen = Effect.map(two!.state("hand"), ({ _tag }) => _tag)
      yield* one!.open!("hand", 60_000)
      assert.strictEqual(yield* seen, "Open")
      assert.strictEqual((yield* Effect.result(Effect.scoped(two!.admit("hand"))))._tag, "Failure")
      yield* two!.open!("hand", 1)
      assert.strictEqual(yield* seen, "Open", "an open one stays as it is")
      yield* two!.reset!("hand")
      assert.strictEqual(yield* seen, "Closed")
      assert.isFalse((yield* Effect.scoped(one!.admit("hand"))).probe)
    }),
  )
})

describe("a Redis that quotes commands in its errors", () => {
  it.live("does not leak the password", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server = createServer((socket) => {
            socket.on("error", () => undefined)
            socket.on("data", (sent) =>
              socket.write(`-ERR unknown, with ${sent.toString().replaceAll(/\r\n/g, " ")}\r\n`),
            )
          }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close()),
      )
      const { port } = server.address() as AddressInfo
      const address = Redacted.make(`redis://user-of-redis:pass%2Fof-redis@127.0.0.1:${port}/0`)
      const error = yield* Effect.flip(Layer.build(Layer.fresh(RedisState.layer(address))))
      assert.match(error.message, /ERR unknown, with .*AUTH/)
      assert.notMatch(error.message, /user-of-redis|of-redis/)
    }).pipe(Effect.scoped),
  )
})

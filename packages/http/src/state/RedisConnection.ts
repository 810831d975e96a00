/**
 * A connection to Redis that is replaced when it no longer answers, though it may seem to stand: a network that swallows
 * what is sent tells nobody for many minutes.
 *
 * Commands fail while there is none, rather than wait for one.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as References from "effect/References"
import * as Scope from "effect/Scope"

/** How often a connection is asked whether it is still one, and how long its answer may take. */
const interval = Duration.seconds(1)
const patience = Duration.seconds(1)

/** A connection over which nothing goes ends after so long: one that is asked every second never does, one that never came does. */
const silence = Duration.toMillis(Duration.seconds(4))

interface Connection {
  readonly redis: Redis.Redis["Service"]
  /** At once, and without a word. */
  readonly close: Effect.Effect<void>
}

/** Nobody but `layer` connects again: two who do would get in each other's way. */
const options = (url: string) => ({
  url,
  disableOfflineQueue: true,
  socket: {
    connectTimeout: silence,
    socketTimeout: silence,
    reconnectStrategy: (_: number, cause: Error) => cause,
  },
})

const open = (url: string): Effect.Effect<Connection, Redis.RedisError> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const building = Layer.buildWithScope(
      // Its warnings are of connections, one by one: `SharedState` says once what there is to say.
      Layer.provide(NodeRedis.layer(options(url)), Layer.succeed(References.MinimumLogLevel, "Error")),
      scope,
    )
    // Given up without waiting: a client that was never answered waits for its answers before it closes.
    const fiber = yield* Effect.forkDetach(building)
    const context = yield* Effect.onError(Fiber.join(fiber), () =>
      Effect.forkDetach(Effect.andThen(Fiber.interrupt(fiber), Scope.close(scope, Exit.void))),
    )
    const { client } = Context.get(context, NodeRedis.NodeRedis)
    return {
      redis: Context.get(context, Redis.Redis),
      close: Effect.andThen(
        Effect.sync(() => client.destroy()),
        Scope.close(scope, Exit.void),
      ),
    }
  })

/** A reply that lies unread because this process was busy still counts: it is read before the yield comes back. */
const answers = ({ redis }: Connection): Effect.Effect<boolean> =>
  Effect.raceFirst(
    Effect.isSuccess(redis.send("PING")),
    Effect.as(Effect.andThen(Effect.sleep(patience), Effect.yieldNow), false),
  )

/** The Redis at a URL. Fails only while it is built: from then on it is found again whenever it is there. */
export const layer = (url: string): Layer.Layer<Redis.Redis, Redis.RedisError> =>
  Layer.effect(
    Redis.Redis,
    Effect.gen(function* () {
      let current = yield* open(url)
      yield* Effect.addFinalizer(() => Effect.suspend(() => current.close))
      const renew = Effect.uninterruptibleMask((restore) =>
        Effect.andThen(
          Effect.suspend(() => current.close),
          Effect.match(restore(open(url)), {
            onSuccess: (connection) => void (current = connection),
            onFailure: () => undefined,
          }),
        ),
      )
      yield* Effect.sleep(interval).pipe(
        Effect.andThen(Effect.suspend(() => answers(current))),
        Effect.flatMap((answered) => (answered ? Effect.void : renew)),
        Effect.forever,
        Effect.forkScoped,
      )
      const redis: Redis.Redis["Service"] = {
        send: (command, ...args) => Effect.suspend(() => current.redis.send(command, ...args)),
        eval:
          (script) =>
          (...params) =>
            Effect.suspend(() => current.redis.eval(script)(...params)),
        reserve: Effect.suspend(() => current.redis.reserve),
        subscribe: (channel) => Effect.suspend(() => current.redis.subscribe(channel)),
      }
      return redis
    }),
  )

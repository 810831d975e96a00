/**
 * A Redis connection that is replaced when it stops responding, including when the network drops packets and the socket
 * stays open.
 *
 * Commands fail while there is no connection; they are not queued.
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

/** The time between PINGs. */
const pingInterval = Duration.seconds(1)
/** How long the reply to a PING may take. */
const pingTimeout = Duration.seconds(1)

/**
 * Milliseconds without traffic after which a socket is closed. PINGs keep an open connection alive; one that never opens is
 * closed.
 */
const socketTimeout = Duration.toMillis(Duration.seconds(4))

interface Connection {
  readonly redis: Redis.Redis["Service"]
  /** Closes at once, without QUIT. */
  readonly close: Effect.Effect<void>
}

/** The client does not reconnect by itself: `layer` does. */
const options = (url: string) => ({
  url,
  disableOfflineQueue: true,
  socket: {
    connectTimeout: socketTimeout,
    socketTimeout,
    reconnectStrategy: (_: number, cause: Error) => cause,
  },
})

const open = (url: string): Effect.Effect<Connection, Redis.RedisError> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const building = Layer.buildWithScope(
      // Suppress warnings about each connection: `SharedState` logs an outage once.
      Layer.provide(NodeRedis.layer(options(url)), Layer.succeed(References.MinimumLogLevel, "Error")),
      scope,
    )
    // Abandon a failed connection without waiting: its client waits for replies before it closes.
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

/**
 * Whether a PING is answered in time. A reply that is late because this process was busy counts: it is read before the
 * yield returns.
 */
const responds = ({ redis }: Connection): Effect.Effect<boolean> =>
  Effect.raceFirst(
    Effect.isSuccess(redis.send("PING")),
    Effect.as(Effect.andThen(Effect.sleep(pingTimeout), Effect.yieldNow), false),
  )

/** The Redis at a URL. Fails only while it is built; afterwards it reconnects whenever Redis is reachable. */
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
      yield* Effect.sleep(pingInterval).pipe(
        Effect.andThen(Effect.suspend(() => responds(current))),
        Effect.flatMap((isAlive) => (isAlive ? Effect.void : renew)),
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

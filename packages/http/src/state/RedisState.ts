/**
 * The state that gateways share, in the Redis of an address. Loaded only where a configuration names one.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as SharedState from "@understudy/core/SharedState"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Scope from "effect/Scope"

/** There is no Redis to share state in. */
export class NoRedis extends Data.TaggedError("NoRedis")<{ readonly message: string }> {}

/** How long Redis may take to answer at all, when the gateway starts. */
const patience = "5 seconds"

/** What `Router.layerShared` needs. Fails only while it is built: a Redis that goes away later is lived without. */
export const layer = (address: Redacted.Redacted) => Layer.provide(SharedState.layer, client(Redacted.value(address)))

const client = (url: string): Layer.Layer<Redis.Redis, NoRedis> =>
  Layer.effect(
    Redis.Redis,
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const connecting = Layer.buildWithScope(
        // Commands fail while the connection is away, rather than wait for it.
        NodeRedis.layer({ url, disableOfflineQueue: true }).pipe(
          // It warns at every try to connect again: `SharedState` says once what there is to say.
          Layer.provide(Layer.succeed(References.MinimumLogLevel, "Error")),
        ),
        scope,
      )
      // Given up without waiting: a client that was never answered waits for its answers before it closes.
      const fiber = yield* Effect.forkDetach(connecting)
      const context = yield* Fiber.join(fiber).pipe(
        Effect.mapError(({ cause }) => unreachable(url, Predicate.isError(cause) ? cause.message : String(cause))),
        Effect.timeoutOrElse({
          duration: patience,
          orElse: () => Effect.fail(unreachable(url, `no answer in ${patience}`)),
        }),
        Effect.onError(() => Effect.forkDetach(Effect.andThen(Fiber.interrupt(fiber), Scope.close(scope, Exit.void)))),
      )
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.sync(() => Context.get(context, NodeRedis.NodeRedis).client.destroy()),
          Scope.close(scope, Exit.void),
        ),
      )
      return Context.get(context, Redis.Redis)
    }),
  )

/** The address is shown without its user and password. */
const unreachable = (url: string, why: string): NoRedis =>
  new NoRedis({
    message:
      `state.redis: no Redis can be used at ${new URL(url).host}: ${why}\n` +
      "Start one there, or leave `state` out: one gateway alone needs none.",
  })

/**
 * State shared between gateways in Redis. Loaded only if a configuration has `state.redis`.
 */
import * as SharedState from "@understudy/core/SharedState"
import * as Redaction from "@understudy/providers/internal/transport/Redaction"
import * as Secrets from "@understudy/providers/internal/transport/Secrets"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as RedisConnection from "./RedisConnection.ts"

/** Redis cannot be reached at start. */
export class NoRedis extends Data.TaggedError("NoRedis")<{ readonly message: string }> {}

/** How long Redis may take to respond when the gateway starts. */
const startTimeout = "3 seconds"

/** The state of `Router.layerShared`. Fails only while it is built; during a later outage each gateway uses its memory. */
export const layer = (address: Redacted.Redacted) => Layer.provide(SharedState.layer, client(Redacted.value(address)))

const client = (url: string): Layer.Layer<Redis.Redis, NoRedis> =>
  Layer.effect(
    Redis.Redis,
    Layer.build(RedisConnection.layer(url)).pipe(
      Effect.mapBoth({
        onFailure: ({ cause }) => unreachable(url, Predicate.isError(cause) ? cause.message : String(cause)),
        onSuccess: (context) => Context.get(context, Redis.Redis),
      }),
      Effect.timeoutOrElse({
        duration: startTimeout,
        orElse: () => Effect.fail(unreachable(url, `no response in ${startTimeout}`)),
      }),
    ),
  )

/** The address and Redis' message are shown without user and password. */
const unreachable = (url: string, why: string): NoRedis =>
  new NoRedis({
    message:
      `state.redis: cannot connect to Redis at ${new URL(url).host}: ${Redaction.make(Secrets.make({ urls: [url] })).text(why)}\n` +
      "Start Redis, or remove `state`: a single gateway does not need it.",
  })

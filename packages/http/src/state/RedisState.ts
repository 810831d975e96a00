/**
 * The state that gateways share, in the Redis of an address. Loaded only where a configuration names one.
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

/** There is no Redis to share state in. */
export class NoRedis extends Data.TaggedError("NoRedis")<{ readonly message: string }> {}

/** How long Redis may take to answer at all, when the gateway starts. */
const patience = "3 seconds"

/** What `Router.layerShared` needs. Fails only while it is built: a Redis that goes away later is lived without. */
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
        duration: patience,
        orElse: () => Effect.fail(unreachable(url, `no answer in ${patience}`)),
      }),
    ),
  )

/** Neither the address nor what Redis says, which may repeat how it was asked, is shown with a user or a password. */
const unreachable = (url: string, why: string): NoRedis =>
  new NoRedis({
    message:
      `state.redis: no Redis can be used at ${new URL(url).host}: ${Redaction.make(Secrets.make({ urls: [url] })).text(why)}\n` +
      "Start one there, or leave `state` out: one gateway alone needs none.",
  })

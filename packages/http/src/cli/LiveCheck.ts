/**
 * What a configuration depends on, tried out before anybody depends on it: whether each deployment can start, what each
 * answers to one small question, and whether its Redis is there.
 */
import * as Chat from "@understudy/core/Chat"
import type { Reason } from "@understudy/core/ProviderError"
import * as Router from "@understudy/core/Router"
import { hasWildcard } from "@understudy/core/internal/route/Wildcard"
import * as Config from "@understudy/providers/Config"
import { keyPath } from "@understudy/providers/internal/config/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Configuration } from "../Config.ts"

/** How a deployment did: `reason` is missing where it was never asked, for it could not start. */
export type LiveCheck = { readonly deployment: string } & (
  | Answered
  /** It stands for many models, of which none is named. */
  | { readonly _tag: "Unasked" }
  | (Silent & { readonly reason?: Reason | undefined; readonly status?: number | undefined })
)

export interface Answered {
  readonly _tag: "Answered"
  readonly took: Duration.Duration
}

export interface Silent {
  readonly _tag: "Failed"
  readonly message: string
}

/** Starts every deployment's provider, which asks nobody anything: a key or a region that is missing comes out here. */
export const start = (settings: Config.Settings): Effect.Effect<ReadonlyArray<Config.Problem>> =>
  Effect.map(
    Effect.forEach(
      Object.entries(Config.toOptions(settings).deployments),
      ([name, { provider }]) =>
        Effect.match(Effect.scoped(Layer.build(provider)), {
          onSuccess: () => [],
          onFailure: ({ message }) => [{ path: keyPath("deployments", name), message }],
        }),
      { concurrency: "unbounded" },
    ),
    (problems) => problems.flat(),
  )

/** Asks every deployment at once, and none of them twice. */
export const ask = (settings: Config.Settings): Effect.Effect<ReadonlyArray<LiveCheck>> =>
  Effect.forEach(
    Object.entries(settings.deployments),
    ([deployment, { model }]) =>
      hasWildcard(model) ? Effect.succeed({ _tag: "Unasked" as const, deployment }) : askOne(deployment, settings),
    { concurrency: "unbounded" },
  )

/** Whether the Redis of a configuration answers; `undefined` if it names none. */
export const state = ({ state: { redis } }: Configuration): Effect.Effect<Answered | Silent | undefined> =>
  redis === undefined
    ? Effect.succeed(undefined)
    : Effect.promise(() => import("../state/RedisState.ts")).pipe(
        Effect.flatMap(({ layer }) => Effect.timed(Effect.scoped(Layer.build(layer(redis))))),
        Effect.match({
          onSuccess: ([took]): Answered => ({ _tag: "Answered", took }),
          onFailure: ({ message }): Silent => ({ _tag: "Failed", message }),
        }),
      )

const question = [Chat.user("Answer with one word: are you there?")]

const askOne = (name: string, settings: Config.Settings): Effect.Effect<LiveCheck> =>
  Effect.scoped(
    Effect.gen(function* () {
      const router = Context.get(yield* Layer.build(Router.layer(alone(name, settings))), Router.Router)
      const [took] = yield* Effect.timed(router.chat({ model: name, messages: question, sampling: { maxTokens: 16 } }))
      return { _tag: "Answered" as const, deployment: name, took }
    }),
  ).pipe(
    Effect.catch((error) => {
      const told = error._tag === "RouterError" ? (error.cause ?? error) : error
      return Effect.succeed({
        _tag: "Failed" as const,
        deployment: name,
        message: told.message,
        ...(told._tag === "ProviderError" ? { reason: told.reason, status: told.status } : undefined),
      })
    }),
  )

/** A router of this deployment and no retries. */
const alone = (name: string, { defaults, deployments }: Config.Settings) =>
  Config.toOptions({
    defaults,
    deployments: Object.fromEntries(
      Object.entries(deployments)
        .filter(([each]) => each === name)
        .map(([each, settings]) => [each, { ...settings, retry: { times: 0 } }]),
    ),
    routes: {},
  })

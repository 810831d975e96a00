/**
 * Tests of what a configuration depends on: whether each deployment answers, and whether
 * Redis is reachable.
 */
import * as Chat from "@understudy/core/Chat"
import type { Reason } from "@understudy/core/ProviderError"
import * as Router from "@understudy/core/Router"
import { hasWildcard } from "@understudy/core/internal/route/Wildcard"
import * as Config from "@understudy/providers/Config"
import { accounts } from "@understudy/providers/internal/config/Deployments"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Record from "effect/Record"
import type { Configuration } from "../Config.ts"

/**
 * The result for a deployment, or for one of its `apiKeys`, whose path below the deployment is `key`. A failure has no
 * `reason` if the provider could not start.
 */
export type LiveCheck = { readonly deployment: string; readonly key?: string | undefined } & (
  | Succeeded
  /** Its model is a wildcard. */
  | { readonly _tag: "NotTested" }
  | (Failed & { readonly reason?: Reason | undefined; readonly status?: number | undefined })
)

export interface Succeeded {
  readonly _tag: "Succeeded"
  readonly took: Duration.Duration
}

export interface Failed {
  readonly _tag: "Failed"
  readonly message: string
}

/** Calls every deployment once with each of its keys, all concurrently. */
export const deployments = (settings: Config.Settings): Effect.Effect<ReadonlyArray<LiveCheck>> =>
  Effect.forEach(
    Object.entries(settings.deployments).flatMap(([deployment, each]) =>
      hasWildcard(each.model)
        ? [Effect.succeed<LiveCheck>({ _tag: "NotTested", deployment })]
        : accounts(each).map(({ path, settings: account }) =>
            Effect.map(
              callOnce(deployment, { ...settings, deployments: { [deployment]: account } }),
              (result): LiveCheck => (each.apiKeys === undefined ? result : { ...result, key: path }),
            ),
          ),
    ),
    (check) => check,
    { concurrency: "unbounded" },
  )

/** Whether the configured Redis is reachable; `undefined` if none is configured. */
export const state = ({ state: { redis } }: Configuration): Effect.Effect<Succeeded | Failed | undefined> =>
  redis === undefined
    ? Effect.succeed(undefined)
    : Effect.promise(() => import("../state/RedisState.ts")).pipe(
        Effect.flatMap(({ layer }) => Effect.timed(Effect.scoped(Layer.build(layer(redis))))),
        Effect.match({
          onSuccess: ([took]): Succeeded => ({ _tag: "Succeeded", took }),
          onFailure: ({ message }): Failed => ({ _tag: "Failed", message }),
        }),
      )

const prompt = [Chat.user("Answer with one word: are you there?")]

const callOnce = (name: string, settings: Config.Settings): Effect.Effect<LiveCheck> =>
  Effect.scoped(
    Effect.gen(function* () {
      const router = Context.get(yield* Layer.build(Router.layer(withoutRetries(settings))), Router.Router)
      const [took] = yield* Effect.timed(router.chat({ model: name, messages: prompt, sampling: { maxTokens: 16 } }))
      return { _tag: "Succeeded" as const, deployment: name, took }
    }),
  ).pipe(
    Effect.catch((error) => {
      const failure = error._tag === "RouterError" ? (error.cause ?? error) : error
      return Effect.succeed({
        _tag: "Failed" as const,
        deployment: name,
        message: failure.message,
        ...(failure._tag === "ProviderError" ? { reason: failure.reason, status: failure.status } : undefined),
      })
    }),
  )

const withoutRetries = ({ defaults, deployments }: Config.Settings) =>
  Config.toOptions({
    defaults,
    deployments: Record.map(deployments, (deployment) => ({ ...deployment, retry: { times: 0 } })),
    routes: {},
  })

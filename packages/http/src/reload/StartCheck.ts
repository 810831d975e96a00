/** Whether the providers of a configuration can start. */
import * as Config from "@understudy/providers/Config"
import { keyPath } from "@understudy/providers/internal/config/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Starts the provider of every deployment, without calling it. The problems of those that cannot: a missing key or region. */
export const problems = (settings: Config.Settings): Effect.Effect<ReadonlyArray<Config.Problem>> =>
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

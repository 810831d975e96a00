/** Whether the providers of a configuration can start. */
import * as Deployment from "@understudy/core/Deployment"
import * as Config from "@understudy/providers/Config"
import { keyPath } from "@understudy/providers/internal/config/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Starts the provider of every deployment, without calling it. The problems of those that cannot: a missing key or region. */
export const problems = (settings: Config.Settings): Effect.Effect<ReadonlyArray<Config.Problem>> =>
  Effect.map(
    Effect.forEach(
      Object.entries(Config.toOptions(settings).deployments).flatMap(([name, { provider }]) =>
        Deployment.layers(provider).map((layer) => ({ path: keyPath("deployments", name), layer })),
      ),
      ({ layer, path }) =>
        Effect.match(Effect.scoped(Layer.build(layer)), {
          onSuccess: () => [],
          onFailure: ({ message }) => [{ path, message }],
        }),
      { concurrency: "unbounded" },
    ),
    // What is wrong with one account is often wrong with all.
    (problems) => [
      ...new Map(problems.flat().map((problem) => [`${problem.path}: ${problem.message}`, problem])).values(),
    ],
  )

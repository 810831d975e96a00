/** Whether the providers of a configuration can start. */
import * as Deployment from "@understudy/core/Deployment"
import type { Provider } from "@understudy/core/Provider"
import * as Config from "@understudy/providers/Config"
import { keyPath } from "@understudy/providers/internal/config/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Starts the provider of every deployment, without calling it. The problems of those that cannot: a missing key or region. */
export const problems = (settings: Config.Settings): Effect.Effect<ReadonlyArray<Config.Problem>> =>
  Effect.map(
    Effect.forEach(
      Object.entries(Config.toOptions(settings).deployments),
      ([name, { provider }]) => ofDeployment(keyPath("deployments", name), Deployment.layers(provider)),
      { concurrency: "unbounded" },
    ),
    (problems) => problems.flat(),
  )

/** `layers`: one for each account, in the order of `apiKeys`. */
const ofDeployment = (
  path: string,
  layers: ReadonlyArray<Layer.Layer<Provider, { readonly message: string }>>,
): Effect.Effect<ReadonlyArray<Config.Problem>> =>
  Effect.map(
    Effect.forEach(
      layers,
      (layer) =>
        Effect.match(Effect.scoped(Layer.build(layer)), {
          onSuccess: () => undefined,
          onFailure: ({ message }) => message,
        }),
      { concurrency: "unbounded" },
    ),
    (messages) => {
      // What is wrong with every account is not wrong with its key.
      const all = new Set(messages)
      if (all.size === 1) return [...all].flatMap((message) => (message === undefined ? [] : [{ path, message }]))
      return messages.flatMap((message, index) =>
        message === undefined ? [] : [{ path: `${path}.apiKeys[${index}]`, message }],
      )
    },
  )

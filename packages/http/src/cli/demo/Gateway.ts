/**
 * The gateway of a demonstration: the configuration served on a free port of this machine.
 */
import * as Console from "effect/Console"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Config from "../../Config.ts"
import type { Configuration } from "../../Config.ts"
import * as App from "../../App.ts"
import * as Auth from "../../auth/Auth.ts"
import type { VirtualKey } from "../../auth/VirtualKey.ts"
import * as Example from "./Example.ts"
import * as Settings from "./Settings.ts"
import * as FakeAws from "./FakeAws.ts"

/** A model that the demonstrations call, and the configuration has not. */
export class Lacks extends Data.TaggedError("Lacks")<{ readonly message: string }> {}

/** A demonstration's surroundings: its configuration and, offline, its stand-ins. */
export interface Stage {
  readonly configuration: Configuration
  readonly settings: Settings.Settings
  readonly standIns: FakeAws.StandIns | undefined
}

/** Sets the stage: of that file, or offline. */
export const stage = Effect.fnUntraced(function* (file: string | undefined) {
  const { settings, text } = yield* Settings.load(file)
  if (file !== undefined) {
    return { configuration: yield* Config.parse(text, file), settings, standIns: undefined } satisfies Stage
  }
  const standIns = yield* FakeAws.make(Example.bedrockModels)
  const configuration = yield* Effect.provide(
    Config.parse(text, "the example"),
    ConfigProvider.layer(ConfigProvider.fromUnknown({ [Example.endpoint]: standIns.bedrock })),
  )
  yield* Console.log("Offline: stand-ins answer in Bedrock's own protocol. With --config, real accounts do.")
  return { configuration, settings, standIns } satisfies Stage
})

/** Serves it, to the holders of these keys if there are any, until the scope closes. */
export const serve = Effect.fnUntraced(function* (configuration: Configuration, keys: ReadonlyArray<VirtualKey> = []) {
  const held = { ...configuration, keys }
  const context = yield* Layer.build(
    App.layer(held, {
      server: { ...configuration.server, host: "127.0.0.1", port: 0 },
      auth: { keys: keys.map(Auth.virtualKey), hosts: [], origins: [] },
      logContent: false,
    }).pipe(Layer.provide(Layer.succeed(References.MinimumLogLevel, "Error"))),
  )
  return HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
})

/** The deployments that a route tries first, before it falls back, as the gateway explains it. */
export const primaries = (
  { deployments, routes }: Configuration,
  url: string,
  model: string,
): Effect.Effect<ReadonlySet<string>, Lacks> =>
  Object.hasOwn(routes, model) || Object.hasOwn(deployments, model)
    ? Effect.map(
        Effect.promise((signal) =>
          fetch(`${url}/v1/route/explain`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] }),
            signal,
          }).then((answer) => answer.json() as Promise<{ readonly plan: Node }>),
        ),
        ({ plan }) => new Set(first(plan)),
      )
    : Effect.fail(
        new Lacks({
          message: `The configuration has no model called "${model}", which this demonstration calls: name one so in its model_list, or leave --config out.`,
        }),
      )

/** As much of the explanation's JSON as is read here. */
type Node =
  | { readonly type: "deployment"; readonly deployment: string }
  | { readonly type: "sequence"; readonly strategy: string; readonly plans: ReadonlyArray<Node> }
  | { readonly type: "on_error"; readonly plan: Node }

const first = (node: Node): ReadonlyArray<string> => {
  switch (node.type) {
    case "deployment":
      return [node.deployment]
    case "sequence":
      return node.strategy === "fallback" ? node.plans.slice(0, 1).flatMap(first) : node.plans.flatMap(first)
    case "on_error":
      return first(node.plan)
  }
}

/** The vendor's id of a deployment's model. */
export const modelOf = ({ deployments }: Configuration, deployment: string | undefined): string =>
  deployments[deployment ?? ""]?.model ?? "none"

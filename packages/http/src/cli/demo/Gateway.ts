/**
 * The gateway of a demonstration, on a free loopback port.
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
import * as Keyring from "../../auth/Keyring.ts"
import type { ConfiguredKey } from "../../auth/VirtualKey.ts"
import * as Example from "./Example.ts"
import * as Settings from "./Settings.ts"
import * as FakeAws from "./FakeAws.ts"

/** The configuration lacks a model that the demonstration calls. */
export class MissingModel extends Data.TaggedError("MissingModel")<{ readonly message: string }> {}

/** The configuration of a demonstration, with fake AWS services if it runs offline. */
export interface Setup {
  readonly configuration: Configuration
  readonly settings: Settings.Settings
  readonly fakeAws: FakeAws.FakeAws | undefined
}

/** Loads the configuration file, or starts the offline set-up. */
export const setup = Effect.fnUntraced(function* (file: string | undefined) {
  const { settings, text } = yield* Settings.load(file)
  if (file !== undefined) {
    return { configuration: yield* Config.parse(text, file), settings, fakeAws: undefined } satisfies Setup
  }
  const fakeAws = yield* FakeAws.make(Example.bedrockModels)
  const configuration = yield* Effect.provide(
    Config.parse(text, "the example"),
    ConfigProvider.layer(ConfigProvider.fromUnknown({ [Example.endpoint]: fakeAws.bedrock })),
  )
  yield* Console.log("Offline: fake AWS services answer in Bedrock's protocol. Use --config for real accounts.")
  return { configuration, settings, fakeAws } satisfies Setup
})

/** Serves a configuration with these virtual keys until the scope closes. Returns its URL. */
export const serve = Effect.fnUntraced(function* (
  configuration: Configuration,
  keys: ReadonlyArray<ConfiguredKey> = [],
) {
  const withKeys = { ...configuration, keys }
  const context = yield* Layer.build(
    App.layer(withKeys, {
      server: { ...configuration.server, host: "127.0.0.1", port: 0 },
      auth: { keys: new Keyring.Keyring(keys.map(Keyring.configured)), hosts: [], origins: [] },
      logContent: false,
    }).pipe(Layer.provide(Layer.succeed(References.MinimumLogLevel, "Error"))),
  )
  return HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
})

/** The deployments that a route tries before any fallback, from the gateway's explanation. */
export const primaries = (
  { deployments, routes }: Configuration,
  url: string,
  model: string,
): Effect.Effect<ReadonlySet<string>, MissingModel> =>
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
        new MissingModel({
          message: `The configuration has no model called "${model}", which this demonstration calls. Add it to its model_list, or run without --config.`,
        }),
      )

/** The part of the explanation's JSON that is read here. */
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

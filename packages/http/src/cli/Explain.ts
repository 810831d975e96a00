/**
 * `understudy explain ROUTE`: where a call on a route would go, and why not elsewhere, as far as its configuration tells:
 * nobody has been asked yet, so every circuit is closed and nobody rests. No provider is started, let alone asked.
 */
import * as Chat from "@understudy/core/Chat"
import * as Explain from "@understudy/core/Explain"
import { Provider } from "@understudy/core/Provider"
import * as Router from "@understudy/core/Router"
import type { Settings } from "@understudy/providers/Config"
import { isLocal } from "@understudy/providers/internal/config/Address"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Stream from "effect/Stream"
import * as CallOptions from "../api/CallOptions.ts"
import * as Disclosure from "../api/Disclosure.ts"
import * as DotEnv from "../DotEnv.ts"
import * as ConfigSource from "./ConfigSource.ts"

const pairs = (name: string, description: string) =>
  Flag.KeyValuePair(name).pipe(
    Flag.withDescription(`${description}, as name=value; may be given more than once`),
    Flag.withDefault({}),
  )

const flags = {
  route: Argument.String("route").pipe(Argument.withDescription("The name of a route or a deployment")),
  config: ConfigSource.flag,
  message: Flag.String("message").pipe(
    Flag.withDescription("What the user says: how long it is decides which windows it fits"),
    Flag.withDefault("Who is on tonight?"),
  ),
  tag: Flag.String("tag").pipe(
    Flag.withDescription("A tag that the call carries; may be given more than once"),
    Flag.atLeast(0),
  ),
  header: pairs("header", "A header that the call is sent with"),
  metadata: pairs("metadata", "An entry of the request's metadata"),
  caller: Flag.String("caller").pipe(Flag.withDescription("The id of the key that calls"), Flag.optional),
  stream: Flag.Boolean("stream").pipe(Flag.withDescription("For a streamed answer"), Flag.withDefault(false)),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print the tree that POST /v1/route/explain answers with"),
    Flag.withDefault(false),
  ),
}

export const explain = Command.make(
  "explain",
  flags,
  Effect.fnUntraced(function* ({ caller, config, header, json, message, metadata, route, stream, tag }) {
    const file = yield* ConfigSource.file(Option.getOrUndefined(config))
    const { configuration } = yield* Effect.provide(ConfigSource.load(file, false), DotEnv.layer(file))
    const headers = Record.mapKeys(header, (name) => name.toLowerCase())
    const explanation = yield* Effect.flatMap(Router.Router, (router) =>
      router.explain(
        { model: route, messages: [Chat.user(message)], metadata },
        {
          caller: Option.getOrUndefined(caller),
          headers: CallOptions.seen(headers),
          tags: [...tag, ...CallOptions.tagsIn(headers)],
          streaming: stream,
        },
      ),
    ).pipe(Effect.provide(unstarted(configuration)))
    yield* Console.log(
      json
        ? JSON.stringify(Disclosure.explanation(explanation, "full"), undefined, 2)
        : Explain.lines(explanation).join("\n"),
    )
  }),
).pipe(
  Command.withDescription("Say where a call on a route would go, and why not elsewhere; nobody is asked"),
  Command.withExamples([
    { command: "understudy explain assistant", description: "Of understudy.yaml, or of the simulation" },
    { command: "understudy explain assistant --config other.yaml --stream --json", description: "As JSON" },
    {
      command: "understudy explain assistant --tag vip",
      description: "For a call that its route's conditions single out",
    },
  ]),
)

/** A router over the deployments of a configuration, with nobody behind them. */
const unstarted = ({ defaults, deployments, routes }: Settings) =>
  Router.layer({
    defaults,
    deployments: Object.fromEntries(
      Object.entries(deployments).map(([name, options]) => [name, { ...options, provider: nobody(isLocal(options)) }]),
    ),
    routes,
  })

const nobody = (local: boolean) =>
  Layer.succeed(Provider, { protocol: "none", local, chat: () => Effect.never, stream: () => Stream.never })

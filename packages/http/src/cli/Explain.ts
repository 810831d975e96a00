/**
 * `understudy explain ROUTE`: the plan of a call on a route, from the configuration alone: all circuits are closed and no
 * deployment is cooling down. It starts no provider.
 */
import * as Chat from "@understudy/core/Chat"
import * as Explain from "@understudy/core/Explain"
import * as GuardedRouter from "@understudy/core/GuardedRouter"
import * as Guardrails from "@understudy/core/Guardrails"
import { Provider } from "@understudy/core/Provider"
import * as Router from "@understudy/core/Router"
import { withPrices } from "@understudy/providers/Config"
import { isLocal } from "@understudy/providers/internal/config/Address"
import { accounts } from "@understudy/providers/internal/config/Deployments"
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
import type { Configuration } from "../Config.ts"
import * as DotEnv from "../DotEnv.ts"
import * as ConfigSource from "./ConfigSource.ts"

const pairs = (name: string, description: string) =>
  Flag.KeyValuePair(name).pipe(
    Flag.withDescription(`${description}, as name=value. May be repeated (default: none).`),
    Flag.withDefault({}),
  )

const flags = {
  route: Argument.String("route").pipe(Argument.withDescription("The name of a route or a deployment.")),
  config: ConfigSource.flag,
  message: Flag.String("message").pipe(
    Flag.withDescription(
      'The text of the user message. Its length determines which context windows it fits (default: "Who is on tonight?").',
    ),
    Flag.withDefault("Who is on tonight?"),
  ),
  tag: Flag.String("tag").pipe(
    Flag.withDescription("A tag of the call. May be repeated (default: none)."),
    Flag.atLeast(0),
  ),
  header: pairs("header", "A header of the call"),
  metadata: pairs("metadata", "An entry of the metadata of the request"),
  caller: Flag.String("caller").pipe(
    Flag.withDescription("The id of the virtual key that the call is made with (default: none)."),
    Flag.optional,
  ),
  user: Flag.String("user").pipe(
    Flag.withDescription("The user of the request, by which a split may be sticky (default: none)."),
    Flag.optional,
  ),
  stream: Flag.Boolean("stream").pipe(
    Flag.withDescription("Explain a streaming call (default: off)."),
    Flag.withDefault(false),
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print the JSON of POST /v1/route/explain (default: off)."),
    Flag.withDefault(false),
  ),
}

export const explain = Command.make(
  "explain",
  flags,
  Effect.fnUntraced(function* ({ caller, config, header, json, message, metadata, route, stream, tag, user }) {
    const file = yield* ConfigSource.file(Option.getOrUndefined(config))
    const { configuration } = yield* Effect.provide(ConfigSource.load(file, false), DotEnv.layer(file))
    const headers = Record.mapKeys(header, (name) => name.toLowerCase())
    const explanation = yield* Effect.flatMap(Router.Router, (router) =>
      router.explain(
        { model: route, messages: [Chat.user(message)], metadata, user: Option.getOrUndefined(user) },
        {
          caller: Option.getOrUndefined(caller),
          headers: CallOptions.conditionHeaders(headers),
          tags: [...tag, ...CallOptions.tagsIn(headers)],
          streaming: stream,
        },
      ),
    ).pipe(Effect.provide(offlineRouter(yield* withPrices(configuration))))
    yield* Console.log(
      json
        ? JSON.stringify(Disclosure.explanation(explanation, "full"), undefined, 2)
        : Explain.lines(explanation).join("\n"),
    )
  }),
).pipe(
  Command.withDescription(
    "Explain which deployments a call on a route would try, and why others would be skipped. Calls no provider. Exit codes: 0, or 1 if the configuration is invalid or the route does not exist.",
  ),
  Command.withShortDescription("Explain which deployments a call would try"),
  Command.withExamples([
    {
      command: "understudy explain assistant",
      description: "Explain a route of understudy.yaml, or of the simulation.",
    },
    {
      command: "understudy explain assistant --config other.yaml --stream --json",
      description: "Explain a streaming call, as JSON.",
    },
    {
      command: "understudy explain assistant --tag vip",
      description: "Explain a call with a tag that the route has a condition for.",
    },
  ]),
)

/** A router over the deployments of a configuration, with providers that are never called. */
const offlineRouter = ({ defaults, deployments, guardrails, routes }: Configuration) => {
  const router = Router.layer({
    defaults,
    deployments: Object.fromEntries(
      Object.entries(deployments).map(([name, options]) => [
        name,
        { ...options, provider: accounts(options).map(() => unusedProvider(isLocal(options))) },
      ]),
    ),
    routes,
  })
  const named = guardrails.map(({ name, routes }) => ({ name, routes }))
  return Layer.provide(GuardedRouter.layer, [router, Guardrails.layer(named)])
}

const unusedProvider = (local: boolean) =>
  Layer.succeed(Provider, { protocol: "none", local, chat: () => Effect.never, stream: () => Stream.never })

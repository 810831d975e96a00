/**
 * `understudy draw ROUTE`: a route as a Mermaid flowchart, for a README or https://mermaid.live.
 */
import * as Drawing from "@understudy/core/Mermaid"
import { modelNotFound } from "@understudy/core/RouterError"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Configuration } from "../Config.ts"
import * as DotEnv from "../DotEnv.ts"
import * as ConfigSource from "./ConfigSource.ts"

const flags = {
  route: Argument.String("route").pipe(Argument.withDescription("The name of a route or a deployment.")),
  config: ConfigSource.flag,
}

/** The deployments, with the numbers of their keys. */
const drawn = ({ deployments }: Configuration) =>
  Object.fromEntries(
    Object.entries(deployments).map(([name, { apiKeys, limits }]) => [name, { limits, accounts: apiKeys?.length }]),
  )

export const draw = Command.make(
  "draw",
  flags,
  Effect.fnUntraced(function* ({ config, route }) {
    const file = yield* ConfigSource.file(Option.getOrUndefined(config))
    const { configuration } = yield* Effect.provide(ConfigSource.load(file, false), DotEnv.layer(file))
    const known = [...Object.keys(configuration.routes), ...Object.keys(configuration.deployments)]
    if (!known.includes(route)) return yield* modelNotFound(route, known)
    return yield* Console.log(Drawing.flowchart(route, configuration.routes, drawn(configuration)))
  }),
).pipe(
  Command.withDescription(
    "Print a route as a Mermaid flowchart. Exit codes: 0, or 1 if the configuration is invalid or the route does not exist.",
  ),
  Command.withShortDescription("Print a route as a Mermaid flowchart"),
  Command.withExamples([
    { command: "understudy draw assistant > assistant.mmd", description: "Write the flowchart to a file." },
  ]),
)

/**
 * `understudy draw ROUTE`: a route as Mermaid's text, for a README or https://mermaid.live.
 */
import * as Drawing from "@understudy/core/Mermaid"
import { modelNotFound } from "@understudy/core/RouterError"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as DotEnv from "../DotEnv.ts"
import * as ConfigSource from "./ConfigSource.ts"

const flags = {
  route: Argument.String("route").pipe(Argument.withDescription("The name of a route or a deployment")),
  config: ConfigSource.flag,
}

export const draw = Command.make(
  "draw",
  flags,
  Effect.fnUntraced(function* ({ config, route }) {
    const file = yield* ConfigSource.file(Option.getOrUndefined(config))
    const { configuration } = yield* Effect.provide(ConfigSource.load(file, false), DotEnv.layer(file))
    const known = [...Object.keys(configuration.routes), ...Object.keys(configuration.deployments)]
    if (!known.includes(route)) return yield* modelNotFound(route, known)
    return yield* Console.log(Drawing.flowchart(route, configuration.routes))
  }),
).pipe(
  Command.withDescription("Draw a route, as Mermaid's text"),
  Command.withExamples([{ command: "understudy draw assistant > assistant.mmd", description: "Into a file" }]),
)

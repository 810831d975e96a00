/**
 * `understudy serve`: the gateway as a process.
 */
import * as Circuit from "@understudy/core/Circuit"
import * as RateLimit from "@understudy/core/RateLimit"
import * as Rests from "@understudy/core/Rests"
import * as Router from "@understudy/core/Router"
import { toOptions } from "@understudy/providers/Config"
import * as Flag from "effect/cli/Flag"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import type { ServeError } from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { Configuration } from "../Config.ts"
import type { ServerSettings } from "../config/ServerSection.ts"
import * as DotEnv from "../DotEnv.ts"
import { Drain } from "../Drain.ts"
import type * as Guard from "../Guard.ts"
import * as Keys from "../keys/Keys.ts"
import * as CallLog from "../observe/CallLog.ts"
import * as ContentLog from "../observe/ContentLog.ts"
import * as Metrics from "../observe/Metrics.ts"
import * as Server from "../Server.ts"
import * as Banner from "./Banner.ts"
import * as Exposure from "./Exposure.ts"
import * as Source from "./Source.ts"

/** The gateway cannot listen where it was told to. */
export class CannotListen extends Data.TaggedError("CannotListen")<{ readonly message: string }> {}

const flags = {
  config: Source.flag,
  live: Flag.Boolean("live").pipe(
    Flag.withDescription("Serve the providers whose credentials are in the environment"),
    Flag.withDefault(false),
  ),
  port: Flag.Int("port").pipe(Flag.withDescription("The port to listen on; 4000 if not said"), Flag.optional),
  host: Flag.String("host").pipe(
    Flag.withDescription("The address to listen on; 127.0.0.1 if not said"),
    Flag.optional,
  ),
  logFormat: Flag.Literals("log-format", ["pretty", "json"]).pipe(
    Flag.withDescription("How log lines are written"),
    Flag.withDefault("pretty" as const),
  ),
  logContent: Flag.Boolean("log-content").pipe(
    Flag.withDescription("Log what is asked and answered"),
    Flag.withDefault(false),
  ),
}

export const serve = Command.make(
  "serve",
  flags,
  Effect.fnUntraced(function* ({ config, host, live, logContent, logFormat, port }) {
    const file = yield* Source.file(Option.getOrUndefined(config))
    const program = Effect.gen(function* () {
      const source = yield* Source.load(file, live)
      const server: ServerSettings = {
        ...source.configuration.server,
        ...Option.match(port, { onNone: () => undefined, onSome: (port) => ({ port }) }),
        ...Option.match(host, { onNone: () => undefined, onSome: (host) => ({ host }) }),
      }
      const guard = yield* Exposure.policy({ ...source.configuration, server })
      return yield* Effect.scoped(run(source, server, guard, logContent))
    })
    const logger = logFormat === "json" ? Logger.consoleJson : Logger.consolePretty()
    return yield* Effect.provide(program, [DotEnv.layer(file), Logger.layer([logger])])
  }),
).pipe(Command.withDescription("Serve the gateway"))

const run = Effect.fnUntraced(function* (
  source: Source.Source,
  server: ServerSettings,
  guard: Guard.Policy,
  logContent: boolean,
) {
  const router = layerRouter(source.configuration, logContent)
  // Those who tell are built before the server, and so hear of the last call it finishes.
  const gateway = Server.layer({ ...server, guard }).pipe(
    Layer.provide([Metrics.layer, CallLog.layer]),
    Layer.provide(router),
    Layer.provide(Drain.layer),
  )
  const context = yield* Layer.build(gateway).pipe(
    Effect.catchTag("ServeError", (error) => Effect.fail(cannotListen(server, error))),
  )
  const address = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  const operator = guard.keys.some(({ holder }) => holder === undefined)
  for (const line of yield* Banner.lines(address, source, operator)) yield* Console.log(line)
  return yield* Effect.never
})

/** The router that the endpoints ask: what it says is logged where that is wanted, and keys are held to what is theirs. */
const layerRouter = (configuration: Configuration, logContent: boolean) => {
  const { keys } = configuration
  const state = layerState(configuration)
  const router = Layer.provide(Router.layerShared(toOptions(configuration)), state)
  const logged = logContent ? Layer.provide(ContentLog.layer, router) : router
  return keys.length === 0 ? logged : Layer.provide(Keys.layer(keys), [logged, state])
}

/** State in memory, or in Redis where the configuration says so: only then is a client for Redis loaded. */
const layerState = ({ state: { redis } }: Configuration) =>
  redis === undefined
    ? Layer.mergeAll(Circuit.layerStore, RateLimit.layerMemory, Rests.layerMemory)
    : Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("../state/RedisState.ts")),
          ({ layer }) => layer(redis),
        ),
      )

const cannotListen = ({ host, port }: ServerSettings, { cause }: ServeError): CannotListen => {
  const code = Predicate.isObject(cause) && "code" in cause ? cause["code"] : undefined
  switch (code) {
    case "EADDRINUSE":
      return new CannotListen({ message: `Port ${port} is taken. Choose another: --port ${port + 1}` })
    case "EACCES":
      return new CannotListen({ message: `Port ${port} may not be listened on. Choose one above 1023: --port 4000` })
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CannotListen({ message: `This machine has no address ${host}. Choose another: --host 127.0.0.1` })
    default:
      return new CannotListen({
        message: `Cannot listen on ${host}:${port}: ${Predicate.isError(cause) ? cause.message : String(cause)}`,
      })
  }
}

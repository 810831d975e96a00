/**
 * `understudy serve`: runs the gateway.
 */
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
import type { ServerSettings } from "../config/ServerSection.ts"
import * as App from "../App.ts"
import * as DotEnv from "../DotEnv.ts"
import { Drain } from "../Drain.ts"
import type * as Auth from "../auth/Auth.ts"
import * as PlainText from "../observe/PlainText.ts"
import * as StartupMessage from "./StartupMessage.ts"
import * as ServerAuth from "./ServerAuth.ts"
import * as Output from "./Output.ts"
import * as Signals from "./Signals.ts"
import * as ConfigSource from "./ConfigSource.ts"

/** The gateway cannot listen on its address. */
export class CannotListen extends Data.TaggedError("CannotListen")<{ readonly message: string }> {}

const flags = {
  config: ConfigSource.flag,
  live: Flag.Boolean("live").pipe(
    Flag.withDescription(
      "Serve the providers whose credentials are in the environment, instead of a configuration file (default: off).",
    ),
    Flag.withDefault(false),
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("The port to listen on (default: server.port of the configuration, else 4000)."),
    Flag.optional,
  ),
  host: Flag.String("host").pipe(
    Flag.withDescription("The address to listen on (default: server.host of the configuration, else 127.0.0.1)."),
    Flag.optional,
  ),
  logFormat: Flag.Literals("log-format", ["pretty", "json"]).pipe(
    Flag.withDescription("The format of log lines (default: pretty)."),
    Flag.withDefault("pretty" as const),
  ),
  logContent: Flag.Boolean("log-content").pipe(
    Flag.withDescription("Log prompts and answers (default: off)."),
    Flag.withDefault(false),
  ),
}

export const serve = Command.make(
  "serve",
  flags,
  Effect.fnUntraced(function* ({ config, host, live, logContent, logFormat, port }) {
    const file = yield* ConfigSource.file(Option.getOrUndefined(config))
    const program = Effect.gen(function* () {
      const source = yield* ConfigSource.load(file, live)
      for (const { message, path } of source.configuration.notImported) yield* Effect.logWarning(`${path}: ${message}`)
      const server: ServerSettings = {
        ...source.configuration.server,
        ...Option.match(port, { onNone: () => undefined, onSome: (port) => ({ port }) }),
        ...Option.match(host, { onNone: () => undefined, onSome: (host) => ({ host }) }),
      }
      const auth = yield* ServerAuth.withSessions(yield* ServerAuth.policy({ ...source.configuration, server }))
      return yield* Effect.scoped(run(source, server, auth, logContent))
    })
    const logger = logFormat === "json" ? PlainText.json : PlainText.logger(Logger.consolePretty())
    return yield* Effect.provide(program, [DotEnv.layer(file), Logger.layer([logger]), Output.layer])
  }),
).pipe(
  Command.withDescription(
    "Run the gateway until SIGINT or SIGTERM, then drain; a second signal ends running calls. Exit codes: 130 after a signal, 1 if the gateway cannot start.",
  ),
  Command.withShortDescription("Run the gateway"),
)

const run = Effect.fnUntraced(function* (
  source: ConfigSource.ConfigSource,
  server: ServerSettings,
  auth: Auth.Policy,
  logContent: boolean,
) {
  yield* Signals.ignoreHangup
  const gateway = App.layer(source.configuration, { server, auth, logContent })
  const context = yield* Layer.build(gateway).pipe(
    Effect.catchTag("ServeError", (error) => Effect.fail(cannotListen(server, error))),
  )
  const address = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  const drain = Context.get(context, Drain)
  yield* Signals.hurryOnInterrupt(drain.hurry)
  // Detached: it has to run while this scope closes.
  yield* Effect.forkDetach(Effect.andThen(yield* Signals.SecondSignal, drain.end))
  for (const line of yield* StartupMessage.lines(address, source, auth.keys.hasOperator)) yield* Console.log(line)
  return yield* Effect.never
})

const cannotListen = ({ host, port }: ServerSettings, { cause }: ServeError): CannotListen => {
  const code = Predicate.isObject(cause) && "code" in cause ? cause["code"] : undefined
  switch (code) {
    case "EADDRINUSE":
      return new CannotListen({ message: `Port ${port} is already in use. Choose another: --port ${port + 1}` })
    case "EACCES":
      return new CannotListen({
        message: `No permission to listen on port ${port}. Choose a port above 1023: --port 4000`,
      })
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CannotListen({
        message: `${host} is not an address of this machine. Choose another: --host 127.0.0.1`,
      })
    default:
      return new CannotListen({
        message: `Cannot listen on ${host}:${port}: ${Predicate.isError(cause) ? cause.message : String(cause)}`,
      })
  }
}

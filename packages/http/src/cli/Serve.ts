/**
 * `understudy serve`: runs the gateway.
 */
import * as Cause from "effect/Cause"
import * as Flag from "effect/cli/Flag"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import type { ServeError } from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import { maxWorkers, type ServerSettings } from "../config/ServerSection.ts"
import * as App from "../App.ts"
import type { ConfigFiles } from "../ConfigFiles.ts"
import * as DotEnv from "../DotEnv.ts"
import { Drain } from "../Drain.ts"
import type * as Auth from "../auth/Auth.ts"
import * as LogFormat from "../observe/LogFormat.ts"
import * as MainProcess from "../workers/MainProcess.ts"
import * as StartupMessage from "./StartupMessage.ts"
import * as ServerAuth from "./ServerAuth.ts"
import * as Output from "./Output.ts"
import * as Signals from "./Signals.ts"
import * as Reload from "../reload/Reload.ts"
import * as Reloads from "./Reloads.ts"
import * as ConfigSource from "./ConfigSource.ts"

/** The gateway cannot listen on its address. */
export class CannotListen extends Data.TaggedError("CannotListen")<{ readonly message: string }> {}

/** The gateway has ended, and has logged why. Exit code 1. */
export class Ended extends Data.TaggedError("Ended")<{}> {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

/** `--watch` without a configuration file. */
export class NothingToWatch extends Data.TaggedError("NothingToWatch")<object> {
  override get message(): string {
    return "--watch needs a configuration file: give one with --config, or write understudy.yaml"
  }
}

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
  workers: Flag.Int("workers").pipe(
    Flag.withDescription(
      "The number of processes that serve, at most one for each core (default: server.workers of the configuration, else 1).",
    ),
    Flag.filter(
      (workers) => workers >= 1 && workers <= maxWorkers,
      (workers) => `--workers takes a number from 1 to ${maxWorkers}, not ${workers}`,
    ),
    Flag.optional,
  ),
  watch: Flag.Boolean("watch").pipe(
    Flag.withDescription("Reload the configuration when its file or .env has changed (default: off)."),
    Flag.withDefault(false),
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
  Effect.fnUntraced(function* ({ config, host, live, logContent, logFormat, port, watch, workers }) {
    const file = yield* ConfigSource.file(Option.getOrUndefined(config))
    const watched = watch && !live ? file : undefined
    if (watch && watched === undefined) return yield* new NothingToWatch()
    // With the environment alone: the one below has `.env` as it is now.
    const load = yield* Reloads.loader(file, live)
    const start = Effect.fnUntraced(function* (main: App.Main | undefined, files: ConfigFiles) {
      const reloads = main === undefined ? yield* Reloads.make(watched, files) : undefined
      const source = yield* ConfigSource.load(file, live, files.configuration)
      const server: ServerSettings = {
        ...source.configuration.server,
        ...Option.match(port, { onNone: () => undefined, onSome: (port) => ({ port }) }),
        ...Option.match(host, { onNone: () => undefined, onSome: (host) => ({ host }) }),
        ...Option.match(workers, { onNone: () => undefined, onSome: (workers) => ({ workers }) }),
      }
      const policy = yield* ServerAuth.policy({ ...source.configuration, server })
      if (main !== undefined) {
        const auth = yield* ServerAuth.withSessions(policy, main.sessionSecret)
        return yield* Effect.annotateLogs(runWorker(source, { server, auth, logContent, main, load }), {
          worker: main.connection.worker,
        })
      }
      for (const { message, path } of source.configuration.notImported) yield* Effect.logWarning(`${path}: ${message}`)
      const auth = yield* ServerAuth.withSessions(policy)
      return server.workers > 1
        ? yield* supervise(source, files, server, auth, logFormat, reloads)
        : yield* run(source, { server, auth, logContent, load }, logFormat, reloads)
    }, Effect.scoped)
    const program = Effect.gen(function* () {
      const main = yield* hello
      const files = main?.started ?? (yield* ConfigSource.read(file, live))
      return yield* Effect.provide(start(main, files), DotEnv.layerOf(files.dotEnv))
    })
    // In a JSON log, why the gateway ends is a line like any other.
    const logged = Effect.catchCause(program, (cause) =>
      logFormat === "json" ? logCause(cause) : Effect.failCause(cause),
    )
    return yield* Effect.provide(logged, [Logger.layer([LogFormat.logger(logFormat)]), Output.layer(logFormat)])
  }),
).pipe(
  Command.withDescription(
    "Run the gateway until SIGINT or SIGTERM, then drain; a second signal ends running calls. Exit codes: 130 after a signal, 1 if the gateway cannot start.",
  ),
  Command.withShortDescription("Run the gateway"),
)

const run = Effect.fnUntraced(function* (
  source: ConfigSource.ConfigSource,
  options: App.ServeOptions,
  logFormat: LogFormat.Format,
  reloads: Reloads.Reloads | undefined,
) {
  const { address, drain, reload } = yield* build(source, options)
  yield* Reloads.start(reloads, (trigger) =>
    drain.announced() ? Reloads.isShuttingDown : Effect.ignore(reload(trigger)),
  )
  yield* Signals.hurryOnInterrupt(drain.hurry)
  // Detached: it has to run while this scope closes.
  yield* Effect.forkDetach(Effect.andThen(yield* Signals.SecondSignal, drain.end))
  return yield* serving(address, source, options.auth, logFormat)
})

/** Builds the gateway, which then listens. */
const build = Effect.fnUntraced(function* (source: ConfigSource.ConfigSource, options: App.ServeOptions) {
  const context = yield* Layer.build(App.layer(source.configuration, options)).pipe(
    Effect.catchTag("ServeError", (error) => Effect.fail(cannotListen(options.server, error))),
  )
  const address = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  return { address, drain: Context.get(context, Drain), reload: Context.get(context, Reload.Reload).reload }
})

/** Says what is served, until the program is interrupted. */
const serving = Effect.fnUntraced(function* (
  address: string,
  source: ConfigSource.ConfigSource,
  { keys }: Auth.Policy,
  logFormat: LogFormat.Format,
) {
  if (logFormat === "json") yield* StartupMessage.log(address, source)
  else for (const line of yield* StartupMessage.lines(address, source, keys.hasOperator)) yield* Console.log(line)
  return yield* Effect.never
})

/** The main process of several workers. It serves nothing, and does not build the gateway. */
const supervise = Effect.fnUntraced(function* (
  source: ConfigSource.ConfigSource,
  files: ConfigFiles,
  { drain, workers }: ServerSettings,
  auth: Auth.Policy,
  logFormat: LogFormat.Format,
  reloads: Reloads.Reloads | undefined,
) {
  const Supervisor = yield* Effect.promise(() => import("../workers/Supervisor.ts"))
  const { ask, isShuttingDown, serve, shutdown } = yield* Supervisor.make({
    workers,
    files,
    catchUp: Reload.catchUpQuestion,
    sessionSecret: auth.sessions === undefined ? undefined : Redacted.value(auth.sessions),
    shutdownTimeout: Duration.sum(Duration.sum(drain.delay, drain.timeout), Duration.seconds(10)),
  })
  yield* Signals.hurryOnInterrupt(shutdown("hurry"))
  yield* Effect.forkDetach(Effect.andThen(yield* Signals.SecondSignal, shutdown("end")))
  const address = yield* serve
  yield* Reloads.start(reloads, (trigger) =>
    isShuttingDown() ? Reloads.isShuttingDown : ask(Reload.question(trigger, 0)),
  )
  return yield* serving(address, source, auth, logFormat)
})

/** What the main process tells this worker at its start; `undefined` in a process without one. */
const hello: Effect.Effect<App.Main | undefined> = Effect.suspend(() => {
  const worker = MainProcess.number()
  if (worker === undefined) return Effect.undefined
  const connection = MainProcess.connect(worker)
  return Effect.map(connection.ask("hello", null), (hello) => ({ connection, ...hello }))
})

/** A worker, until the main process tells it to shut down. */
const runWorker = Effect.fnUntraced(function* (
  source: ConfigSource.ConfigSource,
  options: App.ServeOptions & { readonly main: App.Main },
) {
  const { connection } = options.main
  const serving = Effect.gen(function* () {
    const { address, drain } = yield* build(source, options)
    yield* Effect.forkDetach(Effect.andThen(connection.hurry, drain.hurry))
    yield* Effect.forkDetach(Effect.andThen(connection.end, drain.end))
    connection.tell("serving", address)
    return yield* Effect.never
  })
  yield* Effect.raceFirst(serving, connection.shutdown)
  return yield* Effect.interrupt
})

/** Logs a failure, and ends with it. A signal is none. */
const logCause = <E extends { readonly message: string }>(cause: Cause.Cause<E>): Effect.Effect<never, E | Ended> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
  const error = Cause.findErrorOption(cause)
  const log = Option.isSome(error)
    ? Effect.logFatal(error.value.message)
    : Effect.logFatal("The gateway ended because of a defect", cause)
  return Effect.andThen(log, Effect.fail(new Ended()))
}

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

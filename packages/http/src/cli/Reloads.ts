/**
 * How `serve` reads its configuration again, and when: at SIGHUP, and with `--watch` when it has changed.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { InvalidConfiguration } from "../Config.ts"
import * as DotEnv from "../DotEnv.ts"
import type { ConfigFiles } from "../ConfigFiles.ts"
import type { Load } from "../reload/Reload.ts"
import * as ConfigSource from "./ConfigSource.ts"
import * as ServerAuth from "./ServerAuth.ts"
import * as Signals from "./Signals.ts"
import * as Watch from "./Watch.ts"

type Platform = FileSystem.FileSystem | Path.Path

/**
 * What `ConfigSource.load` gives for the files as they are now, `.env` included, or for those given. Every failure is a problem of
 * the configuration.
 */
export const loader = Effect.fnUntraced(function* (
  file: string | undefined,
  live: boolean,
): Effect.fn.Return<Load, never, Platform> {
  const context = yield* Effect.context<Platform>()
  const environment = yield* ConfigProvider.ConfigProvider
  const parsed = Effect.fnUntraced(function* (files: ConfigFiles) {
    const { configuration, origin } = yield* ConfigSource.load(file, live, files.configuration)
    return {
      file: origin,
      files,
      configuration,
      keys: yield* ServerAuth.acceptedKeys(configuration.keys),
      variables: yield* ConfigProvider.ConfigProvider,
    }
  })
  return (given) =>
    (given === undefined ? ConfigSource.read(file, live) : Effect.succeed(given)).pipe(
      Effect.flatMap((files) => Effect.provide(parsed(files), DotEnv.layerOf(files.dotEnv))),
      // The caller's has `.env` as it was, which would take precedence.
      Effect.provideService(ConfigProvider.ConfigProvider, environment),
      Effect.catch((error) =>
        Effect.fail(
          error._tag === "InvalidConfiguration"
            ? error
            : new InvalidConfiguration({
                file: file ?? "the environment",
                problems: [{ path: "", message: error.message }],
              }),
        ),
      ),
      Effect.provideContext(context),
    )
})

/** What begins reloads. Before `start` there are none: SIGHUP is then ignored, and never ends the process. */
export interface Reloads {
  readonly onHangup: (run: Effect.Effect<void>) => void
  /** The watched file, with the contents that were read when the process started. */
  readonly watched: { readonly file: string; readonly known: Watch.Fingerprint } | undefined
}

/** SIGHUP is handled until the scope closes: also while the gateway shuts down. */
export const make = Effect.fnUntraced(function* (
  file: string | undefined,
  files: ConfigFiles,
): Effect.fn.Return<Reloads, never, Scope.Scope> {
  let run = Effect.logWarning("SIGHUP is ignored: the gateway is starting")
  yield* Signals.onHangup(Effect.suspend(() => run))
  return {
    onHangup: (next) => void (run = next),
    watched: file === undefined ? undefined : { file, known: Watch.fingerprintOf(files) },
  }
})

/** Runs `reload` at each SIGHUP, and whenever the watched file has other contents, until the scope closes. */
export const start = Effect.fnUntraced(function* (
  reloads: Reloads | undefined,
  reload: (trigger: string) => Effect.Effect<void>,
): Effect.fn.Return<void, never, Platform | Scope.Scope> {
  if (reloads === undefined) return
  const { onHangup, watched } = reloads
  onHangup(Effect.suspend(() => reload("SIGHUP")))
  if (watched === undefined) return
  const { file, known } = watched
  yield* Effect.forkScoped(
    Watch.run(
      file,
      known,
      Effect.suspend(() => reload(`${file} has changed`)),
    ),
  )
})

export const isShuttingDown = Effect.logWarning("SIGHUP is ignored: the gateway is shutting down")

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
import type { Loaded } from "../reload/Reload.ts"
import * as ConfigSource from "./ConfigSource.ts"
import * as ServerAuth from "./ServerAuth.ts"
import * as Signals from "./Signals.ts"
import * as Watch from "./Watch.ts"

type Files = FileSystem.FileSystem | Path.Path

/** What `ConfigSource.load` gives, with `.env` read again. Every failure is a problem of the configuration. */
export const loader = Effect.fnUntraced(function* (
  file: string | undefined,
  live: boolean,
): Effect.fn.Return<Effect.Effect<Loaded, InvalidConfiguration>, never, Files> {
  const context = yield* Effect.context<Files>()
  const environment = yield* ConfigProvider.ConfigProvider
  return Effect.gen(function* () {
    const { configuration, origin, text } = yield* ConfigSource.load(file, live)
    return {
      file: origin,
      text,
      configuration,
      keys: yield* ServerAuth.acceptedKeys(configuration.keys),
      variables: yield* ConfigProvider.ConfigProvider,
    }
  }).pipe(
    Effect.provide(DotEnv.layer(file)),
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
  /** The watched file, with its contents when the process started. */
  readonly watched: { readonly file: string; readonly known: Watch.Fingerprint } | undefined
}

/** SIGHUP is handled until the scope closes: also while the gateway shuts down. */
export const make = Effect.fnUntraced(function* (
  file: string | undefined,
): Effect.fn.Return<Reloads, never, Files | Scope.Scope> {
  let run = Effect.logWarning("SIGHUP is ignored: the gateway is starting")
  yield* Signals.onHangup(Effect.suspend(() => run))
  return {
    onHangup: (next) => void (run = next),
    watched: file === undefined ? undefined : { file, known: yield* Watch.fingerprint(file) },
  }
})

/** Runs `reload` at each SIGHUP, and whenever the watched file has other contents, until the scope closes. */
export const start = Effect.fnUntraced(function* (
  reloads: Reloads | undefined,
  reload: (trigger: string) => Effect.Effect<void>,
): Effect.fn.Return<void, never, Files | Scope.Scope> {
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

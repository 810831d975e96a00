/**
 * `.env` files as a source of configuration variables. Variables of the environment take precedence.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"

/**
 * A `ConfigProvider` that reads the environment, then the `.env` in the directory of the configuration `file` (if given),
 * then the `.env` in the working directory. A missing `.env` is ignored. An unreadable one fails with a `PlatformError`.
 */
export const layer = (file?: string): Layer.Layer<never, PlatformError, FileSystem.FileSystem | Path.Path> =>
  ConfigProvider.layer(
    Effect.gen(function* () {
      const sources = yield* Effect.forEach(yield* files(file), read)
      return [yield* ConfigProvider.ConfigProvider, ...sources].reduce(orElse)
    }),
  )

/** The `.env` files that are read, whether or not they exist. */
export const files = (file: string | undefined): Effect.Effect<ReadonlyArray<string>, never, Path.Path> =>
  Effect.map(Path.Path, (path) => {
    const besideFile = file === undefined ? [] : [path.resolve(path.dirname(file), ".env")]
    return [...new Set([...besideFile, path.resolve(".env")])]
  })

const empty = ConfigProvider.fromEnvRecord({})

const read = (file: string) =>
  Effect.catchTag(ConfigProvider.fromDotEnv({ path: file }), "PlatformError", (error) =>
    error.reason._tag === "NotFound" ? Effect.succeed(empty) : Effect.fail(error),
  )

/**
 * Reads from `second` what has no value in `first`. `ConfigProvider.orElse` does not when `first` has a longer name: with
 * `AWS_PROFILE_DIR` in `first`, it does not read `AWS_PROFILE` from `second`.
 */
const orElse = (first: ConfigProvider.ConfigProvider, second: ConfigProvider.ConfigProvider) =>
  ConfigProvider.make((path) =>
    Effect.filterOrElse(
      first.load(path),
      (node) => node?.value !== undefined,
      (node) => Effect.map(second.load(path), (other) => (other?.value === undefined ? (node ?? other) : other)),
    ),
  )

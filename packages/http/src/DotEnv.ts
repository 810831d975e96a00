/**
 * `.env` files as a source of configuration variables. Variables of the environment take precedence.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"

/**
 * A `ConfigProvider` that reads the environment, then the `.env` in the directory of the configuration `file` (if given),
 * then the `.env` in the working directory. A missing `.env` is ignored. An unreadable one fails with a `PlatformError`.
 */
export const layer = (file?: string): Layer.Layer<never, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Layer.unwrap(Effect.map(read(file), layerOf))

/** What `layer` reads: the texts of the files, in their order; `null` for one that does not exist. */
export type Texts = ReadonlyArray<string | null>

/** A `ConfigProvider` that reads the environment, then these texts in place of the files. */
export const layerOf = (texts: Texts): Layer.Layer<never> =>
  ConfigProvider.layer(
    Effect.map(ConfigProvider.ConfigProvider, (environment) =>
      [environment, ...texts.map((text) => ConfigProvider.fromDotEnvContents(text ?? ""))].reduce(orElse),
    ),
  )

/** Reads the files. An unreadable one fails with a `PlatformError`. */
export const read = Effect.fnUntraced(function* (
  file: string | undefined,
): Effect.fn.Return<Texts, PlatformError, FileSystem.FileSystem | Path.Path> {
  const { readFileString } = yield* FileSystem.FileSystem
  return yield* Effect.forEach(yield* files(file), (name) =>
    Effect.catch(readFileString(name), (error) =>
      error.reason._tag === "NotFound" ? Effect.succeed(null) : Effect.fail(error),
    ),
  )
})

/** The `.env` files that are read, whether or not they exist. */
export const files = (file: string | undefined): Effect.Effect<ReadonlyArray<string>, never, Path.Path> =>
  Effect.map(Path.Path, (path) => {
    const besideFile = file === undefined ? [] : [path.resolve(path.dirname(file), ".env")]
    return [...new Set([...besideFile, path.resolve(".env")])]
  })

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

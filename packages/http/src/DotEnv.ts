/**
 * `.env` files as a source of configuration, behind the environment itself: what is really set wins.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"

/**
 * Has everything above it read the environment, then the `.env` beside the configuration `file` (where there is one),
 * then that of the working directory. A missing one is no error; one that cannot be read is.
 */
export const layer = (file?: string): Layer.Layer<never, PlatformError, FileSystem.FileSystem | Path.Path> =>
  ConfigProvider.layer(
    Effect.gen(function* () {
      const path = yield* Path.Path
      const beside = file === undefined ? [] : [path.resolve(path.dirname(file), ".env")]
      const files = new Set([...beside, path.resolve(".env")])
      const sources = yield* Effect.forEach(files, read)
      return [yield* ConfigProvider.ConfigProvider, ...sources].reduce(behind)
    }),
  )

const nothing = ConfigProvider.fromEnvRecord({})

const read = (file: string) =>
  Effect.catchTag(ConfigProvider.fromDotEnv({ path: file }), "PlatformError", (error) =>
    error.reason._tag === "NotFound" ? Effect.succeed(nothing) : Effect.fail(error),
  )

/**
 * Asks `second` where `first` has no value. `ConfigProvider.orElse` would be content with a mere prefix: with
 * `AWS_PROFILE_DIR` set, it would not look for `AWS_PROFILE` any further.
 */
const behind = (first: ConfigProvider.ConfigProvider, second: ConfigProvider.ConfigProvider) =>
  ConfigProvider.make((path) =>
    Effect.filterOrElse(
      first.load(path),
      (node) => node?.value !== undefined,
      (node) => Effect.map(second.load(path), (other) => (other?.value === undefined ? (node ?? other) : other)),
    ),
  )

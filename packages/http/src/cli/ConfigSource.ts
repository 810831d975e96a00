/**
 * Selects the configuration of a command: the given file, else `understudy.yaml` in the working directory, else the
 * simulation. With `--live`, the providers whose credentials are in the environment: only then are real providers called
 * without a file.
 */
import * as Flag from "effect/cli/Flag"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Config from "../Config.ts"
import * as DotEnv from "../DotEnv.ts"
import type { ConfigFiles } from "../ConfigFiles.ts"
import * as Environment from "./Environment.ts"
import * as Simulation from "./Simulation.ts"

/** A configuration and a description of its origin. */
export interface ConfigSource {
  readonly configuration: Config.Configuration
  readonly origin: string
}

/** `--live` without credentials in the environment. */
export class NoCredentials extends Data.TaggedError("NoCredentials")<object> {
  override get message(): string {
    return `--live found no credentials. Set at least one of ${Environment.variables.join(", ")} in the environment or in .env.`
  }
}

/** The file that is used by default, if it exists. */
export const defaultFile = "understudy.yaml"

/** `--config` of every command that uses the configuration of `serve`. */
export const flag = Flag.File("config", { mustExist: false }).pipe(
  Flag.withDescription(
    `The configuration file (default: ${defaultFile} if it exists, else two simulated deployments).`,
  ),
  Flag.optional,
)

/** The given file, or the default file if it exists. */
export const file = Effect.fnUntraced(function* (given: string | undefined) {
  if (given !== undefined) return given
  const files = yield* FileSystem.FileSystem
  return (yield* Effect.orElseSucceed(files.exists(defaultFile), () => false)) ? defaultFile : undefined
})

/** The texts of all files that a configuration is read from: its own, if there is one, and `.env`. */
export const read = Effect.fnUntraced(function* (file: string | undefined, live: boolean) {
  const dotEnv = yield* DotEnv.read(file)
  return { configuration: live || file === undefined ? null : yield* Config.read(file), dotEnv } satisfies ConfigFiles
})

/**
 * The configuration of a file; without one, of the environment (`live`) or the simulation. `given`: the text to take for that
 * of the file.
 */
export const load = Effect.fnUntraced(function* (
  file: string | undefined,
  live: boolean,
  given: string | null = null,
): Effect.fn.Return<ConfigSource, Config.InvalidConfiguration | NoCredentials, FileSystem.FileSystem> {
  if (live) {
    const credentials = yield* Environment.credentials
    if (credentials.length === 0) return yield* new NoCredentials()
    const configuration = yield* Config.parse(Environment.yaml(credentials), "the live configuration")
    return { configuration, origin: `the providers of ${credentials.join(", ")}` }
  }
  if (file !== undefined) {
    const text = given ?? (yield* Config.read(file))
    return { configuration: yield* Config.parse(text, file), origin: file }
  }
  return {
    configuration: yield* Config.parse(Simulation.yaml, "the simulation"),
    origin: "simulated deployments: no network, no cost",
  }
})

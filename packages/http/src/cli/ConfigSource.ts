/**
 * Which configuration a command uses: the file it is given, else `understudy.yaml` where it stands, else the simulation; or,
 * with `--live`, what the environment has credentials for. Nothing spends money unasked.
 */
import * as Flag from "effect/cli/Flag"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Config from "../Config.ts"
import * as Environment from "./Environment.ts"
import * as Simulation from "./Simulation.ts"

/** What is served, and where that was said. */
export interface ConfigSource {
  readonly configuration: Config.Configuration
  readonly origin: string
}

/** `--live` with no credentials to be live with. */
export class NothingLive extends Data.TaggedError("NothingLive")<object> {
  override get message(): string {
    return `--live found no credentials. Set one of ${Environment.variables.join(", ")} in the environment or in .env.`
  }
}

/** The file that is served when none is named. */
export const usual = "understudy.yaml"

/** `--config`, for every command that takes what `serve` would serve. */
export const flag = Flag.File("config", { mustExist: false }).pipe(
  Flag.withDescription(`The configuration file; ${usual} if there is one, else simulated deployments`),
  Flag.optional,
)

/** The file to serve: the one named, or the usual one where it exists. */
export const file = Effect.fnUntraced(function* (named: string | undefined) {
  if (named !== undefined) return named
  const files = yield* FileSystem.FileSystem
  return (yield* Effect.orElseSucceed(files.exists(usual), () => false)) ? usual : undefined
})

/** The configuration of that file, or what stands in for one. */
export const load = Effect.fnUntraced(function* (
  file: string | undefined,
  live: boolean,
): Effect.fn.Return<ConfigSource, Config.InvalidConfiguration | NothingLive, FileSystem.FileSystem> {
  if (live) {
    const credentials = yield* Environment.credentials
    if (credentials.length === 0) return yield* new NothingLive()
    const configuration = yield* Config.parse(Environment.yaml(credentials), "the live configuration")
    return { configuration, origin: `the providers of ${credentials.join(", ")}` }
  }
  if (file !== undefined) return { configuration: yield* Config.load(file), origin: file }
  return {
    configuration: yield* Config.parse(Simulation.yaml, "the simulation"),
    origin: "simulated deployments: no network, no cost",
  }
})

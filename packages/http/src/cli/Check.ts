/**
 * `understudy check FILE`: whether a configuration can be served, and all that is wrong with it; what is legal and yet
 * hardly meant; what its routes come to at their worst. Nobody is asked anything for that; with `--live` every deployment
 * is, and the Redis that is to keep its state.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Runtime from "effect/Runtime"
import type { Problem } from "@understudy/providers/Config"
import type { Configuration } from "../Config.ts"
import * as Config from "../Config.ts"
import * as DotEnv from "../DotEnv.ts"
import * as ServerAuth from "./ServerAuth.ts"
import * as LintReport from "./LintReport.ts"
import * as LiveCheck from "./LiveCheck.ts"
import { remedy } from "./SuggestedFix.ts"
import * as Summary from "./Summary.ts"

/** The check found something, and has said what: the process ends with 1 and no more words. */
export class CheckFailed extends Data.TaggedError("Unfit")<{}> {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

const file = Argument.String("file").pipe(Argument.withDescription("The configuration, a YAML file"))

const live = Flag.Boolean("live").pipe(
  Flag.withDescription(
    "Ask every deployment one small question, which may cost a fraction of a cent each, and Redis if there is one",
  ),
  Flag.withDefault(false),
)

/** Checks a file and prints a summary, or every problem. */
export const run = (options: {
  readonly file: string
  readonly live: boolean
}): Effect.Effect<void, CheckFailed, FileSystem.FileSystem | Path.Path> =>
  Config.load(options.file).pipe(
    Effect.flatMap((configuration) => report(configuration, options)),
    Effect.provide(DotEnv.layer(options.file)),
    Effect.catchTags({
      InvalidConfiguration: ({ message }) => refuse(message),
      PlatformError: ({ message }) => refuse(`.env cannot be read: ${message}`),
    }),
  )

export const check = Command.make("check", { file, live }, run).pipe(
  Command.withDescription("Check a configuration; every problem at once, each with its place and what would mend it"),
  Command.withExamples([
    { command: "understudy check understudy.yaml", description: "Check the file, and that every provider can start" },
    { command: "understudy check understudy.yaml --live", description: "Also ask every deployment something" },
  ]),
)

const report = Effect.fnUntraced(function* (
  configuration: Configuration,
  { file, live }: { readonly file: string; readonly live: boolean },
): Effect.fn.Return<void, Config.InvalidConfiguration | CheckFailed> {
  const problems = [...(yield* exposed(configuration)), ...(yield* LiveCheck.start(configuration))]
  if (problems.length > 0) return yield* new Config.InvalidConfiguration({ file, problems })
  yield* print([
    `${file} is fine.`,
    ...Summary.lines(configuration),
    ...LintReport.lines(configuration),
    ...Summary.section(
      "not imported",
      configuration.notImported.map(({ message, path }) => [`${path}: ${message}`]),
    ),
  ])
  if (!live) return
  const [outcomes, state] = yield* Effect.all([LiveCheck.ask(configuration), LiveCheck.state(configuration)], {
    concurrency: "unbounded",
  })
  yield* print(
    Summary.section("live", [
      ...outcomes.flatMap((outcome) => told(outcome, configuration)),
      ...(state === undefined ? [] : answered("redis", state)),
    ]),
  )
  if ([...outcomes, state].some((outcome) => outcome?._tag === "Failed")) return yield* new CheckFailed()
})

/** What `serve` would not listen on. */
const exposed = (configuration: Configuration): Effect.Effect<ReadonlyArray<Problem>> =>
  Effect.match(ServerAuth.policy(configuration), {
    onSuccess: () => [],
    onFailure: ({ message }) => [{ path: "server.host", message: message.replaceAll("\n", " ") }],
  })

const told = (outcome: LiveCheck.LiveCheck, configuration: Configuration): ReadonlyArray<ReadonlyArray<string>> => {
  const { deployment } = outcome
  if (outcome._tag === "Answered") return answered(deployment, outcome)
  if (outcome._tag === "Unasked") return [[deployment, "stands for many models, and none was asked"]]
  const { message, reason, status } = outcome
  const title = [reason?._tag, status === undefined ? undefined : `(${status})`].filter((word) => word !== undefined)
  return [
    [deployment, title.length === 0 ? message : `${title.join(" ")}: ${message}`],
    ...(reason === undefined ? [] : [["", remedy(deployment, configuration, { reason, status, message })]]),
  ]
}

/** One line, or as many as it takes to say why not. */
const answered = (name: string, outcome: LiveCheck.Answered | LiveCheck.Silent): ReadonlyArray<ReadonlyArray<string>> =>
  outcome._tag === "Answered"
    ? [[name, `answered in ${Math.round(Duration.toMillis(outcome.took))} ms`]]
    : outcome.message.split("\n").map((line, at) => [at === 0 ? name : "", line])

const print = (lines: ReadonlyArray<string>): Effect.Effect<void> => Console.log(lines.join("\n"))

const refuse = (message: string): Effect.Effect<never, CheckFailed> =>
  Effect.andThen(Console.error(message), new CheckFailed())

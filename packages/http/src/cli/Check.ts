/**
 * `understudy check FILE`: validates a configuration and prints all of its problems, its suspicious settings, and the worst
 * case of each route (attempts, time, cost). It calls no provider, except with `--live`: then it calls every deployment
 * once, and Redis.
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
import { withPrices } from "@understudy/providers/Config"
import type { Configuration } from "../Config.ts"
import * as Report from "@understudy/providers/internal/import/Report"
import * as Config from "../Config.ts"
import * as DotEnv from "../DotEnv.ts"
import * as StartCheck from "../reload/StartCheck.ts"
import * as ServerAuth from "./ServerAuth.ts"
import * as LintReport from "./LintReport.ts"
import * as LiveCheck from "./LiveCheck.ts"
import { suggestedFix } from "./SuggestedFix.ts"
import * as Summary from "./Summary.ts"
import * as Table from "./Table.ts"

/** The check found problems and has printed them. Exit code 1. */
export class CheckFailed extends Data.TaggedError("CheckFailed")<{}> {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

const file = Argument.String("file").pipe(Argument.withDescription("The configuration file to check, in YAML."))

const live = Flag.Boolean("live").pipe(
  Flag.withDescription(
    "Call every deployment once, which may cost a fraction of a cent each, and connect to Redis if it is configured (default: off).",
  ),
  Flag.withDefault(false),
)

/** Checks a file. Prints a summary, or every problem. */
export const run = (options: {
  readonly file: string
  readonly live: boolean
}): Effect.Effect<void, CheckFailed, FileSystem.FileSystem | Path.Path> =>
  Config.load(options.file).pipe(
    Effect.flatMap((configuration) => report(configuration, options)),
    Effect.provide(DotEnv.layer(options.file)),
    Effect.catchTags({
      InvalidConfiguration: ({ message }) => printError(message),
      PlatformError: ({ message }) => printError(`.env cannot be read: ${message}`),
    }),
  )

export const check = Command.make("check", { file, live }, run).pipe(
  Command.withDescription(
    "Check a configuration file. Prints every problem with its path and a fix. Exit codes: 0 if the file is valid (and, with --live, every deployment answers), else 1.",
  ),
  Command.withShortDescription("Check a configuration file"),
  Command.withExamples([
    { command: "understudy check understudy.yaml", description: "Check the file, and that every provider can start." },
    { command: "understudy check understudy.yaml --live", description: "Also call every deployment." },
  ]),
)

const report = Effect.fnUntraced(function* (
  configuration: Configuration,
  { file, live }: { readonly file: string; readonly live: boolean },
): Effect.fn.Return<void, Config.InvalidConfiguration | CheckFailed> {
  const problems = [...(yield* authProblems(configuration)), ...(yield* StartCheck.problems(configuration))]
  if (problems.length > 0) return yield* new Config.InvalidConfiguration({ file, problems })
  yield* print([
    `${file} is valid.`,
    ...Summary.lines(configuration),
    ...LintReport.lines(yield* withPrices(configuration)),
    ...Report.grouped(configuration.notImported).flatMap(({ items, title }) =>
      Table.section(
        `not imported: ${title}`,
        items.map(({ message, path }) => [`${path}: ${message}`]),
      ),
    ),
  ])
  if (!live) return
  const [outcomes, state] = yield* Effect.all([LiveCheck.deployments(configuration), LiveCheck.state(configuration)], {
    concurrency: "unbounded",
  })
  yield* print(
    Table.section("live", [
      ...outcomes.flatMap((outcome) => describe(outcome, configuration)),
      ...(state === undefined ? [] : describeCheck("redis", state)),
    ]),
  )
  if ([...outcomes, state].some((outcome) => outcome?._tag === "Failed")) return yield* new CheckFailed()
})

/** The problem of an address that `serve` would refuse to listen on without keys. */
const authProblems = (configuration: Configuration): Effect.Effect<ReadonlyArray<Problem>> =>
  Effect.match(ServerAuth.policy(configuration), {
    onSuccess: () => [],
    onFailure: ({ message }) => [{ path: "server.host", message: message.replaceAll("\n", " ") }],
  })

const describe = (outcome: LiveCheck.LiveCheck, configuration: Configuration): ReadonlyArray<ReadonlyArray<string>> => {
  const { deployment, key } = outcome
  const name = key === undefined ? deployment : `${deployment}, ${key}`
  if (outcome._tag === "Succeeded") return describeCheck(name, outcome)
  if (outcome._tag === "NotTested") return [[deployment, "not tested: its model is a wildcard"]]
  const { message, reason, status } = outcome
  const title = [reason?._tag, status === undefined ? undefined : `(${status})`].filter((part) => part !== undefined)
  return [
    [name, title.length === 0 ? message : `${title.join(" ")}: ${message}`],
    ...(reason === undefined ? [] : [["", suggestedFix(deployment, configuration, { reason, status, message, key })]]),
  ]
}

/** The rows of a check: one if it succeeded, else one for each line of the message. */
const describeCheck = (
  name: string,
  outcome: LiveCheck.Succeeded | LiveCheck.Failed,
): ReadonlyArray<ReadonlyArray<string>> =>
  outcome._tag === "Succeeded"
    ? [[name, `answered in ${Math.round(Duration.toMillis(outcome.took))} ms`]]
    : outcome.message.split("\n").map((line, at) => [at === 0 ? name : "", line])

const print = (lines: ReadonlyArray<string>): Effect.Effect<void> => Console.log(lines.join("\n"))

const printError = (message: string): Effect.Effect<never, CheckFailed> =>
  Effect.andThen(Console.error(message), new CheckFailed())

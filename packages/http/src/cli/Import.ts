/**
 * `understudy import litellm FILE`, `… portkey FILE`, `… providers FILE`: converts another gateway's configuration. The
 * result goes to stdout or a file, the report to stderr.
 */
import type { Problem } from "@understudy/providers/Config"
import type { Imported } from "@understudy/providers/internal/import/ImportReader"
import * as Litellm from "@understudy/providers/internal/import/litellm/Litellm"
import * as Portkey from "@understudy/providers/internal/import/portkey/Portkey"
import * as Priorities from "@understudy/providers/internal/import/priorities/Priorities"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Config from "../Config.ts"
import * as YamlText from "../config/YamlText.ts"

type Reading = (text: string) => Result.Result<Imported, ReadonlyArray<Problem>>

/** What is YAML, and known by its sections. */
const yaml =
  ({ is, read }: Pick<typeof Litellm, "is" | "read">, why: string): Reading =>
  (text) =>
    Result.flatMap(
      Result.mapError(YamlText.parse(text), (problem) => [problem]),
      (document) => (is(document) ? read(document) : refused(why)),
    )

const litellm = yaml(Litellm, "has no model_list: it is not LiteLLM's")

const priorities = yaml(Priorities, "has no list of providers")

const portkey: Reading = (text) =>
  Result.flatMap(
    Result.try({
      try: (): unknown => JSON.parse(text),
      catch: (error) => [{ path: "", message: `not JSON${Predicate.isError(error) ? `: ${told(error)}` : ""}` }],
    }),
    Portkey.read,
  )

/** What the parser found, without the piece of the document that it quotes. */
const told = ({ message }: Error): string => message.replace(/,? "[^]*$/, "")

const refused = (message: string) => Result.fail([{ path: "", message }])

const flags = {
  file: Argument.String("file").pipe(Argument.withDescription("The configuration to read")),
  output: Flag.File("output", { mustExist: false }).pipe(
    Flag.withAlias("o"),
    Flag.withDescription("The file to write (default: print it)"),
    Flag.optional,
  ),
}

/** Imports a file: writes or prints the converted configuration, then prints the report. */
export const run = Effect.fnUntraced(function* (
  reading: Reading,
  { file, output }: { readonly file: string; readonly output: Option.Option<string> },
) {
  const text = yield* Config.read(file)
  const { document, report } = yield* Effect.fromResult(
    Result.mapError(reading(text), (problems) => new Config.InvalidConfiguration({ file, problems })),
  )
  const yaml = YamlText.print(document)
  if (Option.isSome(output)) yield* (yield* FileSystem.FileSystem).writeFileString(output.value, yaml)
  else yield* Console.log(yaml.trimEnd())
  yield* Console.error(summary(file, report).join("\n"))
})

const summary = (file: string, report: ReadonlyArray<Problem>): ReadonlyArray<string> =>
  report.length === 0 ? [`${file}: everything is imported`] : [`${file}: import report`, ...report.map(Config.line)]

const command = (name: string, reading: Reading, description: string, example: string) =>
  Command.make(name, flags, (options) => run(reading, options)).pipe(
    Command.withDescription(description),
    Command.withExamples([{ command: `understudy import ${name} ${example}`, description: "Into a file" }]),
  )

export const importing = Command.make("import").pipe(
  Command.withDescription("Convert another gateway's configuration to an Understudy configuration"),
  Command.withSubcommands([
    command("litellm", litellm, "Import LiteLLM's proxy configuration, YAML", "config.yaml -o understudy.yaml"),
    command(
      "providers",
      priorities,
      "Import a list of providers by priority, YAML",
      "providers.yaml -o understudy.yaml",
    ),
    command("portkey", portkey, "Import a configuration of Portkey's, JSON", "config.json -o understudy.yaml"),
  ]),
)

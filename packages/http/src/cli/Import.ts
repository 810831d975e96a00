/**
 * `understudy import litellm|portkey|providers FILE`: converts another gateway's configuration. The result is printed to
 * standard output, and what could not be imported to standard error.
 */
import type { Problem } from "@understudy/providers/Config"
import * as Formats from "@understudy/providers/internal/import/Formats"
import type { Imported } from "@understudy/providers/internal/import/ImportReader"
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

/** Converts a text. Loads the modules of its format. */
type Reader = (text: string) => Effect.Effect<Imported, ReadonlyArray<Problem>>

/** The reader of a YAML format that is recognized by its sections. */
const yaml =
  ({ is, read }: Formats.Format, message: string): Reader =>
  (text) =>
    Effect.flatMap(read, (read) =>
      Effect.fromResult(
        Result.flatMap(
          Result.mapError(YamlText.parse(text), (problem) => [problem]),
          (document) => (is(document) ? read(document) : fail(message)),
        ),
      ),
    )

const litellm = yaml(Formats.litellm, "has no model_list: this is not a LiteLLM configuration")

const priorities = yaml(
  Formats.priorities,
  "has no list of providers: this is not a configuration of providers by priority",
)

const portkey: Reader = (text) =>
  Effect.flatMap(
    Effect.promise(() => import("@understudy/providers/internal/import/portkey/Portkey")),
    ({ read }) => Effect.fromResult(Result.flatMap(json(text), read)),
  )

const json = (text: string): Result.Result<unknown, ReadonlyArray<Problem>> =>
  Result.try({
    try: (): unknown => JSON.parse(text),
    catch: (error) => [{ path: "", message: `not JSON${Predicate.isError(error) ? `: ${parserMessage(error)}` : ""}` }],
  })

/** The parser's message without its quotation from the document, which may contain a secret. */
const parserMessage = ({ message }: Error): string => message.replace(/,? "[^]*$/, "")

const fail = (message: string) => Result.fail([{ path: "", message }])

const flags = {
  file: Argument.String("file").pipe(Argument.withDescription("The configuration file to import.")),
  output: Flag.File("output", { mustExist: false }).pipe(
    Flag.withAlias("o"),
    Flag.withDescription("The file to write (default: standard output)."),
    Flag.optional,
  ),
}

/** Imports a file: writes or prints the converted configuration, then prints what could not be imported. */
export const run = Effect.fnUntraced(function* (
  reader: Reader,
  { file, output }: { readonly file: string; readonly output: Option.Option<string> },
) {
  const text = yield* Config.read(file)
  const { document, report } = yield* Effect.mapError(
    reader(text),
    (problems) => new Config.InvalidConfiguration({ file, problems }),
  )
  const yaml = YamlText.print(document)
  if (Option.isSome(output)) yield* (yield* FileSystem.FileSystem).writeFileString(output.value, yaml)
  else yield* Console.log(yaml.trimEnd())
  yield* Console.error(summary(file, report).join("\n"))
})

const summary = (file: string, report: ReadonlyArray<Problem>): ReadonlyArray<string> =>
  report.length === 0 ? [`${file}: everything is imported`] : [`${file}: import report`, ...report.map(Config.line)]

const command = (name: string, reader: Reader, description: string, example: string) =>
  Command.make(name, flags, (options) => run(reader, options)).pipe(
    Command.withDescription(description),
    Command.withExamples([
      { command: `understudy import ${name} ${example}`, description: "Write the result to a file." },
    ]),
  )

export const importing = Command.make("import").pipe(
  Command.withDescription(
    "Convert another gateway's configuration to Understudy's. Exit codes: 0, or 1 if the file cannot be read or converted.",
  ),
  Command.withShortDescription("Convert another gateway's configuration"),
  Command.withSubcommands([
    command("litellm", litellm, "Import a LiteLLM proxy configuration (YAML).", "config.yaml -o understudy.yaml"),
    command(
      "providers",
      priorities,
      "Import a list of providers by priority (YAML).",
      "providers.yaml -o understudy.yaml",
    ),
    command("portkey", portkey, "Import a Portkey configuration (JSON).", "config.json -o understudy.yaml"),
  ]),
)

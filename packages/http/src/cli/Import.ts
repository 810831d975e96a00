/**
 * `understudy import FILE`: converts another gateway's configuration. The result is printed to standard output, and what could
 * not be imported, in groups, to standard error.
 */
import type { Problem } from "@understudy/providers/Config"
import * as Formats from "@understudy/providers/internal/import/Formats"
import type { NotImported } from "@understudy/providers/internal/import/Report"
import * as Report from "@understudy/providers/internal/import/Report"
import * as Data from "effect/Data"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Config from "../Config.ts"
import type { ParsedText } from "../config/ConfigText.ts"
import * as ConfigText from "../config/ConfigText.ts"
import * as YamlText from "../config/YamlText.ts"

/** A strict import left something that is not harmless. The report is printed already. */
export class Incomplete extends Data.TaggedError("Incomplete")<{ readonly message: string }> {}

/** The format of a document: the given one if the document has it, else the one that its sections show. */
const formatOf = (
  { syntax, value }: ParsedText,
  from: Formats.Format["name"] | undefined,
): Result.Result<
  { readonly format: Formats.Format; readonly document: Readonly<Record<string, unknown>> },
  Problem
> => {
  const format = from === undefined ? Formats.detect(value, syntax) : Formats.all.find(({ name }) => name === from)
  if (format === undefined) {
    const known = Formats.all.map(({ section, title }) => `${title} (${section})`).join(", ")
    return Result.fail({ path: "", message: `is the configuration of no gateway that is known: ${known}` })
  }
  return format.syntax === syntax && format.is(value)
    ? Result.succeed({ format, document: value })
    : Result.fail({
        path: "",
        message: `is not the configuration of ${format.title}: it has not got ${format.section}${format.syntax === "toml" ? ", in TOML" : ""}`,
      })
}

const flags = {
  file: Argument.String("file").pipe(Argument.withDescription("The configuration file to import.")),
  from: Flag.Literals("from", Formats.names).pipe(
    Flag.withDescription("The gateway whose configuration it is (default: found out by its sections)."),
    Flag.optional,
  ),
  output: Flag.File("output", { mustExist: false }).pipe(
    Flag.withAlias("o"),
    Flag.withDescription("The file to write (default: standard output)."),
    Flag.optional,
  ),
  strict: Flag.Boolean("strict").pipe(
    Flag.withDescription(
      "Exit with 1 if a setting of safety and money is left, or a model that is not served. The result is written all the same.",
    ),
    Flag.withDefault(false),
  ),
}

interface Options {
  readonly file: string
  readonly from: Option.Option<Formats.Format["name"]>
  readonly output: Option.Option<string>
  readonly strict: boolean
}

/** Imports a file: writes or prints the converted configuration, then prints what could not be imported. */
export const run = Effect.fnUntraced(function* ({ file, from, output, strict }: Options) {
  const text = yield* Config.read(file)
  const invalid = (problems: ReadonlyArray<Problem>) => new Config.InvalidConfiguration({ file, problems })
  const parsed = yield* Effect.mapError(ConfigText.parse(text), (problem) => invalid([problem]))
  const { document: source, format } = yield* Effect.fromResult(
    Result.mapError(formatOf(parsed, Option.getOrUndefined(from)), (problem) => invalid([problem])),
  )
  const read = yield* format.read
  const { document, report } = yield* Effect.fromResult(Result.mapError(read(source), invalid))
  const yaml = YamlText.print(document)
  if (Option.isSome(output)) yield* (yield* FileSystem.FileSystem).writeFileString(output.value, yaml)
  else yield* Console.log(yaml.trimEnd())
  yield* Console.error(summary(file, format.title, report).join("\n"))
  if (strict && Report.isIncomplete(report)) {
    return yield* new Incomplete({
      message: `${file}: not everything is imported, and --strict asks for it: see the report`,
    })
  }
})

/** The report in its groups, with their sizes. */
const summary = (file: string, title: string, report: ReadonlyArray<NotImported>): ReadonlyArray<string> =>
  report.length === 0
    ? [`${file}: read as ${title}; everything is imported`]
    : [
        `${file}: read as ${title}; not imported, or differently:`,
        ...Report.grouped(report).flatMap(({ items, title }) => [
          `${title} (${items.length})`,
          ...items.map(Config.line),
        ]),
      ]

export const importing = Command.make("import", flags, run).pipe(
  Command.withDescription(
    "Convert the configuration of LiteLLM, Portkey, Bifrost or TensorZero, or a list of providers, to Understudy's. What is not imported is printed in groups: safety and money, models not served, harmless. Exit codes: 0, or 1 if the file cannot be read or converted, or if --strict is given and anything of the first two groups is left.",
  ),
  Command.withShortDescription("Convert another gateway's configuration"),
  Command.withExamples([
    { command: "understudy import config.yaml -o understudy.yaml", description: "Write the result to a file." },
    {
      command: "understudy import tensorzero.toml --from tensorzero --strict",
      description: "Fail if a model is not served, or a limit, a key or a budget is left.",
    },
  ]),
)

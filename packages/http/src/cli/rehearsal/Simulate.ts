/**
 * `understudy simulate [CONFIG]`: what a configuration would do in a scenario, by the real engine under virtual time. Nothing is
 * called, and nothing is spent.
 */
import type { Scenario } from "@understudy/core/Rehearsal"
import * as Rehearsal from "@understudy/core/Rehearsal"
import { withPrices } from "@understudy/providers/Config"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { relative } from "node:path"
import type { Configuration } from "../../Config.ts"
import * as DotEnv from "../../DotEnv.ts"
import * as Rehearsed from "../../rehearsal/Rehearsed.ts"
import * as ScenarioFile from "../../rehearsal/ScenarioFile.ts"
import * as ConfigSource from "../ConfigSource.ts"
import * as Progress from "./Progress.ts"
import * as ReportFile from "./ReportFile.ts"
import * as ReportText from "./ReportText.ts"

/** An option that cannot be used. */
export class InvalidOption extends Data.TaggedError("InvalidOption")<{ readonly message: string }> {}

interface Input {
  readonly file: Option.Option<string>
  readonly against: Option.Option<string>
  readonly scenario: string
  readonly list: boolean
  readonly rate: Option.Option<string>
  readonly length: string
  readonly seed: number
  readonly json: boolean
  readonly html: Option.Option<string>
}

export const simulate = Effect.fnUntraced(function* ({
  against,
  file,
  html,
  json,
  length,
  list,
  rate,
  scenario,
  seed,
}: Input) {
  if (list) return yield* Console.log(Rehearsal.scenarios.map(({ name }) => name).join("\n"))
  const options = yield* optionsOf({ length, rate, scenario, seed })
  const configurations = [yield* load(Option.getOrUndefined(file))]
  if (Option.isSome(against)) configurations.push(yield* load(against.value))
  yield* ReportFile.check(html)
  const lines = headline(options)
  if (!json) yield* Console.log(lines.join("\n"))
  const reports = yield* Effect.forEach(configurations, ({ configuration, name }) =>
    Effect.map(rehearse(configuration, { name, lines: !json }, options), (report) => ({ name, report })),
  )
  yield* Console.log(
    json
      ? JSON.stringify({
          ...optionsJson(options),
          reports: reports.map(({ name, report }) => ({ configuration: name, ...report })),
        })
      : ["", ...ReportText.lines(reports)].join("\n"),
  )
  yield* ReportFile.write(html, reports, lines)
})

/** A configuration with its prices, and the name of its column. */
export const load = Effect.fnUntraced(function* (given: string | undefined) {
  const file = yield* ConfigSource.file(given)
  const { configuration } = yield* Effect.provide(ConfigSource.load(file, false), DotEnv.layer(file))
  return {
    name: nameOf(file),
    configuration: yield* withPrices(configuration),
  }
})

/** The name of a configuration: its file, relative to the working directory. */
export const nameOf = (file: string | undefined): string =>
  file === undefined ? "the simulation" : relative(process.cwd(), file)

/** Rehearses a configuration, and shows the progress. */
export const rehearse = (
  configuration: Configuration,
  shown: Omit<Progress.Options, "length">,
  options: Rehearsed.Options,
) => {
  withoutStacks()
  const length = Duration.toMillis(Duration.fromInputUnsafe(options.for ?? "1 hour"))
  return Progress.showing({ ...shown, length }, (onProgress) =>
    Rehearsed.run(configuration, { ...options, onProgress }),
  )
}

/** Calls that fail have errors, whose stacks take longer than all else of the call. */
export const withoutStacks = (): void => {
  Error.stackTraceLimit = 0
}

/** The options of a rehearsal in a scenario, from the texts of the command line. */
export const optionsOf = Effect.fnUntraced(function* (given: {
  readonly scenario: string
  readonly length: string
  readonly rate: Option.Option<string>
  readonly seed: number
}) {
  return {
    scenario: yield* scenarioOf(given.scenario),
    for: yield* lengthOf(given.length),
    rate: yield* rateOf(given.rate),
    seed: given.seed,
  } satisfies Rehearsed.Options
})

const scenarioOf = Effect.fnUntraced(function* (name: string) {
  if (Rehearsal.scenarios.some((each) => each.name === name)) return name
  if (/\.(ya?ml|json)$/.test(name)) return yield* ScenarioFile.load(name)
  return yield* new InvalidOption({
    message: `--scenario ${name}: there is no such scenario, and a file ends with .yaml. Use one of ${Rehearsal.scenarios.map(({ name }) => name).join(", ")}`,
  })
})

const lengthOf = (text: string): Effect.Effect<Duration.Duration, InvalidOption> => {
  const length = ScenarioFile.parseLength(text)
  return length === undefined
    ? Effect.fail(new InvalidOption({ message: `--for ${text}: expected a duration above 0, such as 1h or 24h` }))
    : Effect.succeed(length)
}

const rateOf = (given: Option.Option<string>): Effect.Effect<number | undefined, InvalidOption> => {
  if (Option.isNone(given)) return Effect.undefined
  const rate = ScenarioFile.parseRate(given.value)
  return rate === undefined
    ? Effect.fail(
        new InvalidOption({ message: `--rate ${given.value}: expected calls a second, such as 10/s, 600/m or 10` }),
      )
    : Effect.succeed(rate)
}

/** The scenario, and how long it is played, as lines for people. */
export const headline = ({
  for: length = "1 hour",
  rate,
  scenario,
  seed = 1,
}: Rehearsed.Options): ReadonlyArray<string> => {
  const { description, name } = described(scenario)
  return [
    `${name}${description === "" ? "" : `: ${description}`}`,
    `${Duration.format(Duration.fromInputUnsafe(length))}${rate === undefined ? "" : `, ${rate} calls a second`}, seed ${seed}`,
  ]
}

const described = (scenario: Scenario | string): Pick<Scenario, "name" | "description"> =>
  typeof scenario === "string"
    ? (Rehearsal.scenarios.find(({ name }) => name === scenario) ?? { name: scenario, description: "" })
    : scenario

/** The options of a rehearsal, as the beginning of its JSON. */
export const optionsJson = ({ for: length = "1 hour", rate, scenario, seed = 1 }: Rehearsed.Options) => ({
  scenario: described(scenario).name,
  seed,
  seconds: Duration.toSeconds(Duration.fromInputUnsafe(length)),
  rate,
})

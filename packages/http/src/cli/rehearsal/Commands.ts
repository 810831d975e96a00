/**
 * The commands about rehearsals and tapes: their flags and descriptions. What they do is loaded when they are run, so that
 * `serve` loads nothing of it.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as ConfigSource from "../ConfigSource.ts"

const run =
  <Input, E, R>(load: () => Promise<(input: Input) => Effect.Effect<void, E, R>>) =>
  (input: Input) =>
    Effect.flatMap(Effect.promise(load), (command) => command(input))

const rate = Flag.String("rate").pipe(
  Flag.withDescription("Calls a second, such as 10/s or 600/m (default: that of the scenario, else 10/s)."),
  Flag.optional,
)

const length = Flag.String("for").pipe(
  Flag.withDescription("How long calls come, such as 1h or 24h (default: 1h)."),
  Flag.withDefault("1h"),
)

const seed = Flag.Int("seed").pipe(
  Flag.withDescription("A whole number that decides all that is left to chance (default: 1)."),
  Flag.withDefault(1),
)

const json = (what: string) =>
  Flag.Boolean("json").pipe(Flag.withDescription(`${what} (default: off).`), Flag.withDefault(false))

const html = Flag.File("html", { mustExist: false }).pipe(
  Flag.withDescription("Write the report, with plots over time, to one HTML file too (default: none)."),
  Flag.optional,
)

const config = Argument.String("config").pipe(
  Argument.withDescription("The configuration file (default: understudy.yaml if it exists, else the simulation)."),
  Argument.optional,
)

const against = Flag.File("against", { mustExist: false }).pipe(
  Flag.withDescription("Another configuration file, for the same calls, beside it (default: none)."),
  Flag.optional,
)

const scenario = Flag.String("scenario").pipe(
  Flag.withDescription("The name of a scenario, or the YAML file of one (default: vendor-outage)."),
  Flag.withDefault("vendor-outage"),
)

const list = Flag.Boolean("scenarios").pipe(
  Flag.withDescription("List the scenarios that come with Understudy, one name a line (default: off)."),
  Flag.withDefault(false),
)

const tapes = (name: string) =>
  Argument.String(name).pipe(
    Argument.withDescription("The tape, or its rotated files in any order, such as calls.tape.1 calls.tape."),
    Argument.variadic({ min: 1 }),
  )

export const simulate = Command.make(
  "simulate",
  {
    file: config,
    against,
    scenario,
    list,
    rate,
    length,
    seed,
    json: json("Print the report as JSON, with every minute"),
    html,
  },
  run(() => import("./Simulate.ts").then(({ simulate }) => simulate)),
).pipe(
  Command.withDescription(
    "Rehearse a configuration in a scenario: the real engine, with providers that behave as the scenario says, under a virtual clock. Prints availability, latency, attempts, cost, failovers, and the worst minutes. The same seed gives the same report. Exit codes: 0, or 1 if the configuration or the scenario is invalid, or the file of `--html` cannot be written.",
  ),
  Command.withShortDescription("Rehearse a configuration in a scenario"),
  Command.withExamples([
    {
      command: "understudy simulate understudy.yaml --scenario vendor-outage --rate 10/s --for 24h",
      description: "A day in which the first vendor is out for an hour.",
    },
    {
      command: "understudy simulate new.yaml --against understudy.yaml --scenario monday.yaml",
      description: "Two configurations in a scenario of your own.",
    },
    {
      command: "understudy simulate new.yaml --against understudy.yaml --html report.html",
      description: "The report as a page, with plots over time.",
    },
    { command: "understudy simulate --scenarios", description: "The scenarios that come with Understudy." },
  ]),
)

export const replay = Command.make(
  "replay",
  {
    files: tapes("tape"),
    config: ConfigSource.flag,
    against,
    seed,
    json: json("Print the report as JSON, with every minute"),
    html,
  },
  run(() => import("./Replay.ts").then(({ replay }) => replay)),
).pipe(
  Command.withDescription(
    "Make the calls of a tape again, through a configuration. What a deployment does is drawn from what it did near that time on the tape; what the tape does not have is counted and named. Exit codes: 0, or 1 if the configuration is invalid, a tape cannot be read, or the file of `--html` cannot be written.",
  ),
  Command.withShortDescription("Make the calls of a tape again, through another configuration"),
  Command.withExamples([
    {
      command: "understudy replay calls.tape --config new.yaml --against understudy.yaml",
      description: "The calls of a tape through two configurations.",
    },
  ]),
)

const vary = Flag.String("vary").pipe(
  Flag.withDescription(
    "Settings and their values, such as retry.times=0..3,circuit.failures=1,3,5. Relative paths are in defaults, hedge.* is that of every hedge, others begin with routes.NAME or deployments.NAME. May be repeated.",
  ),
  Flag.atLeast(1),
)

const max = Flag.Int("max").pipe(
  Flag.withDescription("The most variants to rehearse (default: 200)."),
  Flag.withDefault(200),
)

const all = Flag.Boolean("all").pipe(
  Flag.withDescription("Print every variant, those too that another one beats (default: off)."),
  Flag.withDefault(false),
)

export const tune = Command.make(
  "tune",
  { file: config, scenario, vary, max, all, rate, length, seed, json: json("Print the table as JSON") },
  run(() => import("./Tune.ts").then(({ tune }) => tune)),
).pipe(
  Command.withDescription(
    "Rehearse variants of a configuration in a scenario, each with the same calls and the same chance, and print the Pareto front: the variants that no other one beats in availability, p95 latency and cost together, with the YAML that each changes. Exit codes: 0, or 1 if the configuration, the scenario or a variant is invalid.",
  ),
  Command.withShortDescription("Find the settings with the best availability, p95 latency and cost in a scenario"),
  Command.withExamples([
    {
      command:
        "understudy tune understudy.yaml --scenario vendor-outage --vary retry.times=0..3,circuit.failures=1,3,5",
      description: "Twelve variants in an outage of the first vendor.",
    },
    {
      command: "understudy tune --vary hedge.after=1s,2s --vary routes.assistant.timeout.firstToken=3s,10s --all",
      description: "Every hedge, and a timeout of one route.",
    },
  ]),
)

export const tape = Command.make(
  "tape",
  { files: tapes("file"), json: json("Print JSON") },
  run(() => import("./Tape.ts").then(({ tape }) => tape)),
).pipe(
  Command.withDescription(
    "Print what is on a tape of calls: its span, the rate of calls, gaps, and by route and deployment failures, durations, tokens and cost. Exit codes: 0, or 1 if a file cannot be read.",
  ),
  Command.withShortDescription("Print what is on a tape of recorded calls"),
  Command.withExamples([
    { command: "understudy tape tapes/calls.tape", description: "One file." },
    { command: "understudy tape tapes/calls.tape* --json", description: "The tape with its rotated files, as JSON." },
  ]),
)

/**
 * `understudy reload`, `faults`, `record`, `keys`, `teams`, `budgets`, `spend`, `calls`, `shadows` and `splits`: the administration of a running gateway. What they do is loaded
 * when they are run.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as DotEnv from "../../DotEnv.ts"

/** Runs what a module exports. */
const run =
  <Input, E, R>(load: () => Promise<(input: Input) => Effect.Effect<void, E, R>>) =>
  (input: Input) =>
    Effect.promise(load).pipe(
      Effect.flatMap((command) => command(input)),
      Effect.provide(DotEnv.layer()),
    )

const maybe = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> => Flag.map(Flag.optional(flag), Option.getOrUndefined)

const text = (name: string, description: string) => maybe(Flag.String(name).pipe(Flag.withDescription(description)))

const count = (name: string, description: string) => maybe(Flag.Int(name).pipe(Flag.withDescription(description)))

const texts = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(`${description}. May be repeated.`), Flag.atLeast(0))

const off = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(`${description} (default: off).`), Flag.withDefault(false))

const argument = (name: string, description: string) =>
  Argument.String(name).pipe(
    Argument.withDescription(description),
    Argument.filter(
      (value) => value.trim() !== "",
      () => "a text that is not blank",
    ),
  )

const common = {
  url: text("url", "The address of the gateway (default: UNDERSTUDY_URL, else http://127.0.0.1:4000)."),
  json: off("json", "Print the JSON of the API"),
}

const limit = Flag.Int("limit").pipe(
  Flag.filter(
    (limit) => limit > 0,
    () => "a whole number above 0",
  ),
)

const most = maybe(limit.pipe(Flag.withDescription("The most that are shown (default: all).")))

const yes = off("yes", "Delete without a question")

const quiet = off("quiet", "Print the text of the key and nothing else")

const clear = <const Names extends ReadonlyArray<string>>(names: Names) =>
  Flag.Literals("clear", names).pipe(
    Flag.withDescription("A field that goes back to its default. May be repeated."),
    Flag.atLeast(0),
  )

const exitCodes = "Exit codes: 0, or 1 if the gateway cannot be reached or refuses."

/** A group of subcommands, which say what they do at `--help`. */
const described =
  (short: string, more = "") =>
  <Name extends string, Input, C, E, R>(command: Command.Command<Name, Input, C, E, R>) =>
    command.pipe(Command.withDescription(`${short}.${more} ${exitCodes}`), Command.withShortDescription(short))

// ---------------------------------------------------------------------------------------------------------------------
// Fields
// ---------------------------------------------------------------------------------------------------------------------

const shared = {
  route: texts("route", "A route or deployment that may be called (default: all)"),
  rpm: count("rpm", "The most calls a minute (default: no limit)."),
  tpm: count("tpm", "The most tokens a minute (default: no limit)."),
  rpd: count("rpd", "The most calls a day (default: no limit)."),
  concurrency: count("concurrency", "The most calls at a time, at each gateway (default: no limit)."),
  cpm: count("cpm", "The most token counts and explanations a minute (default: rpm)."),
  queueMax: count(
    "queue-max",
    "The most calls that wait while it is at a limit; 0 for none (default: no queue, or 100).",
  ),
  queueMaxWait: text("queue-max-wait", "How long a call may wait, such as 30s (default: no queue, or 10s)."),
  priority: text("priority", "The class of its waiting calls: high, normal or low (default: normal)."),
  metadata: Flag.KeyValuePair("metadata").pipe(
    Flag.withDescription("An entry of the metadata, as name=value. May be repeated."),
    Flag.withDefault({}),
  ),
  disabled: maybe(Flag.Boolean("disabled").pipe(Flag.withDescription("Whether calls are rejected (default: off)."))),
}

const keyFields = {
  team: text("team", "The name or the id of its team (default: none)."),
  role: text("role", "What it may do besides calls: caller, team-admin, viewer or admin (default: caller)."),
  tag: texts("tag", "A tag of its calls"),
  expiresAt: text(
    "expires-at",
    "From when on it is rejected, such as 2027-01-31 or 2027-01-31T18:00:00Z (default: never).",
  ),
  ...shared,
}

const newBudgets = texts(
  "budget",
  "A budget in US dollars as AMOUNT/WINDOW, such as 5/month, or AMOUNT/WINDOW/ROUTE to use another route at the limit",
)

const newName = text("name", "Its new name.")

// ---------------------------------------------------------------------------------------------------------------------
// Keys
// ---------------------------------------------------------------------------------------------------------------------

const key = argument("key", "The id or the name of a key; me for the key in use.")

const keysModule = () => import("./Keys.ts")

export const keys = Command.make("keys").pipe(
  Command.withDescription(
    "Administer the virtual keys of a running gateway. Needs its operator key, or the key of an admin, in UNDERSTUDY_API_KEY.",
  ),
  Command.withShortDescription("Administer the keys of a running gateway"),
  Command.withSubcommands([
    Command.make(
      "create",
      { name: argument("name", "What people call the key."), ...keyFields, budget: newBudgets, quiet, ...common },
      run(() => keysModule().then(({ create }) => create)),
    ).pipe(
      described("Create a key and print its text, once"),
      Command.withExamples([
        {
          command: "understudy keys create ci --team search --rpm 60 --budget 5/month",
          description: "Create a key with a limit and a budget.",
        },
        {
          command: "understudy keys create ci --quiet > ci.key",
          description: "Write the text of the key to a file.",
        },
      ]),
    ),
    Command.make(
      "list",
      { team: text("team", "Only the keys of this team (default: all)."), limit: most, ...common },
      run(() => keysModule().then(({ list }) => list)),
    ).pipe(described("List the keys")),
    Command.make(
      "show",
      { key, ...common },
      run(() => keysModule().then(({ show }) => show)),
    ).pipe(described("Show a key and its budgets")),
    Command.make(
      "update",
      {
        key,
        name: newName,
        ...keyFields,
        clear: clear(["team", "role", "routes", "limits", "tags", "metadata", "expiresAt"]),
        ...common,
      },
      run(() => keysModule().then(({ update }) => update)),
    ).pipe(described("Change a key", " Limits and metadata that are not given stay as they are.")),
    Command.make(
      "rotate",
      {
        key,
        overlap: text("overlap", "How long the former text is accepted, such as 24h (default: not at all)."),
        quiet,
        ...common,
      },
      run(() => keysModule().then(({ rotate }) => rotate)),
    ).pipe(described("Give a key another text and print it, once")),
    Command.make(
      "disable",
      { key, ...common },
      run(() => keysModule().then(({ disable }) => disable)),
    ).pipe(described("Reject the calls of a key, until it is enabled")),
    Command.make(
      "enable",
      { key, ...common },
      run(() => keysModule().then(({ enable }) => enable)),
    ).pipe(described("Accept the calls of a disabled key")),
    Command.make(
      "delete",
      { key, yes, ...common },
      run(() => keysModule().then(({ remove }) => remove)),
    ).pipe(described("Delete a key and its budgets")),
  ]),
)

// ---------------------------------------------------------------------------------------------------------------------
// Teams
// ---------------------------------------------------------------------------------------------------------------------

const team = argument("team", "The id or the name of a team.")

const teamsModule = () => import("./Teams.ts")

export const teams = Command.make("teams").pipe(
  Command.withDescription(
    "Administer the teams of a running gateway, whose keys share limits and budgets. Needs its operator key, or the key of an admin, in UNDERSTUDY_API_KEY.",
  ),
  Command.withShortDescription("Administer the teams of a running gateway"),
  Command.withSubcommands([
    Command.make(
      "create",
      { name: argument("name", "The name of the team."), ...shared, budget: newBudgets, ...common },
      run(() => teamsModule().then(({ create }) => create)),
    ).pipe(
      described("Create a team"),
      Command.withExamples([
        {
          command: "understudy teams create search --rpm 600 --budget 50/month",
          description: "Create a team with a limit and a budget that its keys share.",
        },
      ]),
    ),
    Command.make(
      "list",
      { limit: most, ...common },
      run(() => teamsModule().then(({ list }) => list)),
    ).pipe(described("List the teams")),
    Command.make(
      "show",
      { team, ...common },
      run(() => teamsModule().then(({ show }) => show)),
    ).pipe(described("Show a team and its budgets")),
    Command.make(
      "update",
      { team, name: newName, ...shared, clear: clear(["routes", "limits", "metadata"]), ...common },
      run(() => teamsModule().then(({ update }) => update)),
    ).pipe(described("Change a team", " Limits and metadata that are not given stay as they are.")),
    Command.make(
      "delete",
      { team, yes, ...common },
      run(() => teamsModule().then(({ remove }) => remove)),
    ).pipe(described("Delete a team without keys, and its budgets")),
  ]),
)

// ---------------------------------------------------------------------------------------------------------------------
// Budgets
// ---------------------------------------------------------------------------------------------------------------------

const budget = argument("budget", "The id of a budget.")

const budgetsModule = () => import("./Budgets.ts")

const scope = {
  key: text("key", "The id or the name of the key that it is for."),
  team: text("team", "The id or the name of the team that it is for."),
  tag: text("tag", "The tag of the calls that it is for."),
  route: text("route", "The route that it is for."),
  deployment: text("deployment", "The deployment that it is for."),
  vendor: text("vendor", "The vendor that it is for, such as openai."),
  all: off("all", "It is for everything"),
}

const amount = Flag.Finite("amount").pipe(Flag.withDescription("The amount in US dollars."))

const window = Flag.String("window").pipe(
  Flag.withDescription("The time it is for: hour, day, week, month, total, or days such as '30 days'."),
)

const budgetFields = {
  timeZone: text("time-zone", "The time zone of its window, such as Europe/Berlin (default: UTC)."),
  use: text("use", "The route that is used at the limit (default: none, calls are refused)."),
  alert: Flag.Finite("alert").pipe(
    Flag.withDescription("A share at which an alert is sent, such as 0.8. May be repeated (default: 0.5, 0.8 and 1)."),
    Flag.atLeast(0),
  ),
}

export const budgets = Command.make("budgets").pipe(
  Command.withDescription(
    "Administer the budgets of a running gateway. Needs its operator key, or the key of an admin, in UNDERSTUDY_API_KEY.",
  ),
  Command.withShortDescription("Administer the budgets of a running gateway"),
  Command.withSubcommands([
    Command.make(
      "create",
      { ...scope, amount, window, ...budgetFields, ...common },
      run(() => budgetsModule().then(({ create }) => create)),
    ).pipe(
      described("Create a budget"),
      Command.withExamples([
        {
          command: "understudy budgets create --team search --amount 50 --window month",
          description: "Refuse the calls of a team once it has spent $50 in a month.",
        },
        {
          command: "understudy budgets create --all --amount 20 --window day --use cheap",
          description: "Use another route once $20 are spent in a day.",
        },
      ]),
    ),
    Command.make(
      "list",
      {
        key: text("key", "Only the budgets of this key (default: all)."),
        team: text("team", "Only the budgets of this team (default: all)."),
        limit: most,
        ...common,
      },
      run(() => budgetsModule().then(({ list }) => list)),
    ).pipe(described("List the budgets, and how much of each is used")),
    Command.make(
      "show",
      { budget, ...common },
      run(() => budgetsModule().then(({ show }) => show)),
    ).pipe(described("Show a budget")),
    Command.make(
      "update",
      {
        budget,
        ...scope,
        amount: maybe(amount),
        window: maybe(window),
        ...budgetFields,
        clear: clear(["timeZone", "then", "alerts"]),
        ...common,
      },
      run(() => budgetsModule().then(({ update }) => update)),
    ).pipe(described("Change a budget")),
    Command.make(
      "delete",
      { budget, yes, ...common },
      run(() => budgetsModule().then(({ remove }) => remove)),
    ).pipe(described("Delete a budget")),
  ]),
)

// ---------------------------------------------------------------------------------------------------------------------
// The ledger
// ---------------------------------------------------------------------------------------------------------------------

const time = {
  from: text("from", "The start, such as 2027-01-31 or 2027-01-31T18:00:00Z (default: of the ledger)."),
  to: text("to", "The end, which is not included (default: now)."),
}

const filters = {
  key: text("key", "Only calls of this key, by id or name (default: all)."),
  team: text("team", "Only calls of this team, by id or name (default: all)."),
  tag: text("tag", "Only calls with this tag (default: all)."),
  route: text("route", "Only calls of this route (default: all)."),
  deployment: text("deployment", "Only calls of this deployment (default: all)."),
}

export const spend = Command.make(
  "spend",
  {
    by: text(
      "by",
      "What the sums are by: key, team, tag, route, deployment, vendor, model, separated by commas (default: one sum).",
    ),
    every: text("every", "The length of time of a row: hour, day or month (default: all of it)."),
    ...time,
    ...filters,
    vendor: text("vendor", "Only calls of this vendor (default: all)."),
    model: text("model", "Only calls of this model (default: all)."),
    csv: off("csv", "Print CSV"),
    ...common,
  },
  run(() => import("./Spend.ts").then(({ spend }) => spend)),
).pipe(
  described("Show what was spent", " Needs a gateway with a database."),
  Command.withExamples([
    { command: "understudy spend --by team,model", description: "What each team spent on each model." },
    {
      command: "understudy spend --every day --from 2027-01-01 --to 2027-02-01",
      description: "What was spent on each day of January.",
    },
  ]),
)

const callsModule = () => import("./Calls.ts")

export const calls = Command.make(
  "calls",
  {
    ...filters,
    outcome: text("outcome", "Only calls with this outcome: success, failure, cancelled or refused (default: all)."),
    ...time,
    limit: limit.pipe(Flag.withDescription("The most that are shown (default: 20)."), Flag.withDefault(20)),
    ...common,
  },
  run(() => callsModule().then(({ list }) => list)),
).pipe(
  described("List calls, the latest first", " Needs a gateway with a database."),
  Command.withSubcommands([
    Command.make(
      "show",
      { call: argument("call", "The id of a call, as in the log."), ...common },
      run(() => callsModule().then(({ show }) => show)),
    ).pipe(described("Show a call and its attempts")),
  ]),
  Command.withExamples([
    { command: "understudy calls --key ci --outcome failure", description: "The latest failed calls of a key." },
  ]),
)

const comparisonFlags = { route: text("route", "Only this route (default: all)."), ...time, ...common }

const comparisonModule = () => import("./Comparison.ts")

export const shadows = Command.make(
  "shadows",
  comparisonFlags,
  run(() => comparisonModule().then(({ shadows }) => shadows)),
).pipe(
  described("Compare shadow calls with their calls: outcome, latency and cost", " Needs a gateway with a database."),
  Command.withExamples([
    { command: "understudy shadows --route assistant --from 2027-01-31", description: "The shadow calls of a route." },
  ]),
)

export const splits = Command.make(
  "splits",
  comparisonFlags,
  run(() => comparisonModule().then(({ splits }) => splits)),
).pipe(
  described("Compare the arms of splits: outcome, latency and cost", " Needs a gateway with a database."),
  Command.withExamples([{ command: "understudy splits --route assistant", description: "The arms of a split." }]),
)

// ---------------------------------------------------------------------------------------------------------------------
// Reload
// ---------------------------------------------------------------------------------------------------------------------

export const reload = Command.make(
  "reload",
  common,
  run(() => import("./Reload.ts").then(({ reload }) => reload)),
).pipe(
  described(
    "Reload the configuration of a running gateway",
    " Prints what changed, or every problem of the configuration, which then changes nothing.",
  ),
)

// ---------------------------------------------------------------------------------------------------------------------
// Faults
// ---------------------------------------------------------------------------------------------------------------------

const faultsModule = () => import("./Faults.ts")

const faultTarget = argument("target", "A deployment or a route with faults.")

export const faults = Command.make("faults").pipe(
  Command.withDescription(
    "Inject the configured faults of a running gateway for a bounded time. Needs its operator key, or the key of an admin, in UNDERSTUDY_API_KEY.",
  ),
  Command.withShortDescription("Inject faults on a game day"),
  Command.withSubcommands([
    Command.make(
      "list",
      common,
      run(() => faultsModule().then(({ list }) => list)),
    ).pipe(described("List the configured faults, and which are on")),
    Command.make(
      "on",
      {
        target: faultTarget,
        for: Flag.String("for").pipe(Flag.withDescription("How long, such as 10m.")),
        fault: texts("fault", "The name of a fault (default: all of the target)"),
        ...common,
      },
      run(() => faultsModule().then(({ on }) => on)),
    ).pipe(described("Switch faults on")),
    Command.make(
      "off",
      { target: Argument.map(Argument.optional(faultTarget), Option.getOrUndefined), ...common },
      run(() => faultsModule().then(({ off }) => off)),
    ).pipe(described("Switch faults off", " Without a target, all of them.")),
  ]),
  Command.withExamples([
    {
      command: "understudy faults on gpt-4o --for 10m",
      description: "Inject all faults of a deployment for ten minutes.",
    },
  ]),
)

// ---------------------------------------------------------------------------------------------------------------------
// Recording
// ---------------------------------------------------------------------------------------------------------------------

const recordModule = () => import("./Record.ts")

const recordFor = Flag.String("for").pipe(Flag.withDescription("How long, such as 10m; at most 7d."))

export const record = Command.make("record").pipe(
  Command.withDescription(
    "Record the calls of a running gateway on the tape of its configuration, for a bounded time. Needs its operator key in UNDERSTUDY_API_KEY; for the status, the key of a viewer is enough.",
  ),
  Command.withShortDescription("Record calls for a time"),
  Command.withSubcommands([
    Command.make(
      "status",
      common,
      run(() => recordModule().then(({ status }) => status)),
    ).pipe(described("Show whether calls are recorded, and how many were")),
    Command.make(
      "on",
      {
        for: recordFor,
        sample: maybe(
          Flag.Finite("sample").pipe(
            Flag.withDescription("The share of the calls, from 0 to 1 (default: that of the configuration)."),
          ),
        ),
        ...common,
      },
      run(() => recordModule().then(({ on }) => on)),
    ).pipe(described("Switch the recording on", " Afterwards it is as configured.")),
    Command.make(
      "off",
      { for: recordFor, ...common },
      run(() => recordModule().then(({ off }) => off)),
    ).pipe(described("Switch the recording off", " Afterwards it is as configured.")),
  ]),
  Command.withExamples([
    {
      command: "understudy record on --for 1h --sample 0.1",
      description: "Record every tenth call for an hour.",
    },
  ]),
)

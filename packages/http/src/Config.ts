/**
 * The configuration of the gateway: a YAML file with the sections `server`, `state`, `keys`, `guardrails`, `usageLog`, `record`, `database`, `budgets`, `ledger`,
 * `responses`, `telemetry` and `faultInjection`, besides the sections of a router. Files of LiteLLM, Bifrost and TensorZero, and lists of
 * providers by priority, are imported.
 */
import type { Problem } from "@understudy/providers/Config"
import * as Config from "@understudy/providers/Config"
import * as Formats from "@understudy/providers/internal/import/Formats"
import type { NotImported } from "@understudy/providers/internal/import/Report"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { BudgetSettings } from "./config/BudgetsSection.ts"
import * as BudgetsSection from "./config/BudgetsSection.ts"
import { DatabaseSection } from "./config/DatabaseSection.ts"
import type { FaultInjectionSettings } from "./config/FaultInjectionSection.ts"
import * as FaultInjectionSection from "./config/FaultInjectionSection.ts"
import { duplicates, KeysSection, unknownKeys } from "./config/KeysSection.ts"
import type { WebhookSettings } from "./config/GuardrailsSection.ts"
import * as GuardrailsSection from "./config/GuardrailsSection.ts"
import * as LedgerSection from "./config/LedgerSection.ts"
import type { ServerSettings } from "./config/ServerSection.ts"
import { ServerSection, settings as serverSettings } from "./config/ServerSection.ts"
import type { StateSettings } from "./config/StateSection.ts"
import { StateSection } from "./config/StateSection.ts"
import type * as Ledger from "./ledger/Ledger.ts"
import type * as Recording from "./record/Recording.ts"
import type { UsageLogSettings } from "./observe/UsageLog.ts"
import { TelemetrySection } from "./config/TelemetrySection.ts"
import * as RecordSection from "./config/RecordSection.ts"
import type { ResponsesSettings } from "./config/ResponsesSection.ts"
import * as ResponsesSection from "./config/ResponsesSection.ts"
import * as UsageLogSection from "./config/UsageLogSection.ts"
import type { Database } from "./store/Store.ts"
import * as ConfigText from "./config/ConfigText.ts"
import type { ConfiguredKey } from "./auth/VirtualKey.ts"

export interface Configuration extends Config.Settings {
  readonly server: ServerSettings
  readonly state: StateSettings
  readonly keys: ReadonlyArray<ConfiguredKey>
  readonly guardrails: ReadonlyArray<WebhookSettings>
  readonly usageLog: UsageLogSettings | undefined
  readonly record: Recording.Settings | undefined
  readonly database: Database | undefined
  readonly budgets: BudgetSettings
  /** Used only with a database. */
  readonly ledger: Ledger.Settings
  readonly responses: ResponsesSettings
  /** Completed by environment variables when the gateway starts: see `telemetry/Settings`. */
  readonly telemetry: typeof TelemetrySection.Type
  readonly faultInjection: FaultInjectionSettings
  /** The settings that could not be imported from another gateway's configuration. */
  readonly notImported: ReadonlyArray<NotImported>
}

/** An invalid configuration, with all of its problems. */
export class InvalidConfiguration extends Data.TaggedError("InvalidConfiguration")<{
  readonly file: string
  readonly problems: ReadonlyArray<Problem>
}> {
  /** The file and the number of problems, then one line for each problem. */
  override get message(): string {
    const { length } = this.problems
    return [`${this.file}: ${length === 1 ? "1 problem" : `${length} problems`}`, ...this.problems.map(line)].join("\n")
  }
}

/** The line of a problem: its path and its message. */
export const line = ({ message, path }: Problem): string => `  ${path === "" ? "" : `${path}: `}${message}`

/** Decodes a parsed document. Fails with all problems. */
export const decode = (
  document: unknown,
  environment: Config.Environment,
): Result.Result<Configuration, ReadonlyArray<Problem>> =>
  Result.flatMap(
    Config.decodeWith(
      {
        server: ServerSection,
        state: StateSection,
        keys: KeysSection(callable(document)),
        guardrails: GuardrailsSection.GuardrailsSection,
        usageLog: UsageLogSection.UsageLogSection,
        record: RecordSection.RecordSection,
        database: DatabaseSection,
        budgets: BudgetsSection.BudgetsSection,
        ledger: LedgerSection.LedgerSection,
        responses: ResponsesSection.ResponsesSection,
        telemetry: TelemetrySection,
        faultInjection: FaultInjectionSection.FaultInjectionSection,
      },
      document,
      environment,
    ),
    ({
      sections: {
        budgets,
        database,
        faultInjection,
        guardrails,
        keys,
        ledger,
        record,
        responses,
        server,
        state,
        telemetry,
        usageLog,
      },
      settings,
    }) => {
      const problems = [
        ...duplicates(keys),
        ...BudgetsSection.problems(budgets, keys, settings, database),
        // Conditions may name keys of the database, by their ids.
        ...(database === undefined ? unknownKeys(settings.routes, keys) : []),
        ...GuardrailsSection.problems(guardrails, settings),
        ...UsageLogSection.missingFile(usageLog),
        ...RecordSection.missingFile(record),
        ...LedgerSection.missingDatabase(ledger, database),
        ...ResponsesSection.missingDatabase(responses, database),
      ]
      return problems.length > 0
        ? Result.fail(problems)
        : Result.succeed({
            ...settings,
            server: serverSettings(server),
            state,
            keys,
            guardrails: GuardrailsSection.settings(guardrails),
            usageLog: UsageLogSection.settings(usageLog),
            record: RecordSection.settings(record),
            database,
            budgets: BudgetsSection.settings(budgets, keys),
            ledger: LedgerSection.settings(ledger, database),
            responses: ResponsesSection.settings(responses),
            telemetry,
            faultInjection: FaultInjectionSection.settings(faultInjection),
            notImported: [],
          })
    },
  )

/** The names of routes and deployments, before they are decoded. */
const callable = (document: unknown): ReadonlyArray<string> =>
  Predicate.isObject(document)
    ? ["routes", "deployments"].flatMap((section) => Object.keys(Reflect.get(document, section) ?? {}))
    : []

/** A parsed document, and what of another gateway's configuration could not be imported into it. */
export interface ParsedDocument {
  readonly document: unknown
  readonly report: ReadonlyArray<NotImported>
}

/** Decodes the text of a configuration. Reads its variables from the `ConfigProvider`. `file` is named in errors. */
export const parse = Effect.fnUntraced(function* (
  text: string,
  file: string,
): Effect.fn.Return<Configuration, InvalidConfiguration> {
  return yield* decodeDocument(yield* parseDocument(text, file), file)
})

/** Parses the text of a configuration, whose variables are not replaced yet. `file` is named in errors. */
export const parseDocument = (text: string, file: string): Effect.Effect<ParsedDocument, InvalidConfiguration> => {
  const parsed = Effect.mapError(ConfigText.parse(text), (problem) => [problem])
  return Effect.mapError(
    Effect.flatMap(parsed, convertImport),
    (problems) => new InvalidConfiguration({ file, problems }),
  )
}

/** Decodes a parsed document. Reads its variables from the `ConfigProvider`. `file` is named in errors. */
export const decodeDocument = Effect.fnUntraced(function* (
  { document, report }: ParsedDocument,
  file: string,
): Effect.fn.Return<Configuration, InvalidConfiguration> {
  const invalid = (problems: ReadonlyArray<Problem>) => new InvalidConfiguration({ file, problems })
  const environment = yield* Effect.mapError(variables(Config.variables(document)), (error) =>
    invalid([{ path: "", message: error.message }]),
  )
  const configuration = yield* Effect.fromResult(
    Result.mapError(
      decode(document, (name) => environment.get(name)),
      invalid,
    ),
  )
  return { ...configuration, notImported: report }
})

/** The document, or another gateway's document converted, with what could not be imported. */
const convertImport = ({
  syntax,
  value,
}: ConfigText.ParsedText): Effect.Effect<ParsedDocument, ReadonlyArray<Problem>> => {
  const format = Formats.detect(value, syntax)
  return format?.served === true && format.is(value)
    ? Effect.flatMap(format.read, (read) => Effect.fromResult(read(value)))
    : Effect.succeed({ document: value, report: [] })
}

const variables = Effect.fnUntraced(function* (names: ReadonlySet<string>) {
  const provider = yield* ConfigProvider.ConfigProvider
  const entries = yield* Effect.forEach(names, (name) =>
    Effect.map(provider.load([name]), (node) => [name, node?.value] as const),
  )
  return new Map(entries)
})

/** Reads a configuration file. Its variables come from the `ConfigProvider`: provide `DotEnv.layer(file)` for `.env`. */
export const load = Effect.fnUntraced(function* (
  file: string,
): Effect.fn.Return<Configuration, InvalidConfiguration, FileSystem.FileSystem> {
  return yield* parse(yield* read(file), file)
})

/** The text of a file. */
export const read = Effect.fnUntraced(function* (
  file: string,
): Effect.fn.Return<string, InvalidConfiguration, FileSystem.FileSystem> {
  const files = yield* FileSystem.FileSystem
  return yield* Effect.mapError(files.readFileString(file), ({ reason }) => {
    const message = reason._tag === "NotFound" ? "the file does not exist" : `cannot be read: ${reason.message}`
    return new InvalidConfiguration({ file, problems: [{ path: "", message }] })
  })
})
